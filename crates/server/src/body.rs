//! Bodies: JSON in, within limits; events out, while they come.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use http_body::Frame;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::app::Options;
use crate::problem::{Kind, Problem};

/// Reads a request's body as JSON of some type.
///
/// # Errors
/// For a body that is too large, too slow, no JSON, or lacks what the type needs, with the place.
pub(crate) async fn read_json<T: DeserializeOwned>(
    request: Request,
    options: &Options,
) -> Result<T, Problem> {
    check_kind(request.headers())?;
    let limit = options.body_bytes;
    let too_large = || {
        let message = format!("the body is larger than the {limit} bytes that are read");
        Problem::new(Kind::TooLarge, message)
    };
    if request.body().size_hint().lower() > 2 * limit as u64 {
        return Err(too_large());
    }
    match timeout(options.arrival, collect(request.into_body(), limit)).await {
        Err(_) => {
            let message = format!("the body did not arrive within {:?}", options.arrival);
            Err(Problem::new(Kind::Timeout, message))
        }
        Ok(Some(bytes)) => parse(&bytes),
        Ok(None) => Err(too_large()),
    }
}

/// A body of at most `limit` bytes. One that is somewhat larger is read to its end and thrown away: a client that is
/// still sending would not see the answer. One whose client went away is what has come of it.
async fn collect(mut body: Body, limit: usize) -> Option<Vec<u8>> {
    let (mut bytes, mut seen) = (Vec::new(), 0usize);
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > 2 * limit {
            break;
        }
        if seen > limit {
            bytes = Vec::new();
        } else {
            bytes.extend_from_slice(&data);
        }
    }
    (seen <= limit).then_some(bytes)
}

fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message =
        format!("the body is {kind:?}, but only JSON is read: send `Content-Type: application/json`");
    Err(Problem::new(Kind::Invalid, message))
}

/// A document that was read as JSON, as a type.
///
/// # Errors
/// For what the type needs and the document lacks, with the place.
pub(crate) fn typed<T: DeserializeOwned>(document: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        Problem::invalid(if path == "." { "" } else { &path }, message)
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let is_syntax = inner.is_syntax() || inner.is_eof();
        let message = if is_syntax {
            format!("the body is not JSON: {inner}")
        } else {
            inner.to_string()
        };
        Problem::invalid(if is_syntax || path == "." { "" } else { &path }, message)
    })?;
    reader
        .end()
        .map_err(|error| Problem::invalid("", format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// Bytes that a task sends; they end when it drops its side. When the client goes away, the task's sends fail.
struct Channel {
    pieces: mpsc::Receiver<Bytes>,
}

impl HttpBody for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.poll_recv(context);
        piece.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// An answer of server-sent events, and where to send them.
pub(crate) fn event_stream() -> (mpsc::Sender<Bytes>, Response) {
    let (sender, pieces) = mpsc::channel(64);
    let mut response = Response::new(Body::new(Channel { pieces }));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies must not collect what should arrive at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    (sender, response)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        #[expect(dead_code, reason = "only its absence or kind matters")]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "only its absence or kind matters")]
        size: u32,
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let problem = |text: &str| parse::<Sample>(text.as_bytes()).unwrap_err();
        let wrong = problem(r#"{"items": [{"size": 1}, {"size": "x"}]}"#);
        assert_eq!(wrong.param.as_deref(), Some("items[1].size"));
        assert!(wrong.message.contains("expected u32"), "{wrong}");
        assert!(problem("{}").message.contains("missing field `items`"));
        for text in ["", "{", "{1}", "{\"items\": []} x", "\u{0}"] {
            let problem = problem(text);
            assert!(
                problem.message.contains("not JSON") && problem.param.is_none(),
                "{problem}"
            );
        }
        let deep = format!("{{\"items\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(problem(&deep).kind, Kind::Invalid);
    }
}
