//! The pool over `loom`'s threads and atomics: every order of events, up to some preemptions.
//!
//! `pool.rs` is compiled here a second time, with this file's `sync` and `steer` in place of the crate's.

#[path = "../src/pool.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the pool is the crate's; here only its loops are of interest"
)]
mod pool;

#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the crate's have a state, and look at the clock now and then"
)]
mod sync {
    use std::time::Duration;

    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::sync::{Arc, Mutex};
    pub(crate) use loom::thread::{JoinHandle, Thread, park, yield_now};

    pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
        loom::thread::Builder::new().name(name).spawn(work).ok()
    }

    /// Every look is the last one before something is done about it.
    pub(crate) struct Wait;

    impl Wait {
        pub(crate) fn start() -> Self {
            Self
        }

        pub(crate) fn spin(&mut self) -> Option<Duration> {
            Some(Duration::from_secs(1))
        }
    }
}

/// Where a thread sits changes nothing in what the pool does.
#[expect(clippy::unused_self, reason = "the crate's have a state")]
mod steer {
    pub(crate) struct Seat;

    impl Seat {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn take(&self) {}

        pub(crate) fn time_used(&self) -> u64 {
            0
        }
    }

    pub(crate) struct Steering;

    impl Steering {
        pub(crate) fn new(_threads: usize) -> Self {
            Self
        }

        pub(crate) fn is_useful(&self) -> bool {
            false
        }

        pub(crate) fn bring(&self, _seat: &Seat) {}

        pub(crate) fn leave(&self, _other: &Seat) {}

        pub(crate) fn change_places(&self, _other: &Seat) {}
    }
}

use loom::cell::UnsafeCell;

use pool::Pool;

/// A place that one task writes and the caller reads: `loom` fails when nothing orders the two.
struct Place(UnsafeCell<usize>);

// SAFETY: `loom` checks each access.
unsafe impl Sync for Place {}

fn check(threads: usize, loops: &'static [usize], preemptions: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let pool = Pool::new(threads);
        for (number, &count) in loops.iter().enumerate() {
            let places: Vec<Place> = (0..count).map(|_| Place(UnsafeCell::new(0))).collect();
            pool.run(count, |index| {
                // SAFETY: `loom` checks that nobody else is here.
                places[index]
                    .0
                    .with_mut(|place| unsafe { *place += index + number + 1 });
            });
            for (index, place) in places.iter().enumerate() {
                // SAFETY: as above.
                assert_eq!(place.0.with(|place| unsafe { *place }), index + number + 1);
            }
        }
    });
}

#[test]
fn each_index_is_done_once_and_before_the_loop_ends() {
    check(2, &[2], 3);
}

#[test]
fn a_parked_worker_wakes_and_a_late_one_claims_nothing_of_the_next_loop() {
    check(2, &[2, 2], 2);
}

#[test]
fn three_threads_share_a_loop() {
    check(3, &[3], 1);
}
