//! Who answers when the rules ask.

mod counting;
mod program;
mod reveal;
mod terminal;

use std::{sync::Arc, time::Duration};

use aurore_action::{Action, FrameId, Point, Rect, Target};
use aurore_policy::VerdictRecord;
use serde::Serialize;

pub use counting::{CountingApprover, DenyAll};
pub use program::ProgramApprover;
pub use reveal::{HIDDEN, reveal};
pub use terminal::TerminalApprover;

/// All that somebody needs to see before they say yes.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// The run.
    pub run: String,
    /// Number of the step, from 1.
    pub step: u32,
    /// The person's words.
    pub goal: String,
    /// The model's thinking: untrusted text.
    pub thinking: String,
    /// Its intent: untrusted text.
    pub intent: String,
    /// What it expects: untrusted text.
    pub expect: String,
    /// The action in words.
    pub words: String,
    /// The action itself.
    pub action: Action,
    /// What it hits: the page's own words.
    pub target: Option<Target>,
    /// Address of the page.
    pub url: Option<String>,
    /// Origin of the page.
    pub origin: String,
    /// What the rules say.
    pub verdict: VerdictRecord,
    /// What exactly a yes allows.
    pub grants: String,
    /// What else can be allowed for the rest of this run, from narrow to wide.
    pub scopes: Vec<Scope>,
    /// The frame that it is about.
    pub frame: FrameId,
    /// The frame, PNG.
    #[serde(skip)]
    pub png: Arc<[u8]>,
    /// Where the action lands, in frame pixels.
    pub point: Option<Point>,
    /// Box of the target, in frame pixels.
    pub bounds: Option<Rect>,
    /// How long the question waits; then it is a no.
    #[serde(skip)]
    pub wait: Duration,
}

/// Something that can be allowed for the rest of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// In words.
    pub words: String,
    /// Earlier actions of this run that it would have covered.
    pub earlier: Vec<String>,
}

/// What a goal calls for at tier 2, asked once before the first step.
#[derive(Debug, Clone, Serialize)]
pub struct UpFront {
    /// The run.
    pub run: String,
    /// The person's words.
    pub goal: String,
    /// Address of the page that the run starts on.
    pub url: Option<String>,
    /// Who would be allowed it, and nobody else.
    pub principal: String,
    /// What a yes allows for this run; an answer may choose among them.
    pub items: Vec<UpFrontItem>,
    /// The frame that the run starts on.
    pub frame: FrameId,
    /// The frame, PNG.
    #[serde(skip)]
    pub png: Arc<[u8]>,
    /// How long the question waits; then it is a no.
    #[serde(skip)]
    pub wait: Duration,
}

/// One of the things that a goal calls for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpFrontItem {
    /// All of it in words.
    pub words: String,
    /// What would be done, in words.
    pub what: String,
    /// With what: addresses that the goal holds, names of secrets.
    pub with: Vec<String>,
    /// The origins that it is bound to.
    pub places: Vec<String>,
    /// The rule that a yes puts in force, as it would stand in a file: exactly what is allowed.
    pub rule: String,
}

impl UpFront {
    /// What an answer allows, in their order: all of the items, those that it chose, or none.
    pub fn allowed_by(&self, answer: &Answer) -> Vec<usize> {
        let all = 0..self.items.len();
        match answer {
            Answer::Yes => all.collect(),
            Answer::Only(chosen) => all.filter(|index| chosen.contains(index)).collect(),
            Answer::FromNowOn(_) | Answer::No(_) | Answer::Stop => Vec::new(),
        }
    }

    /// An answer in words, for the journal and for whoever watches.
    pub(crate) fn note(&self, answer: &Answer) -> String {
        match answer {
            Answer::Yes => "for this run".to_owned(),
            Answer::Only(_) => {
                let allowed = self.allowed_by(answer);
                let words: Vec<&str> = allowed
                    .iter()
                    .filter_map(|index| Some(self.items.get(*index)?.words.as_str()))
                    .collect();
                format!("for this run: {}", words.join("; "))
            }
            Answer::FromNowOn(_) => "the answer names nothing that was offered".to_owned(),
            Answer::No(why) => why.clone(),
            Answer::Stop => "and the run ends".to_owned(),
        }
    }
}

/// An answer to a [`Question`] or to what is asked [`UpFront`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This once.
    Yes,
    /// This and what the scope with this index covers, for the rest of the run.
    FromNowOn(usize),
    /// Of what is asked up front, the items with these indices.
    Only(Vec<usize>),
    /// No, with a word for the model.
    No(String),
    /// No, and the run ends.
    Stop,
}

/// Answers questions.
pub trait Approver {
    /// Who answers, in words.
    fn name(&self) -> String;

    /// Whether there is anybody. If not, the rules deny what they would ask.
    fn attended(&self) -> bool {
        true
    }

    /// Who gave the last answer, in words.
    fn answered_by(&self) -> String {
        self.name()
    }

    /// Puts a question and waits for the answer. No answer in time is a no.
    fn ask(&mut self, question: &Question) -> Answer;

    /// Asks once, before the first step, for what the goal calls for. `None` from whoever puts no such question;
    /// then, as after a no, each thing is asked about when it comes.
    fn ask_up_front(&mut self, question: &UpFront) -> Option<Answer> {
        let _ = question;
        None
    }
}
