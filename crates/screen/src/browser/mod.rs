//! Chromium, over the Chrome DevTools Protocol on a pipe.

mod options;

use aurore_action::{Action, Frame, Point, Target};
use aurore_policy::Approved;

use crate::{Effect, Screen, ScreenError};

pub use options::BrowserOptions;

/// A browser that was started for this run, with a profile of its own.
pub struct Browser {}

impl Browser {
    /// Starts a browser on an empty page.
    pub fn launch(_options: BrowserOptions) -> Result<Self, ScreenError> {
        Err(ScreenError::Closed)
    }

    /// What the person should know about how the browser runs.
    pub fn warnings(&self) -> &[String] {
        &[]
    }

    /// Opens an address without a verdict: for tests, evaluation and a run's first page. Actions of a model
    /// go through [`Screen::perform`].
    pub fn open(&mut self, _url: &str) -> Result<(), ScreenError> {
        Err(ScreenError::Closed)
    }

    /// Runs a script in the page and gives its value (a promise is awaited): the door for tests and
    /// evaluation, never for a model.
    pub fn evaluate(&mut self, _script: &str) -> Result<serde_json::Value, ScreenError> {
        Err(ScreenError::Closed)
    }
}

impl Screen for Browser {
    fn look(&mut self) -> Result<Frame, ScreenError> {
        Err(ScreenError::Closed)
    }

    fn target(&mut self, _action: &Action) -> Result<Option<Target>, ScreenError> {
        Err(ScreenError::Closed)
    }

    fn target_at(&mut self, _at: Point) -> Result<Option<Target>, ScreenError> {
        Err(ScreenError::Closed)
    }

    fn perform(&mut self, _action: Approved<Action>) -> Result<Effect, ScreenError> {
        Err(ScreenError::Closed)
    }

    fn settle(&mut self) -> Result<(), ScreenError> {
        Err(ScreenError::Closed)
    }

    fn close(&mut self) {}
}
