//! Qwen's text format: messages and pictures to token ids and patches, token ids to thinking, answer and tool calls.
//!
//! The only crate that knows the family's tags. What people, pages and tools say is data: whatever it spells, it never
//! becomes a control token.

#![forbid(unsafe_code)]

mod chat;
pub mod computer_use;
pub mod constrain;
mod error;
#[cfg(test)]
mod golden_tests;
pub mod image;
mod message;
pub mod parser;
mod positions;
mod render;
mod settings;
pub mod step;
mod template;
#[cfg(test)]
mod testing;
mod tokenizer;

pub use chat::{Chat, PromptOptions};
pub use error::ChatError;
pub use image::DecodedImage;
pub use message::{Content, Message, Role, ToolCall, ToolSchema};
pub use parser::{Event, Malformed, Parser, Turn, Utf8};
pub use positions::{Run, positions};
pub use settings::{AgentSettings, Memory, Mode, Settings};
pub use template::Template;
pub use tokenizer::{HuggingFace, Tokenizer};
