//! What a person does by hand while the run is held.

use aurore_action::{Action, FrameId};
use serde::Serialize;
use thiserror::Error;

use crate::StepOutcome;

/// Things that may wait to be done.
pub(super) const MOST: usize = 16;

/// Something to be done by hand.
#[derive(Debug, Clone)]
pub(crate) struct Hand {
    pub(crate) number: u64,
    /// What the person saw.
    pub(crate) frame: FrameId,
    pub(crate) action: Action,
    /// What the person says that it is for, one line; empty if they say nothing.
    pub(crate) purpose: String,
    pub(crate) by: String,
}

/// Something that was done by hand, or not.
#[derive(Debug, Clone, Serialize)]
pub struct ByHand {
    /// Which, as it was named when it was taken in.
    pub number: u64,
    /// Number of the step that was the last one then; 0 before the first.
    pub step: u32,
    /// Who, in words.
    pub by: String,
    /// What, in words.
    pub words: String,
    /// How it came out.
    pub outcome: StepOutcome,
    /// In words; empty if there is nothing to say.
    pub result: String,
}

/// Why something cannot be done by hand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandRefused {
    /// The screen is not in the person's hands.
    #[error("the screen is not in your hands: take over first")]
    NotTaken,
    /// The person did not see what is there.
    #[error("the screen has changed since: look again")]
    Stale,
    /// Too much waits.
    #[error("too much waits to be done: a little slower")]
    Busy,
    /// Nothing that hands do.
    #[error("{0} is nothing that is done by hand")]
    Unfit(&'static str),
}

/// Whether hands do this.
pub(super) fn is_for_hands(action: &Action) -> bool {
    matches!(
        action,
        Action::Click { .. }
            | Action::MouseMove { .. }
            | Action::Drag { .. }
            | Action::Scroll { .. }
            | Action::Type { .. }
            | Action::Key { .. }
            | Action::OpenUrl { .. }
            | Action::Back
            | Action::Forward
            | Action::SwitchTab { .. }
            | Action::CloseTab
    )
}
