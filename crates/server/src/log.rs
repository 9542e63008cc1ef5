//! Each request has a name, which stands on its answer and in the log. Nothing of what was asked or answered is logged.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::ids;

/// A request's name, beside it.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Where clients of the dialects look for it.
const HEADERS: [&str; 2] = ["x-request-id", "request-id"];
/// Bytes of a path that are logged.
const LONGEST: usize = 200;

/// Names a request, and logs it when its answer has ended.
pub(crate) async fn name(mut request: Request, next: Next) -> Response {
    let id: Arc<str> = ids::fresh("req_").into();
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let mut line = Line {
        id: Arc::clone(&id),
        method: request.method().clone(),
        // Without the query, which may hold what lets somebody in.
        path: request.uri().path().chars().take(LONGEST).collect(),
        began: Instant::now(),
        status: 0,
        bytes: 0,
        whole: false,
    };
    let mut response = next.run(request).await;
    line.status = response.status().as_u16();
    if let Ok(value) = HeaderValue::from_str(&id) {
        for name in HEADERS {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value.clone());
        }
    }
    response.map(|body| Body::new(Logged { body, line }))
}

/// What is logged of a request, at the latest when nobody waits for its answer any more.
struct Line {
    id: Arc<str>,
    method: Method,
    path: String,
    began: Instant,
    /// 0 if the client went away before there was one.
    status: u16,
    bytes: u64,
    /// Whether the answer was sent to its end.
    whole: bool,
}

impl Drop for Line {
    fn drop(&mut self) {
        tracing::info!(
            request = %self.id,
            method = %self.method,
            path = ?self.path,
            status = self.status,
            bytes = self.bytes,
            whole = self.whole,
            seconds = self.began.elapsed().as_secs_f64(),
            "answered"
        );
    }
}

/// An answer on its way.
struct Logged {
    body: Body,
    line: Line,
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(None) => self.line.whole = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        self.line.whole |= self.body.is_end_stream();
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
