//! Threads that read experts from their file, each into a place of its own.
//!
//! A place goes to a thread with the order to read and comes back with what it holds, so nobody can look at
//! half an expert. The threads wait in the system for the disk and use next to no processor time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use aurore_checkpoint::{CheckpointError, StoredMatrix};
use aurore_kernels::Matrix;

use crate::ModelError;

/// Reads under way at once: as many as it takes for a disk to give all that it has.
const THREADS: usize = 4;

/// An expert's matrices, in memory.
pub(super) struct Place {
    /// `[2 · intermediate, hidden]`
    pub(super) gate_up: Matrix,
    /// `[hidden, intermediate]`
    pub(super) down: Matrix,
}

/// An expert's matrices, in the file.
pub(super) type Stored = [StoredMatrix; 2];

/// A place that was filled, or not.
pub(super) struct Arrival {
    pub(super) expert: usize,
    pub(super) place: Place,
    pub(super) outcome: Result<(), CheckpointError>,
}

/// The threads.
pub(super) struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stored: Vec<Stored>,
    desk: Mutex<Desk>,
    ordered: Condvar,
    arrived: Condvar,
}

struct Desk {
    orders: VecDeque<(usize, Place)>,
    arrivals: VecDeque<Arrival>,
    /// Orders that nobody has had the arrival of.
    open: usize,
    stop: bool,
}

impl Readers {
    /// Threads that read of these experts up to `most` at once.
    ///
    /// # Errors
    /// When the system refuses them all.
    pub(super) fn new(stored: Vec<Stored>, most: usize) -> Result<Self, ModelError> {
        let shared = Arc::new(Shared {
            stored,
            desk: Mutex::new(Desk {
                orders: VecDeque::with_capacity(most),
                arrivals: VecDeque::with_capacity(most),
                open: 0,
                stop: false,
            }),
            ordered: Condvar::new(),
            arrived: Condvar::new(),
        });
        let mut threads = Vec::new();
        for number in 1..=THREADS.min(most) {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("experts-{number}"));
            match thread.spawn(move || shared.work()) {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => return Err(ModelError::Threads(error)),
                Err(_) => break,
            }
        }
        Ok(Self { shared, threads })
    }

    /// Has an expert read into a place.
    pub(super) fn order(&self, expert: usize, place: Place) {
        let mut desk = self.shared.desk();
        desk.orders.push_back((expert, place));
        desk.open += 1;
        drop(desk);
        self.shared.ordered.notify_one();
    }

    /// The next place that comes back, if one has.
    pub(super) fn try_next(&self) -> Option<Arrival> {
        self.shared.desk().arrival()
    }

    /// The next place that comes back; `None` when there is no order.
    pub(super) fn next(&self) -> Option<Arrival> {
        let mut desk = self.shared.desk();
        while desk.open > 0 && desk.arrivals.is_empty() {
            desk = wait(&self.shared.arrived, desk);
        }
        desk.arrival()
    }
}

impl Desk {
    fn arrival(&mut self) -> Option<Arrival> {
        let arrival = self.arrivals.pop_front()?;
        self.open -= 1;
        Some(arrival)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.desk().stop = true;
        self.shared.ordered.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked is over as well.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut desk = self.desk();
        while !desk.stop {
            let Some((expert, mut place)) = desk.orders.pop_front() else {
                desk = wait(&self.ordered, desk);
                continue;
            };
            drop(desk);
            let outcome = read(&self.stored[expert], &mut place);
            desk = self.desk();
            desk.arrivals.push_back(Arrival {
                expert,
                place,
                outcome,
            });
            self.arrived.notify_one();
        }
    }
}

fn wait<'a>(condition: &Condvar, desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
    condition.wait(desk).unwrap_or_else(PoisonError::into_inner)
}

fn read([gate_up, down]: &Stored, place: &mut Place) -> Result<(), CheckpointError> {
    // Places are slots; what is none has no room, which `read` says.
    gate_up.read(place.gate_up.slot().unwrap_or_default())?;
    down.read(place.down.slot().unwrap_or_default())
}
