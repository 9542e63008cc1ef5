//! An approved action on its way to the screen, and what became of it.

use aurore_action::{Action, TerminateStatus};
use aurore_policy::{Approved, Principal};
use aurore_screen::{Screen, ScreenError};

use super::{EndKind, GoalState, Run, StepOutcome, Watch, hold::BESIDE, state::stopped_message};
use crate::AgentError;

/// What became of an action after it was judged.
pub(super) struct Carried {
    pub(super) outcome: StepOutcome,
    pub(super) result: String,
    pub(super) end: Option<(EndKind, String)>,
}

impl Carried {
    pub(super) fn refused(why: &str) -> Self {
        Self {
            outcome: StepOutcome::Refused,
            result: why.to_owned(),
            end: None,
        }
    }
}

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Carries an approved action out and looks again.
    pub(super) fn carry_out(
        &mut self,
        approved: Approved<Action>,
        principal: &Principal,
        intent: &str,
    ) -> Carried {
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
    pub(super) fn failed(&mut self, error: &ScreenError) -> Carried {
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

    /// What the frame shows is not taken for the action's effect where somebody used the window beside it.
    pub(super) fn beside_another_hand(&mut self, carried: Carried) -> Result<Carried, AgentError> {
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
