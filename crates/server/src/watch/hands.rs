//! What a person does by hand, through the page or a program of theirs.

use aurore_action::{Action, FrameId};
use aurore_agent::HandRefused;
use axum::Extension;
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::State;
use super::guard::Who;
use crate::body::read_json;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};

/// Longest text that is typed at once, characters.
const LONGEST: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// What the person saw.
    frame: FrameId,
    action: Action,
}

pub(super) async fn hand(
    Extract(state): Extract<State>,
    Extension(who): Extension<Who>,
    request: Request,
) -> Response {
    let wish = read_json::<Wish>(request, &state.options).await;
    let given = wish.and_then(|Wish { frame, action }| {
        if matches!(&action, Action::Type { text } if text.chars().count() > LONGEST) {
            let message = format!("at most {LONGEST} characters are typed at once");
            return Err(Problem::invalid("action.text", message));
        }
        let taken = state.hub.hand(frame, action, &who.name);
        taken.map_err(|refused| problem(&refused))
    });
    match given {
        Ok(number) => json_response(&json!({"number": number, "status": "taken"})),
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

fn problem(refused: &HandRefused) -> Problem {
    let (kind, code) = match refused {
        HandRefused::NotTaken => (Kind::Conflict, "not_taken"),
        HandRefused::Stale => (Kind::Conflict, "stale"),
        HandRefused::Busy => (Kind::Busy, "busy"),
        HandRefused::Unfit(_) => (Kind::Invalid, "unfit"),
    };
    Problem::new(kind, refused.to_string()).coded(code)
}
