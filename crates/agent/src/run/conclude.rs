//! The end of a step: its result is written down and told to the model.

use std::time::Instant;

use aurore_action::Frame;
use aurore_screen::Screen;

use super::{
    Advice, EndKind, Run, StepOutcome, StepReport,
    carry::Carried,
    hold::{MEDDLED, TOUCHED},
};
use crate::{AgentError, Decision, DecisionRecord, Event, Past, ResultRecord, describe_action};

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Writes the result down, tells it to the model, and ends the run if it is at its end.
    pub(super) fn conclude(
        &mut self,
        report: &mut StepReport,
        seen: Frame,
        decision: Decision,
        carried: Carried,
        advice: Advice,
        began: Instant,
    ) -> Result<(), AgentError> {
        let Carried { outcome, result, end } = carried;
        report.outcome = outcome;
        report.result.clone_from(&result);
        let frame = self.frame.clone();
        self.append(
            &Event::Result(ResultRecord {
                step: self.steps,
                outcome,
                result: result.clone(),
                frame: Some(frame.id.clone()),
                seconds: began.elapsed().as_secs_f64(),
            }),
            &[&frame],
        )?;
        self.compare_with_expectation(&seen, &decision, outcome);
        self.history.push(Past {
            frame: seen,
            decision: Some(decision),
            refused: is_refusal(outcome, &result),
            result,
            done: matches!(outcome, StepOutcome::Done | StepOutcome::NoEffect),
        });
        let end = match (end, advice) {
            (Some(end), _) => Some(end),
            (None, Advice::End(message)) => Some((EndKind::Looping, message)),
            (None, Advice::Warn(message)) => {
                self.notes.push(message);
                None
            }
            (None, Advice::GoOn) => None,
        };
        if let Some((kind, message)) = end {
            report.end = Some(self.finish(kind, message)?);
        }
        Ok(())
    }

    /// Somebody had the screen in their hands since this was decided: it is written down and not done.
    pub(super) fn overtaken(
        &mut self,
        report: &mut StepReport,
        seen: Frame,
        decision: Decision,
        began: Instant,
        why: &str,
    ) -> Result<(), AgentError> {
        report.words = describe_action(&decision.action, None);
        let record = self.record(&decision, None);
        let record = DecisionRecord {
            frame: seen.id.clone(),
            ..record
        };
        self.append(&Event::Decision(Box::new(record)), &[&seen])?;
        self.conclude(report, seen, decision, Carried::refused(why), Advice::GoOn, began)
    }
}

/// Whether somebody said no. Where a person took over meanwhile, nobody did.
pub(super) fn is_refusal(outcome: StepOutcome, result: &str) -> bool {
    outcome == StepOutcome::Refused && result != TOUCHED && result != MEDDLED
}
