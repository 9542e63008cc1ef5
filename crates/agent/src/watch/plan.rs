//! What a run means to do, as somebody who watches sees it.

use serde::{Deserialize, Serialize};

/// A plan as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// What is to be done, in order.
    pub items: Vec<PlanItem>,
    /// What is carried along from page to page.
    pub notes: Vec<String>,
}

/// A part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanItem {
    /// What is to be done: untrusted text.
    pub text: String,
    /// How far it is.
    pub state: PlanState,
    /// What shows that it is done, or why it was dropped: untrusted text.
    pub evidence: String,
}

/// How far a part of a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Not begun.
    #[default]
    Open,
    /// Under way.
    Doing,
    /// Done.
    Done,
    /// Given up, or no longer needed.
    Dropped,
}
