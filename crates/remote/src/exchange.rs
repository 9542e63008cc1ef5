//! One request and what comes back, on a thread of its own: a silent server keeps nobody from stopping.

use std::{
    io::{BufRead, BufReader, Read},
    sync::mpsc::SyncSender,
    time::Duration,
};

use serde_json::Value;

/// Longest line of a stream.
const LONGEST_LINE: u64 = 4 << 20;
/// Longest message of a refusal that is read.
const LONGEST_REFUSAL: u64 = 64 << 10;

/// What a request is sent with.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) agent: ureq::Agent,
    pub(crate) url: String,
    pub(crate) key: Option<String>,
    /// Sent as it is; without one the request is a GET.
    pub(crate) body: Option<Vec<u8>>,
}

/// What came, in order.
#[derive(Debug)]
pub(crate) enum Came {
    /// A refusal: its status, the server's words, and how long it wants to be left alone.
    Status(u16, String, Option<Duration>),
    /// The answer begins.
    Begun,
    /// One event's data, or a whole body that is no stream.
    Data(String),
    /// The body ended.
    End,
    /// It broke; whether another attempt may do better.
    Broken(String, bool),
}

/// Sends the request and hands out what comes until nobody listens.
pub(crate) fn run(post: Post, to: &SyncSender<Came>) {
    let sent = match post.body {
        Some(body) => {
            let mut request = post
                .agent
                .post(&post.url)
                .header("content-type", "application/json");
            if let Some(key) = post.key {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            request.send(&body[..])
        }
        None => {
            let mut request = post.agent.get(&post.url);
            if let Some(key) = post.key {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            request.call()
        }
    };
    let response = match sent {
        Ok(response) => response,
        Err(error) => {
            let _ = to.send(Came::Broken(error.to_string(), is_passing(&error)));
            return;
        }
    };
    let status = response.status().as_u16();
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let (kind, wait) = (header("content-type"), header("retry-after"));
    let mut body = response.into_body().into_reader();
    if status != 200 {
        let mut text = Vec::new();
        // What is left of a refusal that breaks off still says something.
        let _ = body.by_ref().take(LONGEST_REFUSAL).read_to_end(&mut text);
        let wait = wait
            .and_then(|seconds| seconds.trim().parse().ok())
            .map(Duration::from_secs);
        let _ = to.send(Came::Status(status, words(&String::from_utf8_lossy(&text)), wait));
        return;
    }
    if to.send(Came::Begun).is_err() {
        return;
    }
    let streamed = kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"));
    let ended = if streamed {
        events(body, to)
    } else {
        whole(body, to)
    };
    let _ = match ended {
        Ok(()) => to.send(Came::End),
        Err(why) => to.send(Came::Broken(why, true)),
    };
}

/// Server-sent events, one `data:` line each, as all of these servers send them.
fn events(body: impl Read, to: &SyncSender<Came>) -> Result<(), String> {
    let mut lines = BufReader::new(body);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|error| format!("the answer broke off: {error}"))?;
        if read == 0 {
            return Ok(());
        }
        if read as u64 == LONGEST_LINE {
            return Err(format!(
                "a line of the answer is longer than {LONGEST_LINE} bytes"
            ));
        }
        let text = String::from_utf8_lossy(&line);
        if let Some(data) = text.trim_end().strip_prefix("data:")
            && to.send(Came::Data(data.trim_start().to_owned())).is_err()
        {
            return Ok(());
        }
    }
}

fn whole(body: impl Read, to: &SyncSender<Came>) -> Result<(), String> {
    let mut text = Vec::new();
    body.take(LONGEST_LINE)
        .read_to_end(&mut text)
        .map_err(|error| format!("the answer broke off: {error}"))?;
    let _ = to.send(Came::Data(String::from_utf8_lossy(&text).into_owned()));
    Ok(())
}

/// The message in a refusal, whatever form it has.
fn words(body: &str) -> String {
    const LONGEST: usize = 500;
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let message = parsed.as_ref().and_then(message_in);
    let text = message.unwrap_or_else(|| body.trim().to_owned());
    let text = if text.is_empty() {
        "it says nothing more".to_owned()
    } else {
        text
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The message of an error object: `{"error": {"message": …}}`, `{"error": "…"}`, `{"message": …}` or `{"detail": …}`.
pub(crate) fn message_in(value: &Value) -> Option<String> {
    let inner = [value.get("error"), value.get("message"), value.get("detail")];
    let found = inner.into_iter().flatten().find(|value| !value.is_null())?;
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => Some(
            object
                .get("message")
                .and_then(Value::as_str)
                .map_or_else(|| found.to_string(), str::to_owned),
        ),
        other => Some(other.to_string()),
    }
}

/// Whether the same request may succeed later.
fn is_passing(error: &ureq::Error) -> bool {
    matches!(
        error,
        ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Protocol(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_every_form() {
        for (body, message) in [
            (r#"{"error": {"message": "no", "type": "x"}}"#, "no"),
            (r#"{"error": "no"}"#, "no"),
            (r#"{"object": "error", "message": "no", "code": 400}"#, "no"),
            (r#"{"detail": "no"}"#, "no"),
            ("plain", "plain"),
            ("", "it says nothing more"),
            (r#"{"error": {"code": 1}}"#, "{\"code\":1}"),
        ] {
            assert_eq!(words(body), message, "{body}");
        }
        assert!(words(&"é".repeat(10_000)).chars().count() <= 501);
    }
}
