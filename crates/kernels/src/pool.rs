//! A small thread pool for many short parallel loops.
//!
//! Threads claim indices from both ends of a loop, so it narrows to the threads that run, and a thread that comes
//! from one end meets in the next loop what it left in its caches in the last one. A thread that
//! the system has put aside beside a busy program holds up the others by the piece it has in hand: whoever waits
//! for it then lends it its own processor (`steer.rs`). Idle workers spin for some microseconds and then
//! park. A loop allocates nothing. Which thread computes an index never changes what is computed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::steer::{Seat, Steering};
use crate::sync::{
    Arc, AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, JoinHandle, Mutex, Ordering, Thread, Wait, fence,
    park, spawn, yield_now,
};

/// How long an idle worker looks for work before it parks: longer than the pauses inside a step.
const PARK_AFTER: Duration = Duration::from_micros(250);
/// How long the caller waits for the last pieces before it asks whether their threads run.
const ASK_WORKERS_AFTER: Duration = Duration::from_micros(40);
/// How long a worker waits for the next loop before it asks whether the caller runs.
const ASK_CALLER_AFTER: Duration = Duration::from_micros(100);
/// A thread whose processor time stands still for so long does not run.
const STANDSTILL: Duration = Duration::from_micros(10);

/// Worker threads that wait for parallel loops.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<(Thread, Option<JoinHandle<()>>)>,
    /// Held by the caller whose loop runs; others compute alone meanwhile.
    turn: Mutex<()>,
}

type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// Units of a loop at most.
const MOST: usize = u16::MAX as usize;

/// The end from which a thread claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Front,
    Back,
}

thread_local! {
    static END: Cell<End> = const { Cell::new(End::Front) };
}

impl End {
    /// That of a worker. The caller's is the front.
    fn of(worker: usize) -> Self {
        if worker % 2 == 1 { Self::Back } else { Self::Front }
    }

    /// The calling thread's.
    pub(crate) fn here() -> Self {
        END.get()
    }
}

/// A loop's number, its first unclaimed unit and the one after the last.
fn unpack(claim: u64) -> (u64, usize, usize) {
    (
        claim >> 32,
        (claim >> 16 & 0xffff) as usize,
        (claim & 0xffff) as usize,
    )
}

/// Written by all threads, and read by all: alone in its cache lines.
#[repr(align(128))]
struct Alone<T>(T);

struct Shared {
    /// The loop's number in the upper half; in the lower half its first unclaimed unit and the one after the last.
    claim: Alone<AtomicU64>,
    /// Units whose work has ended.
    done: Alone<AtomicUsize>,
    /// Number of indices of the loop.
    count: AtomicUsize,
    /// Indices that are claimed together.
    unit: AtomicUsize,
    /// Points to the caller's `Task`, valid while indices are claimed and not done.
    task: AtomicPtr<()>,
    /// A task panicked on a worker.
    panicked: AtomicBool,
    stop: AtomicBool,
    steering: Steering,
    caller: Seat,
    workers: Vec<Worker>,
}

