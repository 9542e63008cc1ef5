//! What happened in one step, for whoever watches.

use aurore_action::{Action, FrameId, Target};
use aurore_policy::VerdictRecord;
use serde::{Deserialize, Serialize};

use super::Parts;
use crate::{Approval, End, Plan};

/// How a step came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Carried out, and the frame changed.
    Done,
    /// Carried out, and the frame looks the same.
    NoEffect,
    /// Refused by a rule or by a person.
    Refused,
    /// The screen could not or would not do it.
    Failed,
    /// What the model said is no action.
    Unusable,
    /// Nothing to carry out: the run ended with it.
    Ended,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct StepReport {
    /// Number, from 1.
    pub number: u32,
    /// The frame that the decision was made on.
    pub frame: Option<FrameId>,
    /// The thinking.
    pub thinking: String,
    /// The plan and the notes, where this step changed them.
    pub plan: Option<Plan>,
    /// The intent, one line.
    pub intent: String,
    /// The expected effect, one line.
    pub expect: String,
    /// The action, if there is a usable one.
    pub action: Option<Action>,
    /// The action in words: `click button 'Submit'`.
    pub words: String,
    /// What it hits.
    pub target: Option<Target>,
    /// What the rules say.
    pub verdict: Option<VerdictRecord>,
    /// Who was asked and what they said.
    pub approval: Option<Approval>,
    /// How it came out.
    pub outcome: StepOutcome,
    /// The tool result that the model gets.
    pub result: String,
    /// Seconds that the model took.
    pub thinking_seconds: f64,
    /// Seconds of the whole step, waiting for answers included.
    pub seconds: f64,
    /// What they were spent on.
    pub parts: Parts,
    /// Set when this was the last step.
    pub end: Option<End>,
}
