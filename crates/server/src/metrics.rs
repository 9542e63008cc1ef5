//! `/metrics`: the scheduler's figures in Prometheus' text form.

use std::fmt::Write;

use aurore_engine::DiskStatistics;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::app::App;

pub(crate) async fn metrics(State(served): State<App>) -> Response {
    let mut response = Response::new(Body::from(text(&served)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn text(served: &App) -> String {
    let now = served.scheduler.statistics();
    let gauge = "gauge";
    let counter = "counter";
    let mut out = String::new();
    for (name, kind, help, value) in [
        (
            "requests_waiting",
            gauge,
            "Requests that wait for their turn.",
            now.waiting as f64,
        ),
        (
            "requests_running",
            gauge,
            "Answers under way.",
            now.running as f64,
        ),
        (
            "reserved_bytes",
            gauge,
            "Memory set aside for answers under way.",
            now.reserved_bytes as f64,
        ),
        (
            "cache_bytes",
            gauge,
            "Memory of the prefix cache.",
            now.cache_bytes as f64,
        ),
        (
            "cache_states",
            gauge,
            "States in the prefix cache.",
            now.cache_states as f64,
        ),
        (
            "memory_limit_bytes",
            gauge,
            "Memory for answers and cache.",
            served.scheduler.limits().memory as f64,
        ),
        (
            "weights_bytes",
            gauge,
            "Memory of the weights.",
            served.scheduler.engine().model().memory_bytes() as f64,
        ),
        (
            "answers_total",
            counter,
            "Answers that ended.",
            now.answers as f64,
        ),
        (
            "prompt_tokens_total",
            counter,
            "Tokens of prompts.",
            now.prompt_tokens as f64,
        ),
        (
            "cached_tokens_total",
            counter,
            "Tokens of prompts found in the cache.",
            now.cached_tokens as f64,
        ),
        (
            "warmed_tokens_total",
            counter,
            "Tokens read in idle time.",
            now.warmed_tokens as f64,
        ),
        (
            "answer_tokens_total",
            counter,
            "Tokens of answers.",
            now.answer_tokens as f64,
        ),
        (
            "drafts_total",
            counter,
            "Drafts that steps checked.",
            now.drafts as f64,
        ),
        (
            "right_drafts_total",
            counter,
            "Those of them that were right.",
            now.right_drafts as f64,
        ),
        (
            "passes_total",
            counter,
            "Passes over the network.",
            now.passes as f64,
        ),
        (
            "steps_total",
            counter,
            "Steps of answers in those passes: each writes a token, and one more for each draft that was right.",
            now.steps as f64,
        ),
        (
            "first_token_seconds_sum",
            counter,
            "Seconds from request to first token.",
            now.first_token_seconds,
        ),
        (
            "first_token_seconds_count",
            counter,
            "Answers that had a first token.",
            now.first_tokens as f64,
        ),
        (
            "longest_pass_seconds",
            gauge,
            "The longest pass that wrote a token.",
            now.longest_pass_seconds,
        ),
    ]
    .into_iter()
    .chain(now.disk.iter().flat_map(disk))
    {
        _ = write!(
            out,
            "# HELP aurore_{name} {help}\n# TYPE aurore_{name} {kind}\naurore_{name} {value}\n"
        );
    }
    out
}

/// Figures of the cache on disk.
fn disk(disk: &DiskStatistics) -> [(&'static str, &'static str, &'static str, f64); 7] {
    [
        (
            "disk_cache_bytes",
            "gauge",
            "Disk space of the prefix cache.",
            disk.bytes as f64,
        ),
        (
            "disk_cache_states",
            "gauge",
            "States on disk.",
            disk.states as f64,
        ),
        (
            "disk_cached_tokens_total",
            "counter",
            "Tokens of prompts found on disk.",
            disk.tokens as f64,
        ),
        (
            "disk_cache_written_bytes_total",
            "counter",
            "Bytes written to the cache on disk.",
            disk.written_bytes as f64,
        ),
        (
            "disk_cache_damaged_total",
            "counter",
            "Files of the cache that were torn or altered, and dropped.",
            disk.damaged as f64,
        ),
        (
            "disk_cache_failed_total",
            "counter",
            "States that could not be written to disk.",
            disk.failed as f64,
        ),
        (
            "disk_cache_held_back_total",
            "counter",
            "States that were not written because the hour's bytes were.",
            disk.held_back as f64,
        ),
    ]
}
