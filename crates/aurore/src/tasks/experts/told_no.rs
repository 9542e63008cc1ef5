//! What an expert does when it is told no.

use aurore_action::{Action, TerminateStatus};
use aurore_agent::{Decision, Observation};

/// The end, with what was refused and why, if the last action was. An expert knows one way to each goal: who says no to a
/// part of it says no to all of it.
pub fn told_no(observation: &Observation<'_>) -> Option<Decision> {
    let refused = observation.history.last().filter(|past| past.refused)?;
    let what = refused.decision.as_ref().map_or("the action", |decision| {
        decision.intent.trim_end_matches(['.', '。'])
    });
    let why = refused.result.lines().next().unwrap_or_default();
    Some(Decision {
        thinking: format!(
            "I wanted this: {what}. The answer was: {why} I know no other way to the goal, and a no is not to be worked around."
        ),
        intent: format!("Give up, because this was refused: {what}. {why}"),
        expect: "The run ends.".to_owned(),
        ..Decision::new(Action::Terminate {
            status: TerminateStatus::Failure,
        })
    })
}
