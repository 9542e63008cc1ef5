//! How a run ends.

use serde::{Deserialize, Serialize};

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndKind {
    /// The page's own check says that the goal is met.
    Reached,
    /// The page's own check says that the goal is missed for good.
    Missed,
    /// The model says that the goal is met, and nothing here can check it.
    Finished,
    /// The model says that the goal cannot be met.
    GaveUp,
    /// The model gave an answer to the user.
    Answered,
    /// No steps are left.
    Steps,
    /// No time is left.
    Time,
    /// No tokens are left.
    Tokens,
    /// No questions are left.
    Questions,
    /// The same action on the same frame again and again.
    Looping,
    /// What the model says cannot be used, again and again.
    Unusable,
    /// Refused, and the model has no other way.
    Refused,
    /// Somebody pulled the kill switch.
    Stopped,
    /// The screen, the brain or the journal failed.
    Failed,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why.
    pub kind: EndKind,
    /// In a sentence, with what to do where something can be done.
    pub message: String,
}

impl End {
    /// Whether the goal is met as far as can be told.
    pub fn is_success(&self) -> bool {
        matches!(
            self.kind,
            EndKind::Reached | EndKind::Finished | EndKind::Answered
        )
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}
