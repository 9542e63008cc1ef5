//! A whole answer.

use super::{Event, Malformed};
use crate::{Message, ToolCall};

/// Everything that came in one answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Turn {
    /// What the model thought; empty if it did not.
    pub thinking: String,
    /// What it said.
    pub answer: String,
    /// What it called, in order.
    pub calls: Vec<ToolCall>,
    /// What began as a call and is none.
    pub malformed: Vec<Malformed>,
}

impl Turn {
    /// Adds what came.
    pub fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            match event {
                Event::Thinking(text) => self.thinking += &text,
                Event::Answer(text) => self.answer += &text,
                Event::Call(call) => self.calls.push(call),
                Event::Malformed(malformed) => self.malformed.push(malformed),
                Event::CallText(_) => {}
            }
        }
    }

    /// As a message of the conversation.
    pub fn into_message(self) -> Message {
        Message::assistant(Some(self.thinking), self.answer, self.calls)
    }
}
