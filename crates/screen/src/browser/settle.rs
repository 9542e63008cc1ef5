//! Waiting until a page is quiet: no load under way, nothing changing, nothing moving.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Browser;
use super::world::Argument;
use crate::ScreenError;

/// Nothing has changed for so long: the page is quiet.
const STILL: Duration = Duration::from_millis(50);

/// Rounds that a page may interrupt by going elsewhere, so that one that reloads forever ends too.
const ROUNDS: u32 = 50;

impl Browser {
    /// Waits until the page in front is quiet, or the limit is over. A dialog ends it: the page is blocked.
    pub(super) fn wait_until_quiet(&mut self) -> Result<(), ScreenError> {
        self.restless = false;
        let quiet = self.wait_for_quiet()?;
        self.restless = !quiet;
        Ok(())
    }

    /// Whether it became quiet; a page that cannot answer counts as such.
    fn wait_for_quiet(&mut self) -> Result<bool, ScreenError> {
        let end = Instant::now() + self.options.settle_limit;
        for _ in 0..ROUNDS {
            self.cdp.catch_up("waiting for the page")?;
            self.follow_new_tab();
            let page = self.current()?;
            let left = end.saturating_duration_since(Instant::now());
            if self.cdp.state.cannot_answer(&page.session) {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
            let begun = self.begun(&page.target);
            self.cdp.pump(left, "waiting for the page", |state| {
                !state.loading.contains(&page.target)
                    || state.cannot_answer(&page.session)
                    || state.crashed.contains(&page.session)
            })?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let still = match self.still(&page.session, &page.target, left) {
                Ok(still) => still,
                // The document went away meanwhile.
                Err(ScreenError::Protocol { .. } | ScreenError::Answer { .. }) => {
                    self.cdp
                        .pump(Duration::from_millis(10), "waiting for the page", |_| false)?;
                    continue;
                }
                Err(ScreenError::DialogOpen { .. }) => return Ok(true),
                Err(ScreenError::Hanging { .. }) => return Ok(false),
                Err(error) => return Err(error),
            };
            let moving = self.cdp.state.loading.contains(&page.target) || self.front != page.target;
            if !moving && begun == self.begun(&page.target) {
                return Ok(still);
            }
        }
        Ok(false)
    }

    fn begun(&self, frame: &str) -> u64 {
        self.cdp.state.navigations.get(frame).copied().unwrap_or(0)
    }

    fn still(
        &mut self,
        session: &std::sync::Arc<str>,
        frame: &str,
        left: Duration,
    ) -> Result<bool, ScreenError> {
        let world = self.world(session, frame)?;
        let arguments = [
            Argument::Value(json!(STILL.as_millis() as u64)),
            Argument::Value(json!(left.as_millis() as u64)),
        ];
        self.value_within(
            &world,
            "(still, limit) => aurore.quiet(still, limit)",
            &arguments,
            left + Duration::from_millis(500),
        )
    }
}
