//! What a run may use up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of a run. Reaching one ends it with a message that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Decisions.
    pub steps: u32,
    /// Time from start to end, questions included.
    pub time: Duration,
    /// Generated tokens.
    pub tokens: u64,
    /// Questions put to a person.
    pub questions: u32,
    /// How long a question waits for its answer; then it is a no.
    pub answer_time: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            steps: 50,
            time: Duration::from_mins(30),
            tokens: 1_000_000,
            questions: 20,
            answer_time: Duration::from_mins(5),
        }
    }
}
