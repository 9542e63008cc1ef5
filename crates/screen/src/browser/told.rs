//! What a page says of itself at each look: for experts that know one page, beside its picture. Never shown to a model.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::Browser;

/// A script that is run at each look, and what it said last. Shared with whoever decides.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    script: String,
    answer: Option<Value>,
    covered: Vec<[f64; 4]>,
}

impl Told {
    /// What the script said at the last look; nothing if it failed, or has not been run.
    pub fn answer(&self) -> Option<Value> {
        self.lock().answer.clone()
    }

    /// What was hidden in the picture of the last look: left, top, width, height, in CSS pixels.
    pub fn covered(&self) -> Vec<[f64; 4]> {
        self.lock().covered.clone()
    }

    /// Another script from the next look on.
    pub fn ask(&self, script: String) {
        self.lock().script = script;
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Browser {
    /// From now on each look at the screen runs a script in the page too. The last call counts.
    pub fn keep_told(&mut self, script: String) -> Told {
        let told = Told::default();
        told.ask(script);
        self.told = Some(told.clone());
        told
    }

    /// Runs the kept script, if there is one. A page that cannot be asked says nothing.
    pub(super) fn refresh_told(&mut self) {
        let Some(told) = self.told.clone() else { return };
        let script = told.lock().script.clone();
        let answer = self
            .evaluate(&script)
            .inspect_err(|error| tracing::debug!(%error, "the page says nothing"));
        // A page that says nothing of what is hidden is not asked for what it shows either.
        let covered = self.patches().ok();
        let mut asked = told.lock();
        asked.answer = answer
            .ok()
            .filter(|answer| !answer.is_null() && covered.is_some());
        asked.covered = covered.unwrap_or_default();
    }
}
