//! What happens, as events while it does; frames.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aurore_action::FrameId;
use aurore_agent::Entry;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;
use serde_json::json;
use tokio::time::sleep;

use super::{Parts, State, stopped};
use crate::body::event_stream;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};

/// A browser that comes back says in this header what it saw last.
const LAST_SEEN: HeaderName = HeaderName::from_static("last-event-id");

/// The last entry that was seen, as `?after=N`; 0 without one.
fn after(uri: &Uri) -> u64 {
    let named = uri.query().and_then(|query| query.strip_prefix("after="));
    named.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Everything so far, as one document.
pub(super) async fn snapshot(Extract(state): Extract<State>, uri: Uri) -> Response {
    let after = after(&uri);
    let entries = state.hub.since(after);
    let last = entries.last().map_or(after, |entry| entry.sequence);
    json_response(&json!({"last": last, "entries": entries}))
}

/// Everything so far and what comes, as server-sent events.
pub(super) async fn events(Extract(state): Extract<State>, uri: Uri, headers: HeaderMap) -> Response {
    let seen = headers
        .get(LAST_SEEN)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let mut after = seen.unwrap_or_else(|| after(&uri));
    let (sender, response) = event_stream();
    tokio::spawn(async move {
        let _viewer = Viewer::new(&state);
        let mut news = state.news.subscribe();
        let mut stopped = pin!(stopped(state.stopping.subscribe()));
        loop {
            news.borrow_and_update();
            for entry in state.hub.since(after) {
                after = entry.sequence;
                if sender.send(line(&entry)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                () = &mut stopped => return,
                () = sender.closed() => return,
                () = sleep(state.options.pulse) => {
                    if sender.send(Bytes::from_static(b": \n\n")).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    response
}

fn line(entry: &Entry) -> Bytes {
    let data = serde_json::to_string(entry).unwrap_or_default();
    format!("id: {}\ndata: {data}\n\n", entry.sequence).into()
}

/// Somebody who looks on, counted for as long as this lives.
struct Viewer(Arc<Parts>);

impl Viewer {
    fn new(state: &State) -> Self {
        state.viewers.fetch_add(1, Ordering::SeqCst);
        state.was_watched.store(true, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A picture by its name, which says what is in it: a browser may keep it for as long as the page lives.
pub(super) async fn frame(Extract(state): Extract<State>, Path(id): Path<String>) -> Response {
    let found = tokio::task::spawn_blocking(move || state.hub.frame(&FrameId(id))).await;
    let Ok(Some(png)) = found else {
        let problem = Problem::new(Kind::NotFound, "there is no such frame").coded("unknown_frame");
        return Dialect::OpenAi.refuse(&problem);
    };
    let mut response = Response::new(Body::from(png.to_vec()));
    for (name, value) in [
        (header::CONTENT_TYPE, "image/png"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "private, max-age=3600, immutable"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
