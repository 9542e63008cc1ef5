//! A turn of the conversation, before it is made ready for a network here or a server elsewhere.

use std::fmt::Write;

use aurore_action::Frame;
use aurore_chat::{ChatError, Content, DecodedImage, Message, Role, ToolCall, image};
use base64::Engine as _;

/// Pixels of a side that one token of a picture stands for.
const PATCH: u32 = 32;
/// Bytes of text that a token stands for, on the careful side.
const BYTES: usize = 3;

/// A part of a turn.
#[derive(Debug, Clone)]
pub(in crate::brain) enum Part {
    Text(String),
    Picture(Frame),
}

/// One turn.
#[derive(Debug, Clone)]
pub(in crate::brain) struct Turn {
    pub(in crate::brain) role: Role,
    pub(in crate::brain) parts: Vec<Part>,
    pub(in crate::brain) reasoning: Option<String>,
    pub(in crate::brain) calls: Vec<ToolCall>,
}

impl Turn {
    pub(super) fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            parts: vec![Part::Text(text.into())],
            reasoning: None,
            calls: Vec::new(),
        }
    }

    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.parts.push(Part::Text(text.into()));
    }

    /// About how many tokens it takes.
    pub(super) fn cost(&self) -> usize {
        let mut bytes = self.reasoning.as_ref().map_or(0, String::len);
        let mut tokens = 8;
        for part in &self.parts {
            match part {
                Part::Text(text) => bytes += text.len(),
                Part::Picture(frame) => {
                    tokens += (frame.size.width.div_ceil(PATCH) * frame.size.height.div_ceil(PATCH)) as usize;
                }
            }
        }
        let mut calls = String::new();
        for call in &self.calls {
            _ = write!(calls, "{}{:?}", call.name, call.arguments);
        }
        tokens + (bytes + calls.len()) / BYTES
    }

    /// As a message for a network in this program.
    pub(in crate::brain) fn into_message(self) -> Result<Message, ChatError> {
        let content = self.parts.into_iter().map(|part| match part {
            Part::Text(text) => Ok(Content::Text(text)),
            Part::Picture(frame) => picture(&frame).map(Content::Image),
        });
        Ok(Message {
            role: self.role,
            content: content.collect::<Result<_, ChatError>>()?,
            reasoning: self.reasoning,
            tool_calls: self.calls,
        })
    }
}

fn picture(frame: &Frame) -> Result<DecodedImage, ChatError> {
    Ok(image::decode(&frame.png, &image::Limits::default())?)
}

/// A PNG as an address.
pub(in crate::brain) fn data_url(png: &[u8]) -> String {
    format!(
        "data:image/png;base64,{}",
        base64::engine::general_purpose::STANDARD.encode(png)
    )
}
