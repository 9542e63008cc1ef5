//! An agent's step: what the model said before it acted, and the act.

mod plan;

use std::fmt::Write;

use thiserror::Error;

use crate::{ToolCall, Turn};

pub use plan::{Item, State};

/// A step as the model wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Why.
    pub thinking: String,
    /// The plan, where the model wrote it anew.
    pub plan: Option<Vec<Item>>,
    /// What is to be remembered when the screen shows something else, each one line.
    pub notes: Vec<String>,
    /// What is meant to be done, one line.
    pub intent: String,
    /// What should be seen afterwards, one line.
    pub expect: String,
    /// What to do.
    pub call: ToolCall,
}

/// Why an answer is no step, in words that the model can act on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StepError {
    /// Nothing was called.
    #[error("no tool was called: end each step with one call of computer_use")]
    NoCall,
    /// More than one call.
    #[error("{0} tools were called: call one at a time")]
    SeveralCalls(usize),
    /// The call cannot be read.
    #[error("the tool call cannot be read: {0}")]
    Malformed(String),
}

/// The step in an answer. `Intent:` and `Expect:` are lines of the answer; a model that does not know the form leaves
/// them out, and they are empty then (the grammar of [`crate::computer_use::step_grammar`] forces them).
pub fn parse(turn: &Turn) -> Result<Step, StepError> {
    if let Some(malformed) = turn.malformed.first() {
        return Err(StepError::Malformed(malformed.why.clone()));
    }
    let call = match turn.calls.as_slice() {
        [call] => call.clone(),
        [] => return Err(StepError::NoCall),
        several => return Err(StepError::SeveralCalls(several.len())),
    };
    let line = |label: &str| {
        let found = turn
            .answer
            .lines()
            .find_map(|line| line.trim().strip_prefix(label));
        found.map_or_else(String::new, |rest| rest.trim().to_owned())
    };
    Ok(Step {
        thinking: turn.thinking.trim().to_owned(),
        plan: plan::plan(&turn.answer),
        notes: plan::notes(&turn.answer),
        intent: line("Intent:"),
        expect: line("Expect:"),
        call,
    })
}

/// The answer of a step, without thinking and call, as the model writes it.
pub fn answer(plan: Option<&[Item]>, notes: &[String], intent: &str, expect: &str) -> String {
    let mut answer = String::new();
    if let Some(items) = plan {
        _ = writeln!(answer, "{}", plan::PLAN);
        for item in items {
            _ = writeln!(answer, "{item}");
        }
    }
    for note in notes {
        _ = writeln!(answer, "{} {note}", plan::NOTE);
    }
    _ = write!(answer, "Intent: {intent}\nExpect: {expect}");
    answer
}

/// Deeds whose intents stand in a turn of [`crate::Memory::Intents`].
const REMEMBERED: usize = 8;

/// What stands beside the frame in a user turn that holds all there is to know: the goal, and the names of what was done.
pub fn frame_text(goal: &str, done: &[&str]) -> String {
    if done.is_empty() {
        goal.to_owned()
    } else {
        format!("{goal}\nDone: {}", done.join(" "))
    }
}

/// The same with the intents of what was done, a line each; of many, the last ones.
pub fn intents_text(goal: &str, did: &[&str]) -> String {
    let recent = &did[did.len().saturating_sub(REMEMBERED)..];
    if recent.is_empty() {
        goal.to_owned()
    } else {
        format!("{goal}\nDone: {}", recent.join("\n"))
    }
}
