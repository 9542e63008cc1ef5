//! A journal plays itself again: the recorded decisions are fed to the same pages, without a model.

use std::collections::{HashMap, VecDeque};

use aurore_action::{Action, Size};
use aurore_policy::{Principal, origin_of};

use crate::{
    Brain, BrainError, Decision, DecisionRecord, Event, Journal, JournalError, Observation, ResultRecord,
    RunId, StepOutcome,
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
    /// Whether the pages may have moved: each recorded origin then stands for the one that is met in its place first.
    pub moved: bool,
    /// Where further sites are now, for those that an address is opened on before they are met: in that order.
    pub sites: VecDeque<String>,
    origins: HashMap<String, String>,
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
                | Event::Window(_)
                | Event::End(_) => {}
            }
        }
        Ok(Self {
            run: run.clone(),
            steps,
            next: 0,
            by_hand,
            same_frames: false,
            moved: false,
            sites: VecDeque::new(),
            origins: HashMap::new(),
        })
    }

    /// Number of recorded decisions.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// How many of them have been decided again.
    pub fn replayed(&self) -> usize {
        self.next
    }

    /// Size of the frame that the first decision was made on.
    pub fn size(&self) -> Option<Size> {
        self.steps.first().map(|(decision, _)| decision.size)
    }

    /// An action on the pages as they are now: an address leads to where its recorded origin has moved.
    fn here(&mut self, action: &Action) -> Action {
        let Action::OpenUrl { url } = action else {
            return action.clone();
        };
        let recorded = origin_of(url);
        let Some(rest) = url.strip_prefix(&recorded).filter(|_| self.moved) else {
            return action.clone();
        };
        if !self.origins.contains_key(&recorded)
            && let Some(site) = self.next_site()
        {
            self.origins.insert(recorded.clone(), site);
        }
        let url = match self.origins.get(&recorded) {
            Some(origin) => format!("{origin}{rest}"),
            None => url.clone(),
        };
        Action::OpenUrl { url }
    }

    /// The next further site that stands for none yet.
    fn next_site(&mut self) -> Option<String> {
        let met: Vec<&String> = self.origins.values().collect();
        let at = self.sites.iter().position(|site| !met.contains(&site))?;
        self.sites.remove(at)
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
        // In a refusal stands who refused it, which may be somebody else this time.
        if recorded.outcome == StepOutcome::Refused && now.result.starts_with("Refused") {
            return Ok(());
        }
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
        let Some((recorded, result)) = self.steps.get(self.next).cloned() else {
            return Err(BrainError::Exhausted {
                steps: self.steps.len(),
            });
        };
        if self.same_frames && recorded.frame != observation.frame.id {
            return Err(diverged("the frame is not the recorded one".to_owned()));
        }
        let origin = if self.moved {
            let met = self.origins.entry(recorded.origin.clone());
            met.or_insert_with(|| observation.frame.origin.clone()).clone()
        } else {
            recorded.origin.clone()
        };
        if recorded.size != observation.frame.size || origin != observation.frame.origin {
            return Err(diverged(format!(
                "the recorded page was {} at {}×{}, this one is {} at {}×{}",
                origin,
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
                thinking: recorded.thinking,
                plan: recorded.plan,
                notes: recorded.notes,
                intent: recorded.intent,
                expect: recorded.expect,
                ..Decision::new(self.here(action))
            }),
            None => Err(BrainError::Unusable {
                thinking: recorded.thinking,
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
