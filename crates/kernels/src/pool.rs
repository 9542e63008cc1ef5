//! A small thread pool for many short parallel loops.
//!
//! Threads claim indices from a shared counter, so a thread that the system has put aside never
//! holds up the others beyond the one piece it has in hand: beside a busy browser the loop narrows
//! to the threads that run. Idle workers spin for some microseconds and then park. A loop allocates
//! nothing. Which thread computes an index never changes what is computed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::{JoinHandle, Thread};

/// How often an idle worker looks for work before it parks: about 50 µs.
const SPINS: u32 = 4_000;
/// How often the caller looks for the last pieces before it yields its processor.
const CALLER_SPINS: u32 = 2_000;

/// Not a loop's number, which has 32 bits.
const NO_LOOP: u64 = u64::MAX;

/// Worker threads that wait for parallel loops.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<(Thread, Option<JoinHandle<()>>)>,
    /// Held by the caller whose loop runs; others compute alone meanwhile.
    turn: Mutex<()>,
}

type Task<'a> = &'a (dyn Fn(usize) + Sync);

struct Shared {
    /// Loop number in the upper half, next index in the lower half.
    claim: AtomicU64,
    /// Number of indices of the current loop.
    count: AtomicUsize,
    /// Points to the caller's `Task`, valid while indices are claimed and not done.
    task: AtomicPtr<()>,
    /// Indices whose work has ended.
    done: AtomicUsize,
    /// A task panicked on a worker.
    panicked: AtomicBool,
    stop: AtomicBool,
    parked: Vec<AtomicBool>,
}

impl Pool {
    /// A pool in which `threads` threads compute, the caller's included; 0 means one per available
    /// processor. A thread that the system refuses is done without.
    pub fn new(threads: usize) -> Self {
        let threads = if threads == 0 {
            std::thread::available_parallelism().map_or(1, usize::from)
        } else {
            threads.min(1024)
        };
        let shared = Arc::new(Shared {
            claim: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            task: AtomicPtr::new(std::ptr::null_mut()),
            done: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            parked: (1..threads).map(|_| AtomicBool::new(false)).collect(),
        });
        let workers = (1..threads)
            .filter_map(|number| {
                let shared = Arc::clone(&shared);
                let name = format!("kernels-{number}");
                let work = move || shared.work(number - 1);
                let handle = std::thread::Builder::new().name(name).spawn(work).ok()?;
                Some((handle.thread().clone(), Some(handle)))
            })
            .collect();
        Self {
            shared,
            workers,
            turn: Mutex::new(()),
        }
    }

    /// Threads that compute, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task` once with each index below `count`, on all threads, and returns when all calls
    /// have. Called from inside a task, or while another thread's loop runs, it computes alone.
    pub fn run(&self, count: usize, task: impl Fn(usize) + Sync) {
        if count <= 1 || self.workers.is_empty() || u32::try_from(count).is_err() {
            return (0..count).for_each(task);
        }
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return (0..count).for_each(task),
        };
        self.run_on_all(count, &task);
    }

    /// Cuts `data` into pieces of `size` elements (the last may be shorter) and gives each to `task`
    /// with its number.
    pub fn pieces<T: Send>(&self, data: &mut [T], size: usize, task: impl Fn(usize, &mut [T]) + Sync) {
        let (len, size) = (data.len(), size.max(1));
        let data = Share(data.as_mut_ptr());
        self.run(len.div_ceil(size), |index| {
            let start = index * size;
            // SAFETY: the pieces lie inside `data` and do not overlap, since each index comes once.
            let piece =
                unsafe { std::slice::from_raw_parts_mut(data.get().add(start), size.min(len - start)) };
            task(index, piece);
        });
    }

    fn run_on_all(&self, count: usize, task: Task<'_>) {
        let shared = &*self.shared;
        let number = ((shared.claim.load(Ordering::Relaxed) >> 32) + 1) & 0xffff_ffff;
        shared.done.store(0, Ordering::Relaxed);
        shared.count.store(count, Ordering::Relaxed);
        shared
            .task
            .store((&raw const task).cast_mut().cast(), Ordering::Relaxed);
        shared.claim.store(number << 32, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        for ((thread, _), parked) in self.workers.iter().zip(&shared.parked) {
            if parked.load(Ordering::Relaxed) && parked.swap(false, Ordering::SeqCst) {
                thread.unpark();
            }
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| shared.claim_all(number << 32)));
        if outcome.is_err() {
            // The index that panicked is over; nobody may claim what is left, since `task` goes.
            shared.done.fetch_add(1, Ordering::AcqRel);
            let claimed = shared.claim.swap((number << 32) | count as u64, Ordering::AcqRel);
            let unclaimed = count.saturating_sub((claimed & 0xffff_ffff) as usize);
            shared.done.fetch_add(unclaimed, Ordering::AcqRel);
        }
        let mut spins = 0;
        while shared.done.load(Ordering::Acquire) < count {
            spins += 1;
            if spins < CALLER_SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        if shared.panicked.swap(false, Ordering::AcqRel) {
            resume_unwind(Box::new("a task panicked on a worker thread"));
        }
    }
}

impl Shared {
    fn work(&self, number: usize) {
        let mut seen = NO_LOOP;
        let mut spins = 0;
        while !self.stop.load(Ordering::Acquire) {
            let claim = self.claim.load(Ordering::Acquire);
            if claim >> 32 != seen {
                seen = claim >> 32;
                spins = 0;
                if catch_unwind(AssertUnwindSafe(|| self.claim_all(seen << 32))).is_err() {
                    self.panicked.store(true, Ordering::Release);
                    self.done.fetch_add(1, Ordering::AcqRel);
                    seen = NO_LOOP;
                }
                continue;
            }
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            self.parked[number].store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if self.claim.load(Ordering::SeqCst) >> 32 == seen && !self.stop.load(Ordering::SeqCst) {
                std::thread::park();
            }
            self.parked[number].store(false, Ordering::SeqCst);
            spins = 0;
        }
    }

    /// Claims indices of the loop that `start` numbers, one at a time, until none is left.
    ///
    /// A thread that comes late may hold the number of a loop that has ended: its claim then fails,
    /// because the number in the counter is another or its indices are used up. When a claim
    /// succeeds, the loop is not over, so `count` and `task` are still the ones stored before it.
    fn claim_all(&self, start: u64) {
        loop {
            let claim = self.claim.load(Ordering::Acquire);
            let count = self.count.load(Ordering::Relaxed);
            let task = self.task.load(Ordering::Relaxed);
            let index = (claim & 0xffff_ffff) as usize;
            if claim & !0xffff_ffff != start || index >= count {
                return;
            }
            if self
                .claim
                .compare_exchange(claim, claim + 1, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                // SAFETY: the claim shows that the caller still waits in `run_on_all`, where `task` lives.
                let task = unsafe { *task.cast::<Task<'_>>() };
                task(index);
                self.done.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for (thread, handle) in &mut self.workers {
            thread.unpark();
            if let Some(handle) = handle.take() {
                let _ = handle.join();
            }
        }
    }
}

/// A pointer that tasks on several threads may hold; they use disjoint parts of what it points to.
pub(crate) struct Share<T>(pub(crate) *mut T);

// SAFETY: whoever makes a `Share` gives each task its own part.
unsafe impl<T: Send> Sync for Share<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Share<T> {}

impl<T> Share<T> {
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

impl<T> Clone for Share<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Share<T> {}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
