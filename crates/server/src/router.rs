//! Which path leads where.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use crate::anthropic;
use crate::app::App;
use crate::dialect::{Dialect, json_response};
use crate::guard::{Need, admit, guard};
use crate::keys::Scope;
use crate::log;
use crate::metrics::metrics;
use crate::openai;
use crate::openapi;
use crate::page;
use crate::problem::{Kind, Problem};
use crate::responses;
use crate::tokens;

pub(crate) fn router(served: App) -> Router {
    let to = |need: Need| from_fn_with_state(need, admit);
    let models = Router::new()
        .route("/v1/models", get(openai::list))
        .route("/v1/models/{name}", get(openai::one))
        .route("/v1/chat/completions", post(openai::chat))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/responses", post(responses::create))
        .route("/v1/messages", post(anthropic::messages))
        .route("/v1/messages/count_tokens", post(anthropic::count_tokens))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route_layer(to(Need::Scope(Scope::Infer)));
    let kept = Router::new()
        .route(
            "/v1/responses/{id}",
            get(responses::retrieve).delete(responses::delete),
        )
        .route("/v1/responses/{id}/cancel", post(responses::cancel))
        .route("/v1/responses/{id}/input_items", get(responses::input_items))
        .route_layer(to(Need::Kept));
    let figures = Router::new()
        .route("/metrics", get(metrics))
        .route("/links", post(page::new_link))
        .route_layer(to(Need::Scope(Scope::Manage)));
    let page = page::router().route_layer(to(Need::Page));
    let anybody = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route(page::ENTRANCE, get(page::enter))
        .route("/openapi.json", get(openapi::document));
    Router::new()
        .merge(models)
        .merge(kept)
        .merge(figures)
        .merge(page)
        .merge(anybody)
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(served.clone(), guard))
        .layer(from_fn(log::name))
        .with_state(served)
}

async fn health() -> Response {
    json_response(&json!({"status": "ok"}))
}

async fn ready(State(served): State<App>) -> Response {
    let is_ready = served.scheduler.is_ready();
    let mut response = json_response(&json!({"status": if is_ready { "ready" } else { "ending" }}));
    if !is_ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn nothing(request: Request) -> Response {
    let path = request.uri().path();
    let message = format!("there is nothing at {path:?}: the routes stand in docs/server.md");
    Dialect::of(path).refuse(&Problem::new(Kind::NotFound, message).coded("unknown_url"))
}

async fn wrong_method(request: Request) -> Response {
    let path = request.uri().path();
    let other = if request.method() == Method::POST {
        "GET"
    } else {
        "POST"
    };
    let message = format!("{path} is not asked with {}, but with {other}", request.method());
    Dialect::of(path).refuse(&Problem::new(Kind::Method, message).coded("method_not_allowed"))
}
