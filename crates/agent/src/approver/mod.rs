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
    /// What a yes allows for this run, in words.
    pub items: Vec<String>,
    /// The frame, PNG.
    #[serde(skip)]
    pub png: Arc<[u8]>,
    /// How long the question waits; then it is a no.
    #[serde(skip)]
    pub wait: Duration,
}

/// An answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This once.
    Yes,
    /// This and what the scope with this index covers, for the rest of the run.
    FromNowOn(usize),
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
