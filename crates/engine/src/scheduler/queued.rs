//! A request on its way to the thread that computes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::worker::Waiting;
use super::{Event, Shared};
use crate::EngineError;

/// A request that was sent. If the thread ends before it takes it, whoever asked is told so, at whatever moment that is.
pub(super) struct Queued {
    waiting: Option<Waiting>,
    shared: Arc<Shared>,
}

impl Queued {
    pub(super) fn new(waiting: Waiting, shared: &Arc<Shared>) -> Self {
        Self {
            waiting: Some(waiting),
            shared: Arc::clone(shared),
        }
    }

    /// The request; it is no longer this one's matter.
    pub(super) fn take(mut self) -> Option<Waiting> {
        self.waiting.take()
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(mut waiting) = self.waiting.take() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            waiting
                .listener
                .hear(Event::Failed(self.shared.why_nobody_takes_it()));
        }
    }
}

impl Shared {
    /// Why a request finds nobody who takes it.
    pub(super) fn why_nobody_takes_it(&self) -> EngineError {
        if self.draining.load(Ordering::Relaxed) {
            EngineError::Draining
        } else {
            EngineError::Gone
        }
    }
}
