//! What happens in a run, for whoever watches.

use std::sync::Arc;

use aurore_action::{Action, Frame, FrameId, Point, Rect, Size, Tab, Target};
use aurore_policy::VerdictRecord;
use serde::Serialize;

use super::{ByHand, Mode};
use crate::{Approval, Budgets, End, Plan, Question, StepReport, UpFront};

/// Something that happened, with its place in the log.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Place in the log, from 1. Whoever lost the connection asks for what comes after the last one seen.
    pub sequence: u64,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// What.
    #[serde(flatten)]
    pub happening: Arc<Happening>,
}

/// Something that happened. Texts of models and pages are as they were said: untrusted.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// The run began, or went on after a stop.
    Began {
        /// Its name in the journal.
        run: String,
        /// The person's words.
        goal: String,
        /// Who decides.
        principal: String,
        /// What may be used up.
        budgets: Budgets,
        /// What was allowed before the run was interrupted and still holds, in words.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        allowed: Vec<String>,
        /// The plan and the notes of a run that goes on.
        #[serde(skip_serializing_if = "Option::is_none")]
        plan: Option<Plan>,
    },
    /// A person is to show how it is done: the screen is theirs until they say that it is, or that it is to be forgotten.
    Lesson(Lesson),
    /// The screen was looked at.
    Looked(Look),
    /// More of the thinking of a step.
    Thinking {
        /// Which step.
        step: u32,
        /// Where the text belongs, in characters from the beginning of the step's thinking.
        from: usize,
        /// The text.
        text: String,
    },
    /// A step was decided and judged.
    Decided(Box<Decided>),
    /// The rules ask.
    Asked(Box<Asked>),
    /// It is asked once, before the first step, for what the goal calls for.
    AskedUpFront(Box<AskedUpFront>),
    /// A question is no longer open.
    Answered {
        /// Which.
        id: String,
        /// Number of the step; 0 before the first.
        step: u32,
        /// The answer.
        #[serde(flatten)]
        approval: Approval,
    },
    /// An action is about to be carried out: it stands in the journal.
    Acting {
        /// Number of the step.
        step: u32,
    },
    /// A step is over.
    Step(Box<StepReport>),
    /// Somebody wants the run to be in another mode.
    Wanted {
        /// Which.
        mode: Mode,
        /// Who.
        by: String,
    },
    /// The run is in another mode.
    Mode {
        /// Which.
        mode: Mode,
    },
    /// Something was done by hand, or not.
    Hand(ByHand),
    /// Somebody pulled the kill switch.
    Killed {
        /// Who.
        by: String,
    },
    /// The run is over.
    Ended {
        /// How.
        #[serde(flatten)]
        end: End,
    },
}

/// One of the times that a person shows how it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lesson {
    /// Which, from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

/// What the screen shows.
#[derive(Debug, Clone, Serialize)]
pub struct Look {
    /// The picture.
    pub frame: FrameId,
    /// Its size.
    pub size: Size,
    /// Address of the page.
    pub url: Option<String>,
    /// Its origin.
    pub origin: String,
    /// Its title.
    pub title: String,
    /// Tabs in order.
    pub tabs: Vec<Tab>,
}

/// A decision with its verdict.
#[derive(Debug, Clone, Serialize)]
pub struct Decided {
    /// Number of the step.
    pub step: u32,
    /// The frame that it was made on.
    pub frame: FrameId,
    /// All of the thinking.
    pub thinking: String,
    /// The plan and the notes, where this decision changes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The intent, one line.
    pub intent: String,
    /// The expected effect, one line.
    pub expect: String,
    /// The action in words.
    pub words: String,
    /// The action.
    pub action: Action,
    /// Every place that it touches, in frame pixels.
    pub points: Vec<Point>,
    /// What it hits.
    pub target: Option<Target>,
    /// What the rules say.
    pub verdict: VerdictRecord,
}

/// An open question.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// Its name.
    pub id: String,
    /// An answer must name it: whoever does has seen this question and no other.
    pub nonce: String,
    /// How long it waits, in milliseconds; then it is a no.
    pub wait_ms: u64,
    /// Every place that the action touches, in frame pixels.
    pub points: Vec<Point>,
    /// What is asked.
    #[serde(flatten)]
    pub question: Question,
}

/// The open question before the first step.
#[derive(Debug, Clone, Serialize)]
pub struct AskedUpFront {
    /// Its name.
    pub id: String,
    /// An answer must name it: whoever does has seen this question and no other.
    pub nonce: String,
    /// How long it waits, in milliseconds; then it is a no.
    pub wait_ms: u64,
    /// What is asked.
    #[serde(flatten)]
    pub question: UpFront,
}

impl Look {
    pub(crate) fn of(frame: &Frame) -> Self {
        Self {
            frame: frame.id.clone(),
            size: frame.size,
            url: frame.url.clone(),
            origin: frame.origin.clone(),
            title: frame.title.clone(),
            tabs: frame.tabs.clone(),
        }
    }
}

impl Decided {
    /// Of a report whose action was judged; `None` before that.
    pub(crate) fn of(report: &StepReport) -> Option<Self> {
        let action = report.action.clone()?;
        Some(Self {
            step: report.number,
            frame: report.frame.clone()?,
            thinking: report.thinking.clone(),
            plan: report.plan.clone(),
            intent: report.intent.clone(),
            expect: report.expect.clone(),
            words: report.words.clone(),
            points: action.points(),
            action,
            target: report.target.clone(),
            verdict: report.verdict.clone()?,
        })
    }

    /// The box of what it hits.
    pub fn bounds(&self) -> Option<Rect> {
        self.target.as_ref().and_then(|target| target.bounds)
    }
}
