//! What of a long run still fits.

use super::Turn;
use crate::brain::{Observation, Past};
use crate::describe_action;

/// Steps are folded to a line this many at a time, so that the prompt's beginning stays the same for as many steps.
const CHUNK: usize = 10;
/// Folded steps that are still listed; of older ones only their number is told.
const LISTED: usize = 100;
/// Tokens that instructions and the tool's description take.
const OVERHEAD: usize = 3000;

/// The part of the past that is told in full. What was folded stays folded.
#[derive(Debug, Clone, Default)]
pub(in crate::brain) struct Window {
    /// Tokens that a prompt may have, if that is known.
    room: Option<usize>,
    /// How many of the oldest steps are one line each.
    folded: usize,
}

impl Window {
    /// A window on prompts of so many tokens.
    pub(in crate::brain) fn new(room: Option<usize>) -> Self {
        Self { room, folded: 0 }
    }

    /// How many of the oldest steps are one line each.
    pub(super) fn folded(&self) -> usize {
        self.folded
    }

    /// Whether a conversation is too long for the room, as far as can be told without the tokeniser.
    pub(super) fn overflows(&self, turns: &[Turn]) -> bool {
        let cost: usize = turns.iter().map(Turn::cost).sum();
        self.room.is_some_and(|room| cost + OVERHEAD > room)
    }

    /// Folds some more steps; false if there is nothing left to fold.
    pub(in crate::brain) fn tighten(&mut self, observation: &Observation<'_>) -> bool {
        let left = observation.history.len().saturating_sub(self.folded);
        self.folded += CHUNK.min(left.div_ceil(2));
        left > 0
    }
}

/// The folded steps, one a line.
pub(super) fn lines(folded: &[Past]) -> String {
    let left_out = folded.len().saturating_sub(LISTED);
    let mut lines = vec!["Earlier steps:".to_owned()];
    if left_out > 0 {
        lines.push(format!("({left_out} steps before these)"));
    }
    lines.extend(folded.iter().enumerate().skip(left_out).map(|(index, past)| {
        let what = match &past.decision {
            Some(decision) if !decision.intent.is_empty() => decision.intent.clone(),
            Some(decision) => describe_action(&decision.action, None),
            None => "no usable action".to_owned(),
        };
        let result = past.result.lines().next().unwrap_or_default();
        format!("{}. {} → {}", index + 1, shorten(&what), shorten(result))
    }));
    lines.join("\n")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
