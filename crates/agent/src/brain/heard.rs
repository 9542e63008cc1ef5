//! What a model said, wherever it runs, as a decision.

use aurore_action::Size;
use aurore_chat::{Turn, computer_use, step};

use super::{BrainError, Decision};

/// One answer of a model.
pub(super) struct Heard {
    pub(super) turn: Turn,
    /// All of it, as it is shown where it is of no use.
    pub(super) said: String,
    pub(super) tokens: u32,
    pub(super) seconds: f64,
}

impl Heard {
    /// It cannot be used, for this reason.
    pub(super) fn unusable(self, message: String) -> BrainError {
        BrainError::Unusable {
            thinking: self.turn.thinking.trim().to_owned(),
            said: self.said,
            message,
            tokens: self.tokens,
            seconds: self.seconds,
        }
    }

    /// The step that it decides on, in a frame of this size.
    ///
    /// # Errors
    /// When it is no step, or its call no action.
    pub(super) fn decision(self, size: Size) -> Result<Decision, BrainError> {
        let step = match step::parse(&self.turn) {
            Ok(step) => step,
            Err(error) => return Err(self.unusable(error.to_string())),
        };
        match computer_use::parse_action(&step.call, size) {
            Ok(action) => Ok(Decision {
                thinking: step.thinking,
                plan: step.plan,
                notes: step.notes,
                intent: step.intent,
                expect: step.expect,
                tokens: self.tokens,
                seconds: self.seconds,
                ..Decision::new(action)
            }),
            Err(error) => Err(self.unusable(error.to_string())),
        }
    }
}
