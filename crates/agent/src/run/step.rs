//! One step of a run.

use std::time::Instant;

use aurore_policy::{Outcome, Principal, Request, facts, judge};
use aurore_screen::Screen;

use super::{
    End, EndKind, Parts, Run, StepOutcome, StepReport, Watch,
    ask::matters,
    carry::Carried,
    hold::{Held, MEDDLED, TOUCHED},
    state::stopped_message,
};
use crate::{
    AgentError, BrainError, Decided, Decision, Event, Happening, Listener, Observation, describe_action,
};

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Steps until the run ends; `watch` sees each step.
    pub fn to_end(&mut self, watch: &mut dyn FnMut(&StepReport)) -> Result<End, AgentError> {
        loop {
            let report = self.step()?;
            watch(&report);
            if let Some(end) = report.end {
                return Ok(end);
            }
        }
    }

    /// One step: decide, judge, ask, write down, carry out, look.
    ///
    /// # Errors
    /// When the journal cannot be written (nothing was carried out then), or the run is over.
    pub fn step(&mut self) -> Result<StepReport, AgentError> {
        if let Some(end) = &self.end {
            return Err(AgentError::Over(end.message.clone()));
        }
        self.wait_for_my_turn()?;
        let began = Instant::now();
        self.parts = Parts::default();
        let mut report = self.empty_report();
        if let Some((kind, message)) = self.used_up() {
            report.end = Some(self.finish(kind, message)?);
            return Ok(report);
        }
        if let Some((kind, message)) = self.by_hand.take() {
            report.end = Some(self.finish(kind, message)?);
            return Ok(report);
        }
        if let Some((kind, message)) = self.ask_up_front()? {
            report.end = Some(self.finish(kind, message)?);
            return Ok(report);
        }
        // Instead of an answer the person may have paused the run, or taken over.
        self.wait_for_my_turn()?;
        if let Some((kind, message)) = self.by_hand.take() {
            report.end = Some(self.finish(kind, message)?);
            return Ok(report);
        }
        self.steps += 1;
        report.number = self.steps;
        let notes: Vec<String> = self
            .notes
            .drain(..)
            .chain(self.frame.notes.iter().cloned())
            .collect();
        let (watch, number) = (self.options.watch.clone(), self.steps);
        let mut time = Watch::start();
        let decided = self.options.brain.decide(&Observation {
            goal: &self.options.goal,
            frame: &self.frame,
            history: &self.history,
            notes: &notes,
            plan: &self.plan,
            listener: Listener::new(&|text| watch.thinking(number, text)),
        });
        time.lap(&mut self.parts.model);
        match decided {
            Ok(decision) => self.decided(&mut report, decision, began)?,
            Err(BrainError::Unusable {
                thinking,
                said,
                message,
                tokens,
                seconds,
            }) => {
                report.thinking = thinking;
                report.thinking_seconds = seconds;
                self.unusable(&mut report, &said, &message, tokens, began)?;
            }
            Err(BrainError::Stopped) => report.end = Some(self.finish(EndKind::Stopped, stopped_message())?),
            Err(error @ BrainError::Exhausted { .. }) => {
                report.end = Some(self.finish(EndKind::GaveUp, error.to_string())?);
            }
            Err(error) => {
                report.end = Some(self.finish(EndKind::Failed, format!("the model cannot decide: {error}"))?);
            }
        }
        report.seconds = began.elapsed().as_secs_f64();
        report.parts = self.parts;
        self.options
            .watch
            .publish(Happening::Step(Box::new(report.clone())));
        Ok(report)
    }

    /// Waits while the run is held; tells the model if the screen was in somebody's hands meanwhile.
    fn wait_for_my_turn(&mut self) -> Result<(), AgentError> {
        if self.hold()? == Held::Touched {
            self.notes.push(
                "The person had the screen in their own hands since your last action: look at what is there now.".to_owned(),
            );
        } else if self.meddled()? {
            self.notes.push(
                "The person used the browser's own window since your last action: what is there now is not your doing alone. Look first.".to_owned(),
            );
        }
        Ok(())
    }

    fn decided(
        &mut self,
        report: &mut StepReport,
        decision: Decision,
        began: Instant,
    ) -> Result<(), AgentError> {
        self.tokens += u64::from(decision.tokens);
        report.thinking.clone_from(&decision.thinking);
        self.replan(report, &decision);
        report.intent.clone_from(&decision.intent);
        report.expect.clone_from(&decision.expect);
        report.thinking_seconds = decision.seconds;
        report.action = Some(decision.action.clone());
        let advice = self.course.decided(&self.frame.id, &decision.action);
        let seen = self.frame.clone();
        if self.hold()? == Held::Touched {
            return self.overtaken(report, seen, decision, began, TOUCHED);
        }
        if self.meddled()? {
            return self.overtaken(report, seen, decision, began, MEDDLED);
        }

        let mut time = Watch::start();
        let found = self.targets(&decision.action);
        time.lap(&mut self.parts.target);
        let (target, also) = match found {
            Ok(found) => found,
            Err(error) => {
                report.words = describe_action(&decision.action, None);
                let mut record = self.record(&decision, None);
                record.perform = false;
                self.append_decision(record)?;
                let carried = self.failed(&error);
                return self.conclude(report, seen, decision, carried, advice, began);
            }
        };
        report.words = describe_action(&decision.action, target.as_ref());
        report.target.clone_from(&target);
        for target in target.iter().chain(&also) {
            self.untrusted.target(target);
        }

        let context = self.context(&decision, target.as_ref());
        let principal: Principal = self.options.brain.principal();
        let request = Request {
            principal: &principal,
            action: &decision.action,
            target: target.as_ref(),
            also: &also,
            context: &context,
        };
        let verdict = self.second_opinion(judge(&request, &self.options.rules), &request, report);
        report.verdict = Some(verdict.record().clone());
        if let Some(decided) = Decided::of(report) {
            self.options.watch.publish(Happening::Decided(Box::new(decided)));
        }
        let mut record = self.record(&decision, target.as_ref());
        record.verdict.clone_from(&report.verdict);
        let mut seen_by_rules = facts(&request).into_iter();
        record.facts = seen_by_rules.next();
        record.more_facts = seen_by_rules.collect();
        time.lap(&mut self.parts.verdict);

        let repeats = self
            .unknown
            .as_ref()
            .is_some_and(|unknown| unknown.is_repeated_by(&decision.action, target.as_ref()));
        let must_ask = repeats && matters(&decision.action);
        let permitted = match verdict.into_outcome() {
            Outcome::Allowed(approved) if must_ask => self.confirm_repeat(&request, report, approved),
            Outcome::Allowed(approved) => Ok(approved),
            Outcome::Ask(ask) => self.ask(&request, report, ask),
            Outcome::Denied(denial) => Err((denial.to_string(), None)),
        };
        record.approval.clone_from(&report.approval);
        record.granted = std::mem::take(&mut self.granted);
        let overtaken = match self.hold()? {
            Held::Touched => Some(TOUCHED),
            Held::Same if permitted.is_ok() && self.meddled()? => Some(MEDDLED),
            Held::Same => None,
        };
        time.lap(&mut self.parts.question);
        record.perform = permitted.is_ok() && overtaken.is_none() && !self.stopped();
        // The journal holds the decision, on the disk, before anything is input.
        self.append(&Event::Decision(Box::new(record)), &[&seen])?;

        let carried = match (overtaken, permitted) {
            // Somebody took the screen, or used its window: whatever was permitted was about something else.
            (Some(why), _) => Carried::refused(why),
            (None, Err((refusal, end))) => {
                let circle = self.course.refused(&report.words);
                Carried {
                    outcome: StepOutcome::Refused,
                    end: end.or_else(|| {
                        circle.then(|| {
                            (
                                EndKind::Refused,
                                format!("it was refused and the model has no other way: {refusal}"),
                            )
                        })
                    }),
                    result: refusal,
                }
            }
            (None, Ok(approved)) => match self.unfinished(approved.action()) {
                Some(result) => Carried {
                    outcome: StepOutcome::Failed,
                    result,
                    end: None,
                },
                None => {
                    self.options.watch.publish(Happening::Acting { step: self.steps });
                    let carried = self.carry_out(approved, &principal, &report.intent);
                    self.beside_another_hand(carried)?
                }
            },
        };
        self.conclude(report, seen, decision, carried, advice, began)
    }
}
