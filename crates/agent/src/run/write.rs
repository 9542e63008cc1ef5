//! What a step leaves behind: records and reports.

use std::time::Instant;

use aurore_action::Target;
use aurore_screen::Screen;

use super::{EndKind, Parts, Run, StepOutcome, StepReport};
use crate::{AgentError, Decision, DecisionRecord, Event, Past, ResultRecord};

impl<S: Screen + ?Sized> Run<'_, S> {
    pub(super) fn empty_report(&self) -> StepReport {
        StepReport {
            number: self.steps,
            frame: Some(self.frame_id()),
            thinking: String::new(),
            intent: String::new(),
            expect: String::new(),
            action: None,
            plan: None,
            words: String::new(),
            target: None,
            verdict: None,
            approval: None,
            outcome: StepOutcome::Ended,
            result: String::new(),
            thinking_seconds: 0.0,
            seconds: 0.0,
            parts: Parts::default(),
            end: None,
        }
    }

    pub(super) fn record(&self, decision: &Decision, target: Option<&Target>) -> DecisionRecord {
        DecisionRecord {
            step: self.steps,
            frame: self.frame_id(),
            size: self.frame.size,
            url: self.frame.url.clone(),
            origin: self.frame.origin.clone(),
            title: self.frame.title.clone(),
            thinking: decision.thinking.clone(),
            plan: decision.plan.clone(),
            notes: decision.notes.clone(),
            intent: decision.intent.clone(),
            expect: decision.expect.clone(),
            action: Some(decision.action.clone()),
            target: target.cloned(),
            verdict: None,
            facts: None,
            more_facts: Vec::new(),
            approval: None,
            granted: Vec::new(),
            perform: false,
            tokens: decision.tokens,
            seconds: decision.seconds,
        }
    }

    pub(super) fn append_decision(&mut self, record: DecisionRecord) -> Result<(), AgentError> {
        let frame = self.frame.clone();
        self.append(&Event::Decision(Box::new(record)), &[&frame])
    }

    /// What the model said is no action: written down, told to it, and the run goes on for a while.
    pub(super) fn unusable(
        &mut self,
        report: &mut StepReport,
        said: &str,
        message: &str,
        tokens: u32,
        began: Instant,
    ) -> Result<(), AgentError> {
        self.tokens += u64::from(tokens);
        report.outcome = StepOutcome::Unusable;
        report.result = format!("Error: {message}");
        let mut record = DecisionRecord {
            action: None,
            ..self.record(
                &Decision {
                    thinking: report.thinking.clone(),
                    tokens,
                    seconds: report.thinking_seconds,
                    // Taken out again: a record without an action has no place for one.
                    ..Decision::new(aurore_action::Action::Screenshot)
                },
                None,
            )
        };
        if record.thinking.is_empty() {
            said.clone_into(&mut record.thinking);
        }
        self.append_decision(record)?;
        self.append(
            &Event::Result(ResultRecord {
                step: self.steps,
                outcome: StepOutcome::Unusable,
                result: report.result.clone(),
                frame: None,
                seconds: began.elapsed().as_secs_f64(),
            }),
            &[],
        )?;
        self.history.push(Past {
            frame: self.frame.clone(),
            decision: None,
            result: report.result.clone(),
            done: false,
            refused: false,
        });
        if self.course.unusable() {
            let message = format!("what the model says cannot be used, again and again: {message}");
            report.end = Some(self.finish(EndKind::Unusable, message)?);
        }
        Ok(())
    }
}
