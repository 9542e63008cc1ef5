//! Figures of a scheduler.

use crate::DiskStatistics;

/// What a scheduler does and did. Counts only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Statistics {
    /// Requests that wait.
    pub waiting: usize,
    /// Answers under way.
    pub running: usize,
    /// Bytes set aside for the answers under way.
    pub reserved_bytes: u64,
    /// Bytes of the prefix cache.
    pub cache_bytes: u64,
    /// States in the prefix cache.
    pub cache_states: usize,
    /// What is kept on disk; `None` if nothing is.
    pub disk: Option<DiskStatistics>,
    /// Answers that ended, whatever the reason.
    pub answers: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Those of them that were found in the cache.
    pub cached_tokens: u64,
    /// Tokens of prompts that were read in idle time.
    pub warmed_tokens: u64,
    /// Tokens of answers.
    pub answer_tokens: u64,
    /// Drafts that were checked.
    pub drafts: u64,
    /// Those of them that were right.
    pub right_drafts: u64,
    /// Passes over the network.
    pub passes: u64,
    /// Steps in those passes: divided by passes, the mean number of answers written together.
    pub steps: u64,
    /// Seconds between taking a request and its first token, summed.
    pub first_token_seconds: f64,
    /// Answers that had a first token.
    pub first_tokens: u64,
    /// The longest time between the first tokens of two passes that wrote, seconds.
    pub longest_pass_seconds: f64,
}
