//! What is asked of a scheduler.

use crate::{Choosing, Prompt};

/// Whose turn it is first where not all can have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// After everybody else.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before everybody else.
    High,
}

/// A prompt to answer.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What the network reads.
    pub prompt: Prompt,
    /// How it answers.
    pub choosing: Choosing,
    /// Whose turn it is.
    pub priority: Priority,
}
