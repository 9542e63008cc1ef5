//! Where a step's time goes.

use std::time::Instant;

use serde::Serialize;

/// Seconds of a step, by what they were spent on. What is left of the step's time is the loop's own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Parts {
    /// The model decided.
    pub model: f64,
    /// What the action would hit was looked up.
    pub target: f64,
    /// The rules judged, on the pixels around the target too.
    pub verdict: f64,
    /// Somebody was asked, or the run was held.
    pub question: f64,
    /// The journal was written, durably.
    pub journal: f64,
    /// The action was carried out.
    pub input: f64,
    /// The page became quiet.
    pub settle: f64,
    /// The screen was looked at.
    pub capture: f64,
}

impl Parts {
    /// Everything but the model, people and the page's own time: what a step costs besides.
    pub fn overhead(&self, step: f64) -> f64 {
        (step - self.model - self.question - self.settle).max(0.0)
    }
}

/// Adds the time since it was made to a part.
pub(super) struct Watch(Instant);

impl Watch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// Adds the time since the start, or since the last call.
    pub(super) fn lap(&mut self, part: &mut f64) {
        let now = Instant::now();
        *part += now.saturating_duration_since(self.0).as_secs_f64();
        self.0 = now;
    }
}
