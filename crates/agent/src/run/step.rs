//! One step of a run.

use std::time::Instant;

use aurore_action::{Action, Frame, Target, TerminateStatus};
use aurore_policy::{Approved, Context, Outcome, Principal, Request, facts, judge};
use aurore_screen::{Screen, ScreenError};

use super::{
    Advice, End, EndKind, GoalState, Parts, Run, StepOutcome, StepReport, Watch,
    ask::matters,
    hold::{BESIDE, Held, MEDDLED, TOUCHED},
    state::stopped_message,
};
use crate::{
    AgentError, BrainError, Decided, Decision, DecisionRecord, Event, Happening, Listener, Observation, Past,
    ResultRecord, crop, describe_action,
};

/// What became of an action after it was judged.
struct Carried {
    outcome: StepOutcome,
    result: String,
    end: Option<(EndKind, String)>,
}

impl Carried {
    fn refused(why: &str) -> Self {
        Self {
            outcome: StepOutcome::Refused,
            result: why.to_owned(),
            end: None,
        }
    }
}

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

    /// Somebody had the screen in their hands since this was decided: it is written down and not done.
    fn overtaken(
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

    /// What the frame shows is not taken for the action's effect where somebody used the window beside it.
    fn beside_another_hand(&mut self, carried: Carried) -> Result<Carried, AgentError> {
        if !self.window_used()? {
            return Ok(carried);
        }
        // The model is to see what they left. A screen that fails here says so with the next thing that it is asked.
        let again = self.options.screen.settle().and_then(|()| self.look());
        if let Err(error) = again {
            tracing::warn!(%error, "no look after somebody used the window");
        }
        Ok(Carried {
            outcome: match carried.outcome {
                StepOutcome::NoEffect => StepOutcome::Done,
                outcome => outcome,
            },
            result: format!("{}\n{BESIDE}", carried.result),
            end: carried.end,
        })
    }

    /// What the action would hit: under its first point or at the focus, and under its other points.
    pub(super) fn targets(&mut self, action: &Action) -> Result<(Option<Target>, Vec<Target>), ScreenError> {
        let screen = &mut self.options.screen;
        let target = screen.target(action)?;
        let mut also = Vec::new();
        for point in action.points().into_iter().skip(1) {
            also.push(screen.target_at(point)?.unwrap_or_else(|| Target {
                origin: self.frame.origin.clone(),
                agrees: true,
                ..Target::default()
            }));
        }
        Ok((target, also))
    }

    fn context(&self, decision: &Decision, target: Option<&Target>) -> Context {
        Context {
            goal: self.options.goal.clone(),
            origin: self.frame.origin.clone(),
            url: self.frame.url.clone(),
            known_origins: self.options.known_origins.clone(),
            controls: self.options.controls.clone(),
            control_paths: self.options.files.controls.clone(),
            folders: self.options.files.given.clone(),
            home: self.options.files.home.clone(),
            tainted: self.untrusted.arguments(
                &decision.action,
                target,
                &self.frame.origin,
                &self.options.goal,
            ),
            raised: decision.raised,
            attended: self.options.approver.attended(),
            step: self.steps,
            budget: self.budget_left(),
            frame: Some(self.frame_id()),
            around: crop::around(&self.frame, decision.action.point(), target),
        }
    }

    /// Carries an approved action out and looks again.
    fn carry_out(&mut self, approved: Approved<Action>, principal: &Principal, intent: &str) -> Carried {
        if !approved.belongs_to(principal) {
            return Carried {
                outcome: StepOutcome::Refused,
                result: "Refused: this was approved for somebody else.".to_owned(),
                end: None,
            };
        }
        if self.stopped() {
            return Carried {
                outcome: StepOutcome::Failed,
                result: "Stopped before the input.".to_owned(),
                end: Some((EndKind::Stopped, stopped_message())),
            };
        }
        match approved.action() {
            Action::Answer { text } => {
                return Carried {
                    outcome: StepOutcome::Ended,
                    result: "Told the person.".to_owned(),
                    end: Some((EndKind::Answered, text.clone())),
                };
            }
            Action::Terminate { status } => {
                let why = intent.trim();
                let end = match status {
                    TerminateStatus::Success => (
                        EndKind::Finished,
                        "the model says that the goal is met".to_owned(),
                    ),
                    TerminateStatus::Failure if why.is_empty() => (
                        EndKind::GaveUp,
                        "the model says that the goal cannot be met".to_owned(),
                    ),
                    TerminateStatus::Failure => (
                        EndKind::GaveUp,
                        format!("the model says that the goal cannot be met: {why}"),
                    ),
                };
                return Carried {
                    outcome: StepOutcome::Ended,
                    result: "Ended.".to_owned(),
                    end: Some(end),
                };
            }
            _ => {}
        }
        let quiet = matches!(
            approved.action(),
            Action::Wait { .. } | Action::Screenshot | Action::Zoom { .. }
        );
        let mut time = Watch::start();
        let performed = self.options.screen.perform(approved);
        time.lap(&mut self.parts.input);
        let effect = match performed {
            Ok(effect) => effect,
            Err(error) => return self.failed(&error),
        };
        self.course.done();
        self.untrusted.notes(&effect.notes, &self.frame.origin);
        let settled = self.options.screen.settle();
        time.lap(&mut self.parts.settle);
        let before = self.frame_id();
        let look = match settled {
            Err(error) if is_fatal(&error) => Err(error),
            _ => self.look(),
        };
        if let Err(error) = look {
            return Carried {
                outcome: StepOutcome::Failed,
                result: format!("The action was carried out, but the screen cannot be seen: {error}"),
                end: Some((EndKind::Failed, format!("the screen failed: {error}"))),
            };
        }
        let changed = before != self.frame.id;
        let mut lines = vec![
            if changed || quiet {
                "Done."
            } else {
                "Done. The screen looks the same as before."
            }
            .to_owned(),
        ];
        lines.extend(effect.notes);
        let end = self.judged_by_page();
        Carried {
            outcome: if changed || quiet {
                StepOutcome::Done
            } else {
                StepOutcome::NoEffect
            },
            result: lines.join("\n"),
            end,
        }
    }

    pub(super) fn look(&mut self) -> Result<(), ScreenError> {
        let mut time = Watch::start();
        let looked = self.options.screen.look();
        time.lap(&mut self.parts.capture);
        let frame = looked?;
        self.untrusted.frame(&frame);
        self.untrusted.words(&self.options.screen.words());
        self.options.watch.look(&frame);
        self.frame = frame;
        Ok(())
    }

    /// The end, if the page's own check says that there is one.
    pub(super) fn judged_by_page(&mut self) -> Option<(EndKind, String)> {
        let check = self.options.check.as_mut()?;
        match check(&mut *self.options.screen) {
            GoalState::Reached => Some((EndKind::Reached, "the goal is reached".to_owned())),
            GoalState::Missed => Some((
                EndKind::Missed,
                "the goal is missed: the page counts it as failed".to_owned(),
            )),
            GoalState::Open => None,
        }
    }

    /// An action that the screen could not do. What the model can act on goes back to it.
    fn failed(&mut self, error: &ScreenError) -> Carried {
        let fatal = is_fatal(error);
        let end = if fatal {
            Some((EndKind::Failed, format!("the screen failed: {error}")))
        } else {
            // The page may have changed under the action: the next decision is made on what is there now.
            self.look()
                .err()
                .filter(is_fatal)
                .map(|error| (EndKind::Failed, format!("the screen failed: {error}")))
                // A part of it may have reached the page: a press, before its release was withheld.
                .or_else(|| self.judged_by_page())
        };
        Carried {
            outcome: StepOutcome::Failed,
            result: format!("Error: {error}"),
            end,
        }
    }

    /// Writes the result down, tells it to the model, and ends the run if it is at its end.
    fn conclude(
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
}

/// Whether somebody said no. Where a person took over meanwhile, nobody did.
pub(super) fn is_refusal(outcome: StepOutcome, result: &str) -> bool {
    outcome == StepOutcome::Refused && result != TOUCHED && result != MEDDLED
}

/// Errors that no action of the model can mend.
fn is_fatal(error: &ScreenError) -> bool {
    matches!(
        error,
        ScreenError::NotFound { .. }
            | ScreenError::Launch { .. }
            | ScreenError::Died { .. }
            | ScreenError::Closed
            | ScreenError::Io { .. }
            | ScreenError::Interrupted { .. }
    )
}
