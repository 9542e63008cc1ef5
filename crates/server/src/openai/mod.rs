//! OpenAI's dialect.

mod chat;
mod convert;
mod encode;
mod models;
mod request;

pub(crate) use chat::completions;
pub(crate) use convert::{arguments, choice, effort, format, tool_schema};
pub(crate) use models::{list, one};