/// What others see of a worker.
struct Worker {
    /// It sleeps, or is about to, until it is woken.
    parked: AtomicBool,
    /// It may hold an index.
    busy: AtomicBool,
    seat: Seat,
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
        let worker = || Worker {
            parked: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            seat: Seat::new(),
        };
        let shared = Arc::new(Shared {
            claim: Alone(AtomicU64::new(0)),
            done: Alone(AtomicUsize::new(0)),
            count: AtomicUsize::new(0),
            unit: AtomicUsize::new(1),
            task: AtomicPtr::new(std::ptr::null_mut()),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            steering: Steering::new(threads),
            caller: Seat::new(),
            workers: (1..threads).map(|_| worker()).collect(),
        });
        let workers = (1..threads)
            .filter_map(|number| {
                let shared = Arc::clone(&shared);
                let work = move || shared.work(&shared.workers[number - 1], End::of(number));
                let handle = spawn(format!("kernels-{number}"), work)?;
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
        use std::sync::TryLockError;
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

    /// Time from the start of a loop to its end when every thread takes one index and does nothing with
    /// it: the median of a thousand loops. It says little while other programs want the processors.
    pub fn dispatch_cost(&self) -> Duration {
        let threads = self.threads();
        let mut times: Vec<Duration> = (0..1000)
            .map(|_| {
                let arrived = std::sync::atomic::AtomicUsize::new(0);
                let start = Instant::now();
                self.run(threads, |_| {
                    // Who has an index waits until the others have theirs, so that nobody takes two.
                    arrived.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    while arrived.load(std::sync::atomic::Ordering::Relaxed) < threads
                        && start.elapsed() < Duration::from_millis(1)
                    {
                        std::hint::spin_loop();
                    }
                });
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    }

    fn run_on_all(&self, count: usize, task: Task<'_>) {
        let shared = &*self.shared;
        let number = ((shared.claim.0.load(Ordering::Relaxed) >> 32) + 1) & 0xffff_ffff;
        let unit = count.div_ceil(MOST);
        let units = count.div_ceil(unit);
        // The last loop is over, so nobody can claim, and only who has claimed reads these.
        shared.done.0.store(0, Ordering::Relaxed);
        shared.count.store(count, Ordering::Relaxed);
        shared.unit.store(unit, Ordering::Relaxed);
        shared
            .task
            .store((&raw const task).cast_mut().cast(), Ordering::Relaxed);
        shared.caller.take();
        shared
            .claim
            .0
            .store((number << 32) | units as u64, Ordering::Release);
        // Either the worker sees the new number after it said that it parks, or we see that it said so.
        fence(Ordering::SeqCst);
        for ((thread, _), worker) in self.workers.iter().zip(&shared.workers).take(units - 1) {
            if worker.parked.load(Ordering::Relaxed) && worker.parked.swap(false, Ordering::Relaxed) {
                thread.unpark();
            }
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| shared.help(number, End::Front)));
        if outcome.is_err() {
            // The index that panicked is over; nobody may claim what is left, since `task` goes.
            let claim = shared.claim.0.swap(number << 32, Ordering::AcqRel);
            let (_, front, back) = unpack(claim);
            shared.done.0.fetch_add(back - front + 1, Ordering::AcqRel);
        }
        shared.wait_for_workers(units);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        if shared.panicked.load(Ordering::Acquire) && shared.panicked.swap(false, Ordering::AcqRel) {
            resume_unwind(Box::new("a task panicked on a worker thread"));
        }
    }
}

impl Shared {
    /// Returns when all units are done. A worker that has one and does not run is brought here.
    fn wait_for_workers(&self, units: usize) {
        let done = || self.done.0.load(Ordering::Acquire) >= units;
        if done() {
            return;
        }
        let mut wait = Wait::start();
        let mut ask_at = ASK_WORKERS_AFTER;
        let mut lend = !self.steering.is_useful();
        while !done() {
            let Some(waited) = wait.spin() else { continue };
            if waited >= ask_at && self.steering.is_useful() {
                for worker in &self.workers {
                    if worker.busy.load(Ordering::Relaxed) && stands_still(&worker.seat, done) {
                        self.steering.bring(&worker.seat);
                        lend = true;
                    }
                }
                ask_at = waited + ASK_WORKERS_AFTER;
            }
            if lend && waited >= ASK_WORKERS_AFTER {
                yield_now();
            }
        }
    }

    fn work(&self, worker: &Worker, end: End) {
        END.set(end);
        worker.seat.take();
        let mut seen = 0;
        let mut wait = Wait::start();
        let mut asked = false;
        while !self.stop.load(Ordering::Acquire) {
            let number = self.claim.0.load(Ordering::Acquire) >> 32;
            if number != seen {
                seen = number;
                self.steering.leave(&self.caller);
                worker.busy.store(true, Ordering::Relaxed);
                while catch_unwind(AssertUnwindSafe(|| self.help(seen, end))).is_err() {
                    self.panicked.store(true, Ordering::Release);
                    self.done.0.fetch_add(1, Ordering::AcqRel);
                }
                worker.busy.store(false, Ordering::Relaxed);
                (wait, asked) = (Wait::start(), false);
                continue;
            }
            let Some(waited) = wait.spin() else { continue };
            if !asked && waited >= ASK_CALLER_AFTER && self.steering.is_useful() {
                asked = true;
                let next = || self.claim.0.load(Ordering::Relaxed) >> 32 != seen;
                if stands_still(&self.caller, next) {
                    self.steering.change_places(&self.caller);
                }
            }
            if waited < PARK_AFTER {
                continue;
            }
            worker.parked.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if self.claim.0.load(Ordering::Relaxed) >> 32 == seen && !self.stop.load(Ordering::Relaxed) {
                park();
            }
            worker.parked.store(false, Ordering::Relaxed);
            wait = Wait::start();
        }
    }

    /// Claims units of loop `number` from one end, one at a time, until none is left.
    ///
    /// A thread that comes late may hold the number of a loop that has ended: its claim then fails,
    /// because the counter has another number or nothing left. A claim that succeeds shows that the loop was
    /// not over when `count`, `unit` and `task` were read, so they are the ones stored before it.
    fn help(&self, number: u64, end: End) {
        loop {
            let claim = self.claim.0.load(Ordering::Acquire);
            let (of, front, back) = unpack(claim);
            if of != number || front >= back {
                return;
            }
            let count = self.count.load(Ordering::Relaxed);
            let unit = self.unit.load(Ordering::Relaxed);
            let task = self.task.load(Ordering::Relaxed);
            let (place, left) = match end {
                End::Front => (front, claim + (1 << 16)),
                End::Back => (back - 1, claim - 1),
            };
            let claimed =
                self.claim
                    .0
                    .compare_exchange_weak(claim, left, Ordering::AcqRel, Ordering::Relaxed);
            if claimed.is_ok() {
                // SAFETY: the claim shows that the caller still waits in `run_on_all`, where `task` lives.
                let task = unsafe { *task.cast::<Task<'_>>() };
                (place * unit..count.min((place + 1) * unit)).for_each(task);
                self.done.0.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

/// Whether the thread of `seat` uses no processor time for a while, or `over` comes true meanwhile.
fn stands_still(seat: &Seat, over: impl Fn() -> bool) -> bool {
    let before = seat.time_used();
    let start = Instant::now();
    while start.elapsed() < STANDSTILL {
        if over() {
            return false;
        }
        std::hint::spin_loop();
    }
    seat.time_used() == before
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
