//! Which path leads where.

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};

use super::guard::guard;
use super::{State, answers, events, hands, orders, page};
use crate::dialect::Dialect;
use crate::page::ENTRANCE;
use crate::problem::{Kind, Problem};

pub(super) fn router(state: State) -> Router {
    Router::new()
        .merge(page::router())
        .route(ENTRANCE, get(page::enter))
        .route("/links", post(page::new_link))
        .route("/runs/current", get(events::snapshot))
        .route("/runs/current/events", get(events::events))
        .route("/frames/{id}", get(events::frame))
        .route("/questions/{id}", post(answers::answer))
        .route("/runs/current/hand", post(hands::hand))
        .route("/runs/current/{order}", post(orders::order))
        .fallback(nothing)
        .layer(from_fn_with_state(state.clone(), guard))
        .with_state(state)
}

async fn nothing(request: Request) -> Response {
    let message = format!(
        "there is nothing at {:?}: the routes stand in docs/agent.md",
        request.uri().path()
    );
    Dialect::OpenAi.refuse(&Problem::new(Kind::NotFound, message).coded("unknown_url"))
}
