//! Notices a run that goes round in circles.

use std::collections::HashMap;

use aurore_action::{Action, FrameId};

/// The same action on the same frame this often is told to the model,
const WARN: u32 = 3;
/// and this often ends the run.
const END: u32 = 6;
/// The same refusal this often in a row ends the run: the model was told and has no other way.
const REFUSALS: u32 = 2;
/// Unusable answers in a row that end the run.
const UNUSABLE: u32 = 3;

/// What was seen of a run's course.
#[derive(Debug, Default)]
pub(super) struct Course {
    seen: HashMap<(FrameId, Action), u32>,
    refused: Option<(String, u32)>,
    unusable: u32,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    GoOn,
    Warn(String),
    End(String),
}

impl Course {
    /// Notes an action on a frame. Only waiting on purpose does not count.
    pub(super) fn decided(&mut self, frame: &FrameId, action: &Action) -> Advice {
        self.unusable = 0;
        let times = self.seen.entry((frame.clone(), action.clone())).or_default();
        *times += 1;
        match *times {
            times if times >= END => Advice::End(format!(
                "the same action was decided {times} times while the screen showed the same; the run goes in a circle"
            )),
            times if times >= WARN => Advice::Warn(format!(
                "You have decided this same action {times} times while the screen showed exactly the same. It does not help: do something else, or terminate with failure."
            )),
            _ => Advice::GoOn,
        }
    }

    /// Notes a refusal of an action in words; true if the run should end.
    pub(super) fn refused(&mut self, words: &str) -> bool {
        let times = match &self.refused {
            Some((before, times)) if before == words => times + 1,
            _ => 1,
        };
        self.refused = Some((words.to_owned(), times));
        times >= REFUSALS
    }

    /// Notes that something was carried out.
    pub(super) fn done(&mut self) {
        self.refused = None;
    }

    /// Notes an answer that is no action; true if the run should end.
    pub(super) fn unusable(&mut self) -> bool {
        self.unusable += 1;
        self.unusable >= UNUSABLE
    }
}
