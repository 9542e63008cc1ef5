//! `/figures`: what the page shows of the scheduler.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use crate::app::{App, now};
use crate::dialect::json_response;

pub(super) async fn figures(State(served): State<App>) -> Response {
    let scheduler = &served.scheduler;
    let figures = scheduler.statistics();
    let limits = scheduler.limits();
    let first_token =
        (figures.first_tokens > 0).then(|| figures.first_token_seconds / figures.first_tokens as f64);
    json_response(&json!({
        "model": served.options.name,
        "ready": scheduler.is_ready(),
        "up_seconds": now().saturating_sub(served.since),
        "running": figures.running,
        "batch": limits.batch,
        "waiting": figures.waiting,
        "queue": limits.queue,
        "answers": figures.answers,
        "prompt_tokens": figures.prompt_tokens,
        "cached_tokens": figures.cached_tokens,
        "answer_tokens": figures.answer_tokens,
        "written_tokens": figures.steps + figures.right_drafts + figures.first_tokens,
        "first_token_seconds": first_token,
        "reserved_bytes": figures.reserved_bytes,
        "cache_bytes": figures.cache_bytes,
        "memory_bytes": limits.memory,
        "weights_bytes": scheduler.engine().model().memory_bytes(),
    }))
}
