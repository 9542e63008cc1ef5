//! The apps' expert as a brain of the agent's loop.

use aurore_agent::{Brain, BrainError, Decision, Observation};
use aurore_apps::{Expert, Goal};
use aurore_policy::Principal;
use aurore_screen::browser::{SharedOutline, Told};

use crate::tasks::{Looks, told_no};

/// Decides as the expert does. It sees the page's markup beside the picture; everything that it does goes through
/// the loop as a model's decisions do.
pub struct ExpertBrain {
    expert: Expert,
    outline: SharedOutline,
    /// Where what stands on the page is kept, and who says it.
    looks: Option<(Looks, Told)>,
}

impl ExpertBrain {
    /// The name that rules, journals and tables show.
    pub const NAME: &str = "expert";

    /// An expert for a goal, on a screen that keeps this outline of [`aurore_apps::SELECTOR`].
    pub fn new(goal: &Goal, outline: SharedOutline, looks: Option<(Looks, Told)>) -> Self {
        Self {
            expert: Expert::new(goal),
            outline,
            looks,
        }
    }
}

impl Brain for ExpertBrain {
    fn principal(&self) -> Principal {
        Principal::script(Self::NAME)
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        if let Some(end) = told_no(observation) {
            return Ok(end);
        }
        let done = observation.history.last().is_none_or(|past| past.done);
        let step = observation.history.len() + 1;
        if let Some((looks, told)) = &self.looks {
            looks.push(told.answer(), observation.frame.size);
        }
        match self
            .expert
            .next(&self.outline.get(), observation.frame.size, done)
        {
            Ok(decided) => Ok(Decision {
                thinking: decided.thinking,
                intent: decided.intent,
                expect: decided.expect,
                ..Decision::new(decided.action)
            }),
            Err(lost) => Err(BrainError::Diverged {
                step,
                message: lost.to_string(),
            }),
        }
    }
}
