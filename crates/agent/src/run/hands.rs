//! What a person does by hand, through the run's own screen: judged, written down and bound like everything else.

use aurore_action::{Action, FieldKind, Frame, Target};
use aurore_policy::{Approved, Context, Outcome, Principal, Request, judge_hands, permit_hands};
use aurore_screen::Screen;

use super::{Run, StepOutcome};
use crate::{
    AgentError, ByHand, Event, HandRecord, HandResultRecord, Happening, crop, describe_action, watch::Hand,
};

/// What became of something done by hand.
type Came = (StepOutcome, String);

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Does something in a person's name and tells what came of it.
    pub(super) fn hand(&mut self, hand: Hand) -> Result<(), AgentError> {
        let seen = self.options.watch.frame(&hand.frame);
        self.look()?;
        let (words, came) = match self.targets(&hand.action) {
            Ok((target, also)) => {
                let written = self.concealed(&hand.action, target.as_ref());
                let words = describe_action(&written, target.as_ref());
                let changed = seen.is_none_or(|png| {
                    let seen = Frame {
                        png,
                        ..self.frame.clone()
                    };
                    self.is_another(&seen, &hand.action, target.as_ref())
                });
                let came = if changed {
                    (
                        StepOutcome::Failed,
                        "Not done: what stands there is no longer what you saw. Look again.".to_owned(),
                    )
                } else {
                    self.judge_hand(&hand, written, target.as_ref(), &also)?
                };
                (words, came)
            }
            Err(error) => (
                describe_action(&hand.action, None),
                (StepOutcome::Failed, format!("Not done: {error}")),
            ),
        };
        let (outcome, result) = came;
        if matches!(outcome, StepOutcome::Done | StepOutcome::NoEffect) {
            self.notes.push(format!("By hand, the person did: {words}."));
            self.by_hand = self.judged_by_page();
        }
        self.options.watch.publish(Happening::Hand(ByHand {
            number: hand.number,
            step: self.steps,
            by: hand.by,
            words,
            outcome,
            result,
        }));
        Ok(())
    }

    /// Whether the pixels around the target are others than the person saw. In a field for text they may be: its
    /// caret blinks.
    fn is_another(&self, seen: &Frame, action: &Action, target: Option<&Target>) -> bool {
        let writes =
            target.is_some_and(|target| !matches!(target.field, FieldKind::None | FieldKind::Choice));
        let point = action.point();
        point.is_some()
            && !writes
            && crop::around(seen, point, target) != crop::around(&self.frame, point, target)
    }

    fn judge_hand(
        &mut self,
        hand: &Hand,
        written: Action,
        target: Option<&Target>,
        also: &[Target],
    ) -> Result<Came, AgentError> {
        let context = Context {
            attended: true,
            ..self.surroundings()
        };
        let principal = Principal(format!("person:{}", hand.by));
        let request = Request {
            principal: &principal,
            action: &hand.action,
            target,
            also,
            context: &context,
        };
        let verdict = judge_hands(&request, &self.options.rules);
        let record = verdict.record().clone();
        let outcome = permit_hands(verdict, &hand.by);
        let perform = matches!(outcome, Outcome::Allowed(_)) && !self.stopped();
        let frame = self.frame.clone();
        self.append(
            &Event::Hand(Box::new(HandRecord {
                step: self.steps,
                by: hand.by.clone(),
                frame: frame.id.clone(),
                size: frame.size,
                url: frame.url.clone(),
                origin: frame.origin.clone(),
                action: written,
                purpose: hand.purpose.clone(),
                target: target.cloned(),
                verdict: record,
                perform,
            })),
            &[&frame],
        )?;
        let (outcome, result) = match outcome {
            Outcome::Allowed(approved) if perform => self.perform_hand(approved)?,
            Outcome::Denied(denial) => (StepOutcome::Refused, denial.to_string()),
            Outcome::Allowed(_) | Outcome::Ask(_) => {
                (StepOutcome::Refused, "Stopped before the input.".to_owned())
            }
        };
        let frame = self.frame.clone();
        self.append(
            &Event::HandResult(HandResultRecord {
                outcome,
                result: result.clone(),
                frame: Some(frame.id.clone()),
            }),
            &[&frame],
        )?;
        Ok((outcome, result))
    }

    fn perform_hand(&mut self, approved: Approved<Action>) -> Result<Came, AgentError> {
        let before = self.frame_id();
        let effect = match self.options.screen.perform(approved) {
            Ok(effect) => effect,
            Err(error) => {
                self.look()?;
                return Ok((StepOutcome::Failed, format!("Not done: {error}")));
            }
        };
        self.untrusted.notes(&effect.notes, &self.frame.origin);
        self.options.screen.settle()?;
        self.look()?;
        let outcome = if before == self.frame.id {
            StepOutcome::NoEffect
        } else {
            StepOutcome::Done
        };
        Ok((outcome, effect.notes.join("\n")))
    }
}
