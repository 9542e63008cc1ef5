//! What somebody who watches may want of the run.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Who has the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The run.
    #[default]
    Running,
    /// Nobody: the run waits.
    Paused,
    /// The person.
    Hands,
}

/// An order to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Wait before the next decision or input.
    Pause,
    /// Go on.
    Resume,
    /// Leave the screen to the person. An open question is a no.
    Take,
    /// Have it back, and look anew. Where a person shows how it is done: they have shown it.
    GiveBack,
    /// Where a person shows how it is done: forget this time.
    Drop,
    /// Stop before the next input. An open question is a no.
    Kill,
}

/// Why an order means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OrderRefused {
    /// The run is over.
    #[error("the run is over")]
    Over,
    /// It is not in that state.
    #[error("{0}")]
    NotNow(&'static str),
}

impl Order {
    /// The mode that it leads to from another one; `None` for the kill switch.
    pub(super) fn mode(self, now: Mode) -> Result<Option<Mode>, OrderRefused> {
        match (self, now) {
            (Self::Kill, _) => Ok(None),
            (Self::Take, _) => Ok(Some(Mode::Hands)),
            (Self::Pause | Self::Resume, Mode::Hands) => Err(OrderRefused::NotNow(
                "the screen is in somebody's hands: give it back",
            )),
            (Self::Pause, _) => Ok(Some(Mode::Paused)),
            (Self::Resume, _) | (Self::GiveBack | Self::Drop, Mode::Hands) => Ok(Some(Mode::Running)),
            (Self::GiveBack | Self::Drop, _) => Err(OrderRefused::NotNow("the screen is in nobody's hands")),
        }
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Pause => "paused",
            Self::Resume => "let go on",
            Self::Take => "taken over by hand",
            Self::GiveBack => "given back",
            Self::Drop => "given back, to be forgotten",
            Self::Kill => "stopped with the kill switch",
        })
    }
}
