//! What an action would cause, from free to the person's own hands.

use serde::{Deserialize, Serialize};

use crate::Decision;

/// How far an action's consequences reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Tier {
    /// Looking, scrolling, plain choices on known pages.
    Free = 1,
    /// Asked once, unless the goal or a rule covers it: log in, upload, a new origin.
    Once = 2,
    /// Asked right before, each time: pay, send, publish, delete, share.
    Always = 3,
    /// Left to the person: a final password change, a certificate warning, a CAPTCHA.
    Hands = 4,
}

impl Tier {
    /// What happens where no rule speaks.
    pub fn default_decision(self) -> Decision {
        match self {
            Self::Free => Decision::Allow,
            Self::Once | Self::Always => Decision::Ask,
            Self::Hands => Decision::Deny,
        }
    }

    /// One tier up; the highest stays.
    #[must_use]
    pub fn raised(self) -> Self {
        match self {
            Self::Free => Self::Once,
            Self::Once => Self::Always,
            Self::Always | Self::Hands => Self::Hands,
        }
    }
}

impl From<Tier> for u8 {
    fn from(tier: Tier) -> Self {
        tier as Self
    }
}

impl TryFrom<u8> for Tier {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            1 => Ok(Self::Free),
            2 => Ok(Self::Once),
            3 => Ok(Self::Always),
            4 => Ok(Self::Hands),
            _ => Err(format!("tier {number} does not exist: use 1 to 4")),
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "tier {}", *self as u8)
    }
}
