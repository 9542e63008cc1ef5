//! What the pool takes from the system: threads, atomics, waiting.
//!
//! `tests/pool_loom.rs` compiles `pool.rs` over a twin of this module that is made of `loom`'s types, in
//! which every order of events is tried.

use std::time::{Duration, Instant};

pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::sync::{Arc, Mutex};
pub(crate) use std::thread::{JoinHandle, Thread, park, yield_now};

/// A named thread; `None` when the system refuses one.
pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(work).ok()
}

/// A wait that begins by spinning.
pub(crate) struct Wait {
    spins: u32,
    since: Instant,
}

impl Wait {
    /// Looks between two readings of the clock: about a microsecond.
    const LOOKS: u32 = 16;

    pub(crate) fn start() -> Self {
        Self {
            spins: 0,
            since: Instant::now(),
        }
    }

    /// Spins for an instant. Now and then it returns how long the wait has been.
    pub(crate) fn spin(&mut self) -> Option<Duration> {
        std::hint::spin_loop();
        self.spins = self.spins.wrapping_add(1);
        self.spins
            .is_multiple_of(Self::LOOKS)
            .then(|| self.since.elapsed())
    }
}
