//! What the model is told when a step did not go as it thought.

use aurore_action::{Action, Frame};
use aurore_screen::Screen;

use super::{Run, StepOutcome};
use crate::Decision;

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Notes for the next decision: an expectation that cannot have come true, and a page of another site that nobody
    /// asked for.
    pub(super) fn compare_with_expectation(
        &mut self,
        seen: &Frame,
        decision: &Decision,
        outcome: StepOutcome,
    ) {
        let expect = decision.expect.trim();
        match outcome {
            StepOutcome::NoEffect if !expect.is_empty() => self.notes.push(format!(
                "You expected {expect:?}, and the screen looks the same as before: it has not happened. Find out why, or choose another way."
            )),
            StepOutcome::Failed if !expect.is_empty() => self.notes.push(format!(
                "You expected {expect:?}: your action failed, so it has not happened because of it."
            )),
            _ => {}
        }
        let meant = matches!(
            decision.action,
            Action::OpenUrl { .. }
                | Action::Back
                | Action::Forward
                | Action::SwitchTab { .. }
                | Action::CloseTab
        );
        if !meant && seen.origin != self.frame.origin {
            self.notes.push(format!(
                "This is another site than before: {} instead of {}. If you did not mean to go there, go back.",
                self.frame.origin, seen.origin
            ));
        }
    }
}
