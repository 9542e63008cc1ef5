//! Which processor a thread of the pool sits on, when other programs want some of them too.
//!
//! A system that shares two processors among our two threads and a busy program runs a thread for 4 ms
//! and puts it aside for 4 to 8 ms. A loop of 100 µs then waits for milliseconds until the thread that
//! holds its last piece comes back, or until its caller does: that is how a step falls to a tenth of its speed.
//! So whoever waits gives its own processor to the one it waits for:
//!
//! - [`Steering::bring`]: the caller moves workers that hold a piece and do not run to its own processor and
//!   yields; they finish there within microseconds.
//! - [`Steering::leave`]: a worker that finds itself on the caller's processor at the start of a loop moves away.
//! - [`Steering::change_places`]: a worker that has waited long, while the caller does not run, puts the caller on
//!   its own processor and takes the caller's, where the busy program is.
//!
//! All three change a thread's set of allowed processors and restore it at once: a thread in a queue is moved by
//! that, and stays free. Nothing here changes a share of time. Only Linux can do this; elsewhere it does nothing.

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) use linux::{Seat, Steering};
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) use nowhere::{Seat, Steering};

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod linux {
    use std::cell::Cell;
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

    /// A thread and the processor that it was last seen on; -1 before.
    pub(crate) struct Seat {
        thread: AtomicI32,
        processor: AtomicI32,
    }

    thread_local! {
        static THREAD: Cell<i32> = const { Cell::new(0) };
    }

    impl Seat {
        pub(crate) fn new() -> Self {
            Self {
                thread: AtomicI32::new(0),
                processor: AtomicI32::new(-1),
            }
        }

        /// The calling thread sits here now.
        pub(crate) fn take(&self) {
            let thread = THREAD.get();
            let thread = if thread == 0 {
                let thread = gettid().as_raw_nonzero().get();
                THREAD.set(thread);
                thread
            } else {
                thread
            };
            self.thread.store(thread, Ordering::Relaxed);
            self.processor.store(processor(), Ordering::Relaxed);
        }

        /// Processor time that the thread has used, in nanoseconds; 0 when nobody sits here.
        pub(crate) fn time_used(&self) -> u64 {
            const PER_THREAD_SCHEDULED: c_int = 6;
            let mut time = [0_i64; 2];
            let clock = (!self.thread.load(Ordering::Relaxed) << 3) | PER_THREAD_SCHEDULED;
            // SAFETY: a `timespec` of a 64-bit Linux is two 64-bit words; an unknown clock is an error.
            let failed = unsafe { clock_gettime(clock, &raw mut time) } != 0;
            if failed {
                0
            } else {
                time[0] as u64 * 1_000_000_000 + time[1] as u64
            }
        }
    }

    /// Moves threads, one at a time, since a thread's set of processors is read, changed and restored.
    pub(crate) struct Steering {
        useful: bool,
        moving: AtomicBool,
    }

    impl Steering {
        /// For `threads` threads. More threads than processors are left alone: each would push the others.
        pub(crate) fn new(threads: usize) -> Self {
            let processors = sched_getaffinity(None).map_or(0, |set| set.count() as usize);
            Self {
                useful: threads > 1 && threads <= processors,
                moving: AtomicBool::new(false),
            }
        }

        pub(crate) fn is_useful(&self) -> bool {
            self.useful
        }

        /// Moves the thread of `seat` to the calling thread's processor, into its queue.
        pub(crate) fn bring(&self, seat: &Seat) {
            let (Some(thread), Ok(here)) = (pid(seat), usize::try_from(processor())) else {
                return;
            };
            self.alone(|| put(Some(thread), here));
        }

        /// The calling thread moves to another processor if it is on the one of `other`.
        pub(crate) fn leave(&self, other: &Seat) {
            let here = processor();
            if here < 0 || here != other.processor.load(Ordering::Relaxed) {
                return;
            }
            self.alone(|| {
                let allowed = sched_getaffinity(None).ok()?;
                let mut elsewhere = allowed;
                elsewhere.unset(usize::try_from(here).ok().filter(|&at| at < CpuSet::MAX_CPU)?);
                (elsewhere.count() > 0).then_some(())?;
                sched_setaffinity(None, &elsewhere).ok()?;
                sched_setaffinity(None, &allowed).ok()
            });
        }

        /// The thread of `other` comes to the calling thread's processor, which goes to the one of `other`.
        pub(crate) fn change_places(&self, other: &Seat) {
            let (Some(thread), Ok(here)) = (pid(other), usize::try_from(processor())) else {
                return;
            };
            let Ok(there) = usize::try_from(other.processor.load(Ordering::Relaxed)) else {
                return;
            };
            if here != there {
                self.alone(|| put(Some(thread), here).and_then(|()| put(None, there)));
            }
        }

        fn alone(&self, change: impl FnOnce() -> Option<()>) {
            if self.useful && !self.moving.swap(true, Ordering::Acquire) {
                // Without the right to move a thread it stays where it is.
                let _ = change();
                self.moving.store(false, Ordering::Release);
            }
        }
    }

    /// Moves a thread (the calling one when `None`) to a processor that is allowed to it.
    fn put(thread: Option<Pid>, processor: usize) -> Option<()> {
        let allowed = sched_getaffinity(thread).ok()?;
        (processor < CpuSet::MAX_CPU && allowed.is_set(processor)).then_some(())?;
        let mut only = CpuSet::new();
        only.set(processor);
        sched_setaffinity(thread, &only).ok()?;
        sched_setaffinity(thread, &allowed).ok()
    }

    fn pid(seat: &Seat) -> Option<Pid> {
        Pid::from_raw(seat.thread.load(Ordering::Relaxed))
    }

    /// The calling thread's processor; -1 when the system does not say.
    fn processor() -> i32 {
        // SAFETY: it takes nothing and reads only what belongs to the thread.
        unsafe { sched_getcpu() }
    }

    unsafe extern "C" {
        fn sched_getcpu() -> c_int;
        fn clock_gettime(clock: c_int, time: *mut [i64; 2]) -> c_int;
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn moving_leaves_every_processor_allowed() {
            let allowed = || sched_getaffinity(None).unwrap();
            let before = allowed();
            let (steering, seat) = (Steering::new(2), Seat::new());
            seat.take();
            assert!(seat.time_used() > 0);
            steering.leave(&seat);
            assert_eq!(allowed(), before);
            if steering.is_useful() {
                assert_ne!(processor(), -1);
            }
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    steering.bring(&seat);
                    steering.change_places(&seat);
                    assert_eq!(allowed(), before);
                });
            });
            assert_eq!(allowed(), before);
        }

        #[test]
        fn nobody_is_moved_from_an_empty_seat() {
            let (steering, seat) = (Steering::new(2), Seat::new());
            steering.bring(&seat);
            steering.leave(&seat);
            steering.change_places(&seat);
            assert_eq!(seat.processor.load(Ordering::Relaxed), -1);
        }
    }
}

/// Systems whose threads can't be moved, or that need no help.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
#[expect(clippy::unused_self, reason = "those of Linux have a state")]
mod nowhere {
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
