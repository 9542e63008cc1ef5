//! Eyes and hands: one [`Screen`] trait, and the browser behind it ([`browser`], over the Chrome DevTools
//! Protocol).
//!
//! A screen is looked at freely, but nothing is done to it without an [`Approved`] action, which only
//! `aurore-policy` builds. What was approved is compared with what stands there as close to the input as the
//! platform allows; a difference is [`ScreenError::TargetChanged`], and the input does not reach the page.

#![forbid(unsafe_code)]

pub mod browser;
mod error;
mod secret;

use std::sync::Arc;

use aurore_action::{Action, Frame, Point, Target};
use aurore_policy::Approved;

pub use error::ScreenError;
pub use secret::{Secret, SecretRefused, Secrets};

/// A screen that can be seen and operated.
///
/// Every call returns in bounded time: a screen that hangs or dies is an error with a hint.
pub trait Screen: Send {
    /// What is on the screen now.
    fn look(&mut self) -> Result<Frame, ScreenError>;

    /// The text of what is on the screen now, seen or not, by the origin that it is of: data that a model may have
    /// read. Bounded; empty where it cannot be had.
    fn words(&mut self) -> Vec<Words> {
        Vec::new()
    }

    /// A question stands, or stands no longer. Meanwhile nothing that a person presses in the screen's own window
    /// reaches it: a window that takes the focus must not get the keys of the answer.
    fn questioned(&mut self, stands: bool) {
        let _ = stands;
    }

    /// Whether somebody used the screen's own window since this was last asked: what is there now is not the run's doing
    /// alone. Presses, keys, scrolling, the address bar, the history and tabs count; a pointer that moves does not.
    fn touched(&mut self) -> bool {
        false
    }

    /// What an action would hit: what is under its first point, or what has the focus if it goes to the
    /// keyboard. `None` for actions that hit nothing (waiting, looking, navigating).
    fn target(&mut self, action: &Action) -> Result<Option<Target>, ScreenError>;

    /// What stands under a point, in frame pixels: for an action's other points (where a drag ends).
    fn target_at(&mut self, at: Point) -> Result<Option<Target>, ScreenError>;

    /// Carries an approved action out. If what stands there is no longer what was approved, it is
    /// [`ScreenError::TargetChanged`] and the input is withheld.
    fn perform(&mut self, action: Approved<Action>) -> Result<Effect, ScreenError>;

    /// Waits until the screen is quiet, within an upper bound.
    fn settle(&mut self) -> Result<(), ScreenError>;

    /// Ends the screen and everything started for it. Dropping it does the same.
    fn close(&mut self);
}

/// Text of one origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// Whose it is.
    pub origin: String,
    /// Its lines: what stands there, and what is only told to assistive technology.
    pub lines: Vec<String>,
}

/// What an action brought about, beside what the next look shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effect {
    /// Plain lines for the model: dialog texts, a new tab, the pointer's position. What they quote is the
    /// page's own text.
    pub notes: Vec<String>,
    /// The magnified region, PNG, if the action was a zoom.
    pub magnified: Option<Arc<[u8]>>,
}
