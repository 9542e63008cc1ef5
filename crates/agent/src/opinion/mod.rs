//! Second opinions: another look at what the rules let pass. They can tighten a verdict, never loosen it.

mod network;
mod program;

pub use network::NetworkOpinion;
pub use program::ProgramOpinion;

use aurore_policy::{Decision, Opinion};

/// What stands in for an opinion that could not be had: whoever wanted one gets a question instead.
fn unheard(by: String, why: &str) -> Opinion {
    tracing::warn!("second opinion: {why}");
    Opinion {
        by,
        decision: Decision::Ask,
        reason: format!("no second opinion could be had: {why}"),
    }
}
