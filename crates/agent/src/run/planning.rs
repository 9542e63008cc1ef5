//! The model's plan and notes on a run's way.

use aurore_action::{Action, TerminateStatus};
use aurore_screen::Screen;

use super::{Run, StepReport};
use crate::Decision;

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Takes a decision's plan and notes over; what is wrong with them is told to the model with the next frame.
    pub(super) fn replan(&mut self, report: &mut StepReport, decision: &Decision) {
        let before = self.plan.clone();
        let remarks = self.plan.update(
            decision.plan.as_deref(),
            &decision.notes,
            self.steps,
            &self.frame.origin,
        );
        self.notes.extend(remarks);
        report.plan = (self.plan != before).then(|| self.plan.clone());
    }

    /// Why a success cannot be taken at its word: sub-goals are open. Said once; the model may know better.
    pub(super) fn unfinished(&mut self, action: &Action) -> Option<String> {
        let success = Action::Terminate {
            status: TerminateStatus::Success,
        };
        if *action != success || self.questioned {
            return None;
        }
        let open: Vec<String> = self.plan.open().map(|goal| goal.item.to_string()).collect();
        if open.is_empty() {
            return None;
        }
        self.questioned = true;
        Some(format!(
            "Error: not ended: your plan has open sub-goals.\n{}\nReach them, or check them off with what shows it, or give them up with the reason; then end the run.",
            open.join("\n")
        ))
    }
}
