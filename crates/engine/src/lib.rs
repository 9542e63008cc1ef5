//! Generation over the network: prompts in, token ids out; sampling and grammar-constrained decoding.
//!
//! Knows token ids and bytes, never what a tag means: Qwen's text format lives in `chat`, the arithmetic in
//! `model`. Everything here is deterministic: the same prompt, options and seed give the same ids.

#![forbid(unsafe_code)]

mod engine;
mod error;
mod grammar;
mod prompt;
mod sampling;
mod vocabulary;

pub use aurore_model::ImagePatches;
pub use engine::{Control, Engine, Finish, ForcedEnd, GenerateOptions, Generated};
pub use error::EngineError;
pub use grammar::{Constraint, Grammar};
pub use prompt::Prompt;
pub use sampling::{Sampler, Sampling};
pub use vocabulary::{Encode, Token, Vocabulary};
