//! A brain that is a person: they act by hand, and what is left to decide is whether it is done.

use aurore_action::{Action, TerminateStatus};
use aurore_agent::{Brain, BrainError, Decision, Hub, Observation};
use aurore_policy::Principal;

/// Is asked when the person gives the screen back, and ends the run as they want it.
pub struct PersonBrain {
    hub: Hub,
}

impl PersonBrain {
    /// The person at a hub.
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

impl Brain for PersonBrain {
    fn principal(&self) -> Principal {
        Principal("person:who shows it".to_owned())
    }

    fn decide(&mut self, _: &Observation<'_>) -> Result<Decision, BrainError> {
        let (status, thinking, intent) = if self.hub.is_dropped() {
            (TerminateStatus::Failure, "", "Forget it.")
        } else {
            let thinking = "All that the goal asks for is done.";
            (TerminateStatus::Success, thinking, "End: the goal is met.")
        };
        Ok(Decision {
            thinking: thinking.to_owned(),
            intent: intent.to_owned(),
            expect: "The run ends.".to_owned(),
            ..Decision::new(Action::Terminate { status })
        })
    }
}
