//! What a journal holds.

use aurore_action::{Action, FrameId, Size, Target};
use aurore_chat::step::Item;
use aurore_policy::{Facts, VerdictRecord};
use serde::{Deserialize, Serialize};

use crate::{Budgets, End, Order, StepOutcome};

/// One record of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Place in the run's chain, from 0.
    pub sequence: u64,
    /// When it was written, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// What happened.
    pub event: Event,
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    Start(StartRecord),
    /// The run went on after a crash or a stop, under the rules and budgets given now.
    Resume(StartRecord),
    /// What the goal calls for was asked about before the first step.
    UpFront(UpFrontRecord),
    /// Something was decided. Written before it is carried out.
    Decision(Box<DecisionRecord>),
    /// What came of the decision before.
    Result(ResultRecord),
    /// Somebody who watches held the run, or let it go on.
    Order(OrderRecord),
    /// Something done by hand while the run was held. Written before it is carried out.
    Hand(Box<HandRecord>),
    /// What came of what was done by hand before.
    HandResult(HandResultRecord),
    /// Somebody used the screen's own window beside the run. What they did there was not judged and is not known.
    Window(WindowRecord),
    /// The run ended.
    End(EndRecord),
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartRecord {
    /// The person's words.
    pub goal: String,
    /// Its short name.
    pub name: String,
    /// Who decides.
    pub principal: String,
    /// Hash of the checkpoint or the script.
    pub fingerprint: String,
    /// Hash of the rules.
    pub rules: String,
    /// Hash of those of them that somebody wrote: answers that were given under them hold after an interruption as long
    /// as it stays the same.
    #[serde(default)]
    pub written_rules: String,
    /// What may be used up.
    pub budgets: Budgets,
    /// Origins that were known from the start.
    pub known_origins: Vec<String>,
    /// What was allowed before the run was interrupted and still holds, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still_allowed: Vec<String>,
}

/// A decision, its verdict, and whether it is about to be carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Number of the step, from 1.
    pub step: u32,
    /// The frame that it was made on.
    pub frame: FrameId,
    /// Size of that frame.
    pub size: Size,
    /// Address of the page.
    pub url: Option<String>,
    /// Origin of the page.
    pub origin: String,
    /// Title of the page.
    pub title: String,
    /// The thinking.
    pub thinking: String,
    /// The plan, where the model wrote it anew, in its own words; what the run made of it is [`crate::Plan`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Vec<Item>>,
    /// What the model noted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The intent.
    pub intent: String,
    /// The expected effect.
    pub expect: String,
    /// The action; `None` if what the model said is none.
    pub action: Option<Action>,
    /// What it hits.
    pub target: Option<Target>,
    /// What the rules say.
    pub verdict: Option<VerdictRecord>,
    /// What the rules saw; a later "allow from now on" shows whether it would have matched.
    pub facts: Option<Facts>,
    /// What the rules saw of the other things that it hits (where a drag ends).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_facts: Vec<Facts>,
    /// Who was asked and what they said.
    pub approval: Option<Approval>,
    /// The rules that the answer put in force for the rest of the run, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<String>,
    /// Whether it is about to be carried out.
    pub perform: bool,
    /// Tokens generated for it.
    pub tokens: u32,
    /// Seconds that the model took.
    pub seconds: f64,
}

/// An answered question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whether it was a yes.
    pub allowed: bool,
    /// Who answered.
    pub by: String,
    /// What was allowed from now on, in words, or why not.
    pub note: String,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// The question before the first step, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpFrontRecord {
    /// What was asked for, in words.
    pub items: Vec<String>,
    /// The answer.
    pub approval: Approval,
    /// The rules that it put in force for the run, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<String>,
}

/// What came of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// Number of the step, from 1.
    pub step: u32,
    /// How it came out.
    pub outcome: StepOutcome,
    /// The tool result that the model gets.
    pub result: String,
    /// The frame afterwards, if one was taken.
    pub frame: Option<FrameId>,
    /// Seconds from the decision to here.
    pub seconds: f64,
}

/// An order to the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// What.
    pub order: Order,
    /// Who gave it, in words.
    pub by: String,
    /// Number of the step that was the last one then; 0 before the first.
    pub step: u32,
}

/// Something that a person did by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandRecord {
    /// Number of the step that was the last one then; 0 before the first.
    pub step: u32,
    /// Who, in words.
    pub by: String,
    /// What the screen showed.
    pub frame: FrameId,
    /// Size of that frame.
    pub size: Size,
    /// Address of the page.
    pub url: Option<String>,
    /// Origin of the page.
    pub origin: String,
    /// What was done. Text that went into a field for secrets, or a private one, is left out.
    pub action: Action,
    /// What the person said that it is for, one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// What it hits.
    pub target: Option<Target>,
    /// What the rules say.
    pub verdict: VerdictRecord,
    /// Whether it is about to be carried out.
    pub perform: bool,
}

/// What came of something done by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandResultRecord {
    /// How it came out.
    pub outcome: StepOutcome,
    /// In words.
    pub result: String,
    /// The frame afterwards.
    pub frame: Option<FrameId>,
}

/// That somebody used the screen's own window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRecord {
    /// Number of the step that was under way, or the last one; 0 before the first.
    pub step: u32,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRecord {
    /// Why, in words.
    pub end: End,
    /// The last frame.
    pub frame: Option<FrameId>,
}
