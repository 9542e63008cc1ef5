//! Why there is no answer.

use thiserror::Error;

/// Why a server gave no answer. Every message ends in what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RemoteError {
    /// The address is none.
    #[error("{address:?} is no address of a model server: {reason}. Write it like http://127.0.0.1:8000/v1")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// The server does not do what is asked, and would not the next time either.
    #[error("the server at {address} refuses ({status}): {message}. {hint}")]
    Refused {
        /// Where.
        address: String,
        /// HTTP status.
        status: u16,
        /// The server's own words.
        message: String,
        /// What to do.
        hint: &'static str,
    },
    /// The conversation is longer than the model's context.
    #[error(
        "the server at {address} says that the conversation is too long: {message}. Give it a model with a longer context, or the length it has: --model-context TOKENS"
    )]
    TooLong {
        /// Where.
        address: String,
        /// The server's own words.
        message: String,
    },
    /// Every attempt failed.
    #[error(
        "no answer from {address} after {attempts} attempts: {last}. Is the server running? `aurore agent --resume` goes on once it is"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// How often it was tried.
        attempts: u32,
        /// What went wrong the last time.
        last: String,
    },
    /// What came is not the protocol.
    #[error(
        "what {address} answers is no chat completion: {reason}. Is it an OpenAI-compatible server, and the path right?"
    )]
    NotTheProtocol {
        /// Where.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// Several models are served, or none, and none was named.
    #[error("the server at {address} serves {}: name one with --model-name", list(.served))]
    WhichModel {
        /// Where.
        address: String,
        /// What it serves.
        served: Vec<String>,
    },
    /// The caller wants no answer any more.
    #[error("stopped while waiting for the server")]
    Stopped,
}

fn list(names: &[String]) -> String {
    match names {
        [] => "no model".to_owned(),
        names if names.len() > 12 => format!("{} models ({}, …)", names.len(), names[..12].join(", ")),
        names => names.join(", "),
    }
}
