//! Anthropic's dialect.

mod computer;
mod convert;
mod encode;
mod messages;
mod request;

pub(crate) use messages::{count_tokens, messages};
pub(crate) use request::Create;
