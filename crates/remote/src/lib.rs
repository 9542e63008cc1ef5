//! A model behind somebody's server: the client's side of OpenAI's chat completions, as Aurore, vLLM, SGLang and
//! llama.cpp serve them.
//!
//! - [`Server::ask`] gives one whole answer or an error in words; half an answer is never given out.
//! - A server that cannot be reached, is busy, fails or dies in mid-answer is asked again, with growing pauses; a server
//!   that refuses is not.
//! - Redirects are not followed and proxies not used: prompts and key go to the one address that was named.

#![forbid(unsafe_code)]

mod address;
mod answer;
mod backoff;
mod client;
mod error;
mod exchange;
mod models;
mod request;

pub use address::Address;
pub use answer::{Answer, Piece};
pub use backoff::Patience;
pub use client::{Limits, Server, Trouble};
pub use error::RemoteError;
pub use models::Served;
pub use request::{Message, Part, Request};
