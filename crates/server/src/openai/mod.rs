//! OpenAI's dialect.

mod chat;
mod completions;
mod convert;
mod embeddings;
mod encode;
mod inputs;
mod models;
mod request;

pub(crate) use chat::chat;
pub(crate) use completions::{Completions, completions};
pub(crate) use convert::{arguments, ask, choice, effort, format, tool_schema};
pub(crate) use embeddings::{Embeddings, embeddings};
pub(crate) use models::{list, one};
pub(crate) use request::{Chat, Message, Tool};
