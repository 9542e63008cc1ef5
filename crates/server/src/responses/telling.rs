//! A response's events for those who listen later, or again.

use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::output::Output;
use crate::answers::PULSE;
use crate::body::event_stream;

/// Where events are told, and remembered as long as anybody may ask for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Telling {
    told: watch::Sender<Told>,
}

/// Events so far.
#[derive(Debug, Default)]
struct Told {
    text: String,
    /// Where each event ends in the text.
    ends: Vec<usize>,
    is_over: bool,
}

/// What ends an event. Nothing in one contains it, for JSON has no line breaks.
const END: &str = "\n\n";

impl Told {
    fn push(&mut self, events: &str) {
        for event in events.split_inclusive(END) {
            self.text += event;
            self.ends.push(self.text.len());
        }
    }

    /// Events from a number on.
    fn from(&self, number: usize) -> &str {
        let start = match number.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).copied().unwrap_or(self.text.len()),
        };
        &self.text[start..]
    }
}

impl Telling {
    /// More events, whole ones.
    pub(super) fn tell(&self, events: &str) {
        if !events.is_empty() {
            self.told.send_modify(|told| told.push(events));
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.told.send_modify(|told| told.is_over = true);
    }

    /// All events so far.
    pub(super) fn text(&self) -> String {
        self.told.borrow().text.clone()
    }

    /// A stream of the events from a number on, those to come too.
    pub(super) fn follow(&self, mut next: usize, pulse: Duration) -> Response {
        let (sender, response) = event_stream();
        let mut told = self.told.subscribe();
        tokio::spawn(async move {
            loop {
                let (events, is_over) = {
                    let told = told.borrow_and_update();
                    let events = Bytes::copy_from_slice(told.from(next).as_bytes());
                    next = next.max(told.ends.len());
                    (events, told.is_over)
                };
                if !events.is_empty() && sender.send(events).await.is_err() {
                    return;
                }
                if is_over {
                    return;
                }
                let changed = tokio::select! {
                    changed = timeout(pulse, told.changed()) => changed,
                    // The client went away; the response goes on.
                    () = sender.closed() => return,
                };
                match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => {
                        let _ = sender.send(Bytes::from_static(PULSE.as_bytes())).await;
                    }
                }
            }
        });
        response
    }
}

/// A stream of kept events from a number on. Where the last one was lost with the server that made it, one is made up
/// that follows whatever was heard.
pub(super) fn replay(events: &str, object: &Value, next: usize) -> Response {
    let mut told = Told::default();
    told.push(events);
    let mut rest = told.from(next).to_owned();
    if !has_end(events) {
        let kind = match object["status"].as_str() {
            Some("failed") => "response.failed",
            Some("completed") => "response.completed",
            _ => "response.incomplete",
        };
        let mut output = Output::default();
        output.events = next.max(told.ends.len());
        output.event(kind, &json!({"response": object}), &mut rest);
    }
    let (sender, response) = event_stream();
    tokio::spawn(async move { sender.send(Bytes::from(rest)).await });
    response
}

fn has_end(events: &str) -> bool {
    let last = events.trim_end().rsplit(END).next().unwrap_or_default();
    ["completed", "incomplete", "failed"]
        .iter()
        .any(|end| last.starts_with(&format!("event: response.{end}\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_their_numbers() {
        let mut told = Told::default();
        told.push("event: a\ndata: 0\n\nevent: b\ndata: 1\n\n");
        told.push("event: c\ndata: 2\n\n");
        let from = |number: usize| {
            let events = told.from(number).matches("event: ");
            events.count()
        };
        assert_eq!([0, 1, 2, 3, 9].map(from), [3, 2, 1, 0, 0]);
        assert!(told.from(1).starts_with("event: b\n"));
        assert_eq!(Told::default().from(1), "");
    }

    #[test]
    fn ends_are_known() {
        let ended = "event: response.created\ndata: 0\n\nevent: response.failed\ndata: 1\n\n";
        assert!(has_end(ended));
        assert!(!has_end("event: response.created\ndata: {}\n\n") && !has_end(""));
    }
}
