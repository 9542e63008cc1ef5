//! Orders to the run: pause, resume, take, give back, kill.

use aurore_agent::{Order, OrderRefused};
use axum::Extension;
use axum::extract::{Path, State as Extract};
use axum::response::Response;
use serde_json::{Value, json};

use super::State;
use super::guard::Who;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};

pub(super) async fn order(
    Extract(state): Extract<State>,
    Extension(who): Extension<Who>,
    Path(word): Path<String>,
) -> Response {
    let Ok(order) = serde_json::from_value::<Order>(Value::String(word.clone())) else {
        let message = format!("{word:?} is no order: use pause, resume, take, give_back, drop or kill");
        return Dialect::OpenAi.refuse(&Problem::new(Kind::NotFound, message).coded("unknown_order"));
    };
    match state.hub.order(order, &who.name) {
        Ok(()) => json_response(&json!({"order": order, "status": "taken"})),
        Err(refused) => {
            let code = match refused {
                OrderRefused::Over => "over",
                OrderRefused::NotNow(_) => "not_now",
            };
            Dialect::OpenAi.refuse(&Problem::new(Kind::Conflict, refused.to_string()).coded(code))
        }
    }
}
