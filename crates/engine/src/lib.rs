//! Generation over the network: prompts in, token ids out; sampling and grammar-constrained decoding, one answer at a
//! time ([`Engine`]) or many at once over a cache of what was read before ([`Scheduler`]).
//!
//! Knows token ids and bytes, never what a tag means: Qwen's text format lives in `chat`, the arithmetic in
//! `model`. Everything here is deterministic: the same prompt, options and seed give the same ids.

#![forbid(unsafe_code)]

mod answering;
mod cache;
mod drafting;
mod engine;
mod error;
mod grammar;
mod masks;
mod prompt;
mod sampling;
mod scheduler;
mod vocabulary;

pub use answering::{Choosing, Lead, Logprobs, Section};
pub use aurore_model::{ImagePatches, LoadedAdapter, ModelError};
pub use cache::{DiskLimits, DiskStatistics};
pub use engine::{Control, Engine, Finish, ForcedEnd, GenerateOptions, Generated};
pub use error::EngineError;
pub use grammar::{Constraint, Grammar};
pub use prompt::Prompt;
pub use sampling::{Sampler, Sampling};
pub use scheduler::{
    Answer, Event, Finished, Limits, Listener, Pooling, Priority, Request, Scheduler, Statistics, Usage,
};
pub use vocabulary::{Encode, Token, Vocabulary};
