//! A journal plays itself again: the recorded decisions are fed to the same pages, without a model.

use aurore_policy::Principal;

use crate::{
    Brain, BrainError, Decision, DecisionRecord, Event, Journal, JournalError, Observation, ResultRecord,
    RunId,
};

/// Decides what a recorded run decided, and stops where the pages go another way.
#[derive(Debug, Clone)]
pub struct RecordedBrain {
    run: RunId,
    steps: Vec<(DecisionRecord, Option<ResultRecord>)>,
    next: usize,
    /// Decisions before somebody first did something by hand.
    by_hand: Option<usize>,
    /// Whether every frame has to be the same to the pixel.
    pub same_frames: bool,
}

impl RecordedBrain {
    /// The decisions of a run.
    pub fn open(journal: &Journal, run: &RunId) -> Result<Self, JournalError> {
        let mut steps: Vec<(DecisionRecord, Option<ResultRecord>)> = Vec::new();
        let mut by_hand = None;
        for record in journal.records(run)? {
            match record.event {
                Event::Decision(decision) => steps.push((*decision, None)),
                Event::Result(result) => {
                    if let Some((_, open)) = steps.last_mut() {
                        *open = Some(result);
                    }
                }
                Event::Hand(hand) if hand.perform => by_hand = by_hand.or(Some(steps.len())),
                Event::Start(_)
                | Event::Resume(_)
                | Event::UpFront(_)
                | Event::Order(_)
                | Event::Hand(_)
                | Event::HandResult(_)
                | Event::End(_) => {}
            }
        }
        Ok(Self {
            run: run.clone(),
            steps,
            next: 0,
            by_hand,
            same_frames: false,
        })
    }

    /// Number of recorded decisions.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the last result was the recorded one.
    fn compare(&self, observation: &Observation<'_>) -> Result<(), String> {
        let Some(previous) = self.next.checked_sub(1).and_then(|index| self.steps.get(index)) else {
            return Ok(());
        };
        let (Some(recorded), Some(now)) = (&previous.1, observation.history.last()) else {
            return Ok(());
        };
        if recorded.result != now.result {
            return Err(format!(
                "the result was {:?} and is {:?}",
                recorded.result, now.result
            ));
        }
        Ok(())
    }
}

impl Brain for RecordedBrain {
    fn principal(&self) -> Principal {
        Principal(format!("replay:{}", self.run))
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        let step = self.next + 1;
        let diverged = |message| BrainError::Diverged { step, message };
        self.compare(observation).map_err(diverged)?;
        if self.by_hand.is_some_and(|first| self.next >= first) {
            return Err(diverged(
                "a person had the screen in their own hands here, and what they did is not repeated"
                    .to_owned(),
            ));
        }
        let Some((recorded, result)) = self.steps.get(self.next) else {
            return Err(BrainError::Exhausted {
                steps: self.steps.len(),
            });
        };
        if self.same_frames && recorded.frame != observation.frame.id {
            return Err(diverged("the frame is not the recorded one".to_owned()));
        }
        if recorded.size != observation.frame.size || recorded.origin != observation.frame.origin {
            return Err(diverged(format!(
                "the recorded page was {} at {}×{}, this one is {} at {}×{}",
                recorded.origin,
                recorded.size.width,
                recorded.size.height,
                observation.frame.origin,
                observation.frame.size.width,
                observation.frame.size.height
            )));
        }
        self.next += 1;
        match &recorded.action {
            Some(action) => Ok(Decision {
                thinking: recorded.thinking.clone(),
                plan: recorded.plan.clone(),
                notes: recorded.notes.clone(),
                intent: recorded.intent.clone(),
                expect: recorded.expect.clone(),
                action: action.clone(),
                raised: None,
                tokens: 0,
                seconds: 0.0,
            }),
            None => Err(BrainError::Unusable {
                thinking: recorded.thinking.clone(),
                said: String::new(),
                message: result.as_ref().map_or_else(
                    || "no action was recorded".to_owned(),
                    |result| result.result.trim_start_matches("Error: ").to_owned(),
                ),
                tokens: 0,
                seconds: 0.0,
            }),
        }
    }
}
