//! Asking a page what a navigation can keep from being answered.
//!
//! A picture, for one: the view that it was asked of is gone once another document has taken its place, and the
//! browser then says nothing, or that there is no page. Both are answered when asked again.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Cdp, Session, State, Waited};
use crate::ScreenError;

/// Navigations that one question gives way to; a page that never stops going elsewhere is then asked as it is.
const MOST_OVERTAKEN: u32 = 10;

/// Between two documents there is no page for so long.
const BETWEEN: Duration = Duration::from_millis(20);

/// When the answer to a question counts as lost.
pub(in crate::browser) struct Lost<'a> {
    /// The first time without an answer after which it is asked again; each one after it is twice as long.
    pub(in crate::browser) patience: Duration,
    /// The limit of all together.
    pub(in crate::browser) limit: Duration,
    /// The frame whose navigations take the answer away.
    pub(in crate::browser) frame: &'a str,
}

impl Cdp {
    /// Sends a command and waits for its answer, or until `stop`, like [`Cdp::call_until`]; sends it again where
    /// the answer is lost.
    pub(in crate::browser) fn call_again_until(
        &mut self,
        session: &Session,
        method: &str,
        params: &Value,
        lost: &Lost,
        stop: impl Fn(&State) -> bool,
    ) -> Result<Waited, ScreenError> {
        let navigations = |state: &State| state.navigations.get(lost.frame).copied().unwrap_or(0);
        let end = Instant::now() + lost.limit;
        let mut patience = lost.patience;
        let mut overtaken = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let last = left < patience * 2;
            let wait = if last { left } else { patience };
            let before = navigations(&self.state);
            let gone = |state: &State| overtaken < MOST_OVERTAKEN && navigations(state) != before;
            let waited = self.call_until(session, method, params, wait, |state| stop(state) || gone(state));
            match waited {
                Ok(Waited::Stopped) if !stop(&self.state) => overtaken += 1,
                Err(ScreenError::Hanging { during, .. }) if last => {
                    let limit = lost.limit;
                    return Err(ScreenError::Hanging { during, limit });
                }
                Err(ScreenError::Hanging { .. }) => patience *= 2,
                Err(ScreenError::Protocol { message, .. }) if !last && message.contains("active page") => {
                    self.pump(BETWEEN, method, &stop)?;
                }
                waited => return waited,
            }
        }
    }
}
