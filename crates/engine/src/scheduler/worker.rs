//! The thread that computes.

mod passing;
mod restoring;
mod warming;

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use aurore_model::{Logits, Snapshot};

use super::live::Live;
use super::pooling::Pool;
use super::prepared::Prepared;
use super::queued::Queued;
use super::{Event, Limits, Listener, Priority, Shared, Statistics};
use crate::answering::Answering;
use crate::cache::{Cache, Disk};
use crate::{Engine, EngineError, Finish};

/// How long the disk may take at the end, even if nobody has patience.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the front says.
pub(super) enum Command {
    Submit(Box<Queued>),
    Warm(Box<Prepared>),
    Drain(Instant),
    /// What the disk had for the sequence of this number.
    Restored(u64, Option<Snapshot>),
}

/// What is done after, or while, a prompt is read.
pub(super) enum Task {
    /// An answer is written.
    Write(Box<Answering>),
    /// Its rows are pooled.
    Pool(Pool),
}

/// A request that has not begun.
pub(super) struct Waiting {
    pub(super) prepared: Prepared,
    pub(super) task: Task,
    pub(super) reserved: u64,
    pub(super) priority: Priority,
    pub(super) listener: Box<dyn Listener>,
    pub(super) since: Instant,
}

pub(super) struct Worker {
    engine: Engine,
    limits: Limits,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    /// For whoever reads from disk.
    back: Sender<Command>,
    /// The number of the sequence for which the disk is being read, and the last one that was given.
    restoring: Option<u64>,
    restores: u64,
    waiting: VecDeque<Waiting>,
    live: Vec<Live>,
    cache: Option<Cache>,
    /// Prompts to read in idle time, and the one that is being read.
    warm: VecDeque<Prepared>,
    warming: Option<Live>,
    /// When to end whatever has not ended.
    deadline: Option<Instant>,
    logits: Logits,
    statistics: Statistics,
}

impl Worker {
    pub(super) fn new(
        engine: Engine,
        limits: Limits,
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        back: Sender<Command>,
    ) -> Self {
        Self {
            cache: limits
                .cache
                .then(|| Cache::new(engine.model(), limits.disk.as_ref())),
            back,
            restoring: None,
            restores: 0,
            engine,
            limits,
            shared,
            commands,
            waiting: VecDeque::new(),
            live: Vec::new(),
            warm: VecDeque::new(),
            warming: None,
            deadline: None,
            logits: Logits::default(),
            statistics: Statistics::default(),
        }
    }

    pub(super) fn run(mut self) {
        while self.listen() {
            self.admit();
            self.restore();
            if self.live.is_empty() {
                self.warm_a_piece();
            } else if self.live.iter().all(Live::is_restoring) {
                self.wait();
            } else {
                self.set_aside_warming();
                self.pass();
            }
            self.report();
        }
        self.refuse_late();
        if let Some(disk) = self.cache.as_ref().and_then(Cache::disk) {
            let left = self
                .deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            disk.flush(left.unwrap_or_default().max(LAST_WORDS));
        }
        // Writing takes a while, too.
        self.refuse_late();
        // Last, so that the figures that stay are those of all that was written.
        self.report();
    }

    /// Takes what the front says, waiting for it when there is nothing to do. Whether to go on.
    fn listen(&mut self) -> bool {
        loop {
            let has_work = !self.live.is_empty() || !self.waiting.is_empty();
            if let Some(deadline) = self.deadline {
                if !has_work {
                    return false;
                }
                if Instant::now() >= deadline {
                    self.end_all();
                    return false;
                }
            }
            let idle = !has_work && self.warming.is_none() && self.warm.is_empty();
            let command = if idle {
                self.commands.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                self.commands.try_recv()
            };
            match command {
                Ok(command) => self.hear(command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    self.end_all();
                    return false;
                }
            }
        }
    }

    fn hear(&mut self, command: Command) {
        match command {
            Command::Submit(queued) => self.waiting.extend(queued.take()),
            Command::Warm(prepared) => {
                if self.cache.is_some() && self.limits.warm > 0 {
                    if self.warm.len() >= self.limits.warm {
                        self.warm.pop_front();
                    }
                    self.warm.push_back(*prepared);
                }
            }
            Command::Drain(deadline) => {
                self.deadline = Some(deadline);
                self.warm.clear();
                self.warming = None;
            }
            Command::Restored(number, snapshot) => self.restored(number, snapshot),
        }
    }

    fn end_all(&mut self) {
        for live in &mut self.live {
            live.finish(Finish::Shutdown);
        }
        self.retire();
        for mut waiting in std::mem::take(&mut self.waiting) {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            waiting.listener.hear(Event::Failed(EngineError::Draining));
        }
    }

    /// Whoever was sent while it ended is told so now, and not after what else is to be done.
    fn refuse_late(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            drop(command);
        }
    }

    fn reserved(&self) -> u64 {
        let live = self.live.iter().chain(&self.warming);
        live.map(|live| live.reserved).sum()
    }

    /// Begins requests while there is room: the most important first, of equals the one that waited longest. Nobody is
    /// passed over because it needs more memory.
    fn admit(&mut self) {
        let gone = |waiting: &Waiting| waiting.listener.is_gone();
        let before = self.waiting.len();
        self.waiting.retain(|waiting| !gone(waiting));
        let cancelled = before - self.waiting.len();
        self.shared.waiting.fetch_sub(cancelled, Ordering::Relaxed);
        while self.live.len() < self.limits.batch {
            let first = self.waiting.iter().enumerate();
            let first = first.max_by_key(|(place, waiting)| (waiting.priority, std::cmp::Reverse(*place)));
            let Some((place, needed)) = first.map(|(place, waiting)| (place, waiting.reserved)) else {
                break;
            };
            if self.warming.is_some() {
                self.set_aside_warming();
            }
            let reserved = self.reserved().saturating_add(needed);
            if reserved > self.limits.memory {
                break;
            }
            let Some(waiting) = self.waiting.remove(place) else {
                break;
            };
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            let mut live = Live::new(self.engine.model(), waiting);
            live.begin(self.cache.as_mut());
            self.live.push(live);
            // The cache gives way, after the request has found in it what it could.
            if let Some(cache) = &mut self.cache {
                cache.shrink(self.limits.memory - reserved);
            }
        }
    }

    /// Counts and drops what is done.
    fn retire(&mut self) {
        let statistics = &mut self.statistics;
        self.live.retain(|live| {
            if live.done {
                let usage = live.usage();
                statistics.answers += 1;
                statistics.prompt_tokens += usage.prompt_tokens as u64;
                statistics.cached_tokens += usage.cached_tokens as u64;
                statistics.answer_tokens += usage.answer_tokens as u64;
            }
            !live.done
        });
    }

    fn trim(&mut self) {
        let left = self.limits.memory.saturating_sub(self.reserved());
        if let Some(cache) = &mut self.cache {
            cache.shrink(left);
        }
    }

    fn report(&mut self) {
        self.statistics.running = self.live.len();
        self.statistics.reserved_bytes = self.reserved();
        if let Some(cache) = &self.cache {
            self.statistics.cache_bytes = cache.bytes();
            self.statistics.cache_states = cache.len();
            self.statistics.disk = cache.disk().map(Disk::statistics);
        }
        *self
            .shared
            .statistics
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = self.statistics;
    }
}
