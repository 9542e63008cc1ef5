//! The thread that computes.

mod restoring;

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use aurore_model::{Logits, ModelError, Snapshot};

use super::live::{Live, Work};
use super::pooling::Pool;
use super::prepared::Prepared;
use super::{Event, Limits, Listener, Priority, Shared, Statistics};
use crate::answering::Answering;
use crate::cache::{Cache, Place};
use crate::{Engine, EngineError, Finish};

/// Tokens of prompts in a pass while no answer is being written: as many as go through the layers together.
const WIDE_PIECE: usize = 512;

/// How long the disk may take at the end, even if nobody has patience.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the front says.
pub(super) enum Command {
    Submit(Box<Waiting>),
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
        self.report();
        if let Some(cache) = &self.cache {
            let left = self
                .deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            cache.flush(left.unwrap_or_default().max(LAST_WORDS));
        }
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
            Command::Submit(waiting) => self.waiting.push_back(*waiting),
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

    /// One pass over the network: a step of every answer, and pieces of prompts.
    fn pass(&mut self) {
        for live in &mut self.live {
            live.done |= live.is_gone();
        }
        self.retire();
        let plan = self.plan();
        let started = Instant::now();
        let hidden = self.engine.model().config().text.hidden_size;
        let (mut segments, mut parts, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut looked = false;
        for (number, (live, work)) in self.live.iter_mut().zip(&plan).enumerate() {
            live.prepare(hidden);
            if let Work::Look(tokens) = *work {
                live.served = self.statistics.passes + 1;
                looked = true;
                if let Err(error) = live.look(self.engine.model(), tokens) {
                    live.fail(error);
                }
                continue;
            }
            let Some(segment) = live.segment(*work, hidden) else {
                continue;
            };
            // One that the network refuses must not take the others with it.
            match self.engine.model().check(&segment) {
                Ok(()) => {
                    parts.push((number, *work, segment.wanted(), segment.hidden() * hidden));
                    segments.push(segment);
                }
                Err(error) => refused.push((number, error)),
            }
        }
        if segments.is_empty() {
            drop(segments);
            self.refuse(refused);
            self.statistics.passes += u64::from(looked);
            self.retire();
            return;
        }
        let outcome = self.engine.model().forward(&mut segments, &mut self.logits);
        drop(segments);
        self.refuse(refused);
        if let Err(error) = outcome {
            // Prompts were checked when they were taken, so this is a defect: nobody is left waiting for its end.
            let message = error.to_string();
            for (number, ..) in parts {
                self.live[number].fail(EngineError::Defect(message.clone()));
            }
            self.retire();
            return;
        }
        let mut rows = self.logits.values.chunks_exact_mut(self.logits.vocab_size.max(1));
        let mut pooled = self.logits.hidden.as_slice();
        let mut steps = 0;
        for (number, work, wanted, to_pool) in parts {
            let live = &mut self.live[number];
            if let Some((rows, rest)) = pooled.split_at_checked(to_pool) {
                live.pool(rows);
                pooled = rest;
            }
            match work {
                Work::Read(tokens) => {
                    live.served = self.statistics.passes + 1;
                    live.was_read(tokens, self.cache.as_mut());
                }
                Work::Step => steps += 1,
                Work::Look(_) | Work::Wait => {}
            }
            if wanted > 0
                && let Some(row) = rows.next()
                && live.take(row)
            {
                self.statistics.first_tokens += 1;
                self.statistics.first_token_seconds += live.seconds();
            }
        }
        self.statistics.passes += 1;
        self.statistics.steps += steps;
        if steps > 0 {
            let longest = &mut self.statistics.longest_pass_seconds;
            *longest = longest.max(started.elapsed().as_secs_f64());
        }
        self.retire();
        self.trim();
    }

    /// Ends what the network refuses; the numbers of the others stay as they are until the pass is over.
    fn refuse(&mut self, refused: Vec<(usize, ModelError)>) {
        for (number, error) in refused {
            self.live[number].fail(error.into());
        }
    }

    /// Whose turn it is: answers always; of prompts the important ones, then whoever waited longest.
    fn plan(&mut self) -> Vec<Work> {
        let mut plan = vec![Work::Wait; self.live.len()];
        let mut readers = Vec::new();
        let mut room = WIDE_PIECE;
        for (number, live) in self.live.iter_mut().enumerate() {
            if live.is_restoring() {
                continue;
            }
            if live.is_written() {
                plan[number] = Work::Step;
                room = self.limits.piece.next_multiple_of(Snapshot::EVERY);
            } else {
                if let Some(cache) = &mut self.cache {
                    live.catch_up(cache);
                }
                readers.push(number);
            }
        }
        readers.sort_by_key(|number| {
            let live = &self.live[*number];
            (std::cmp::Reverse(live.priority), live.served)
        });
        let mut reading: Vec<usize> = Vec::new();
        for number in readers {
            if room < Snapshot::EVERY {
                break;
            }
            let live = &self.live[number];
            // What another one reads now will be found in the cache.
            let twice = |other: &usize| live.reads_like(&self.live[*other]);
            if self.cache.is_some() && reading.iter().any(twice) {
                continue;
            }
            let work = live.reading_work(room);
            let (Work::Read(tokens) | Work::Look(tokens)) = work else {
                continue;
            };
            plan[number] = work;
            room = room.saturating_sub(tokens) / Snapshot::EVERY * Snapshot::EVERY;
            reading.push(number);
        }
        plan
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

    /// Reads a piece of a prompt that nobody waits for.
    fn warm_a_piece(&mut self) {
        if self.warming.is_none() {
            let Some(prepared) = self.warm.pop_front() else {
                return;
            };
            let Ok(reserved) = self.limits.reserve(&self.engine, prepared.prompt.len()) else {
                return;
            };
            let mut live = Live::reading(self.engine.model(), prepared, reserved);
            live.begin(self.cache.as_mut());
            self.warming = Some(live);
        }
        let Some(live) = &mut self.warming else { return };
        let room = self.limits.piece.next_multiple_of(Snapshot::EVERY);
        let hidden = self.engine.model().config().text.hidden_size;
        live.prepare(hidden);
        let work = live.reading_work(room);
        let tokens = match work {
            Work::Read(tokens) => tokens,
            _ if live.look(self.engine.model(), room).is_ok() => return,
            _ => 0,
        };
        let mut read = tokens > 0;
        if let Some(segment) = live.segment(work, hidden).filter(|_| read) {
            let outcome = self.engine.model().forward(&mut [segment], &mut self.logits);
            read = outcome.is_ok();
        }
        if read {
            live.was_read(tokens, self.cache.as_mut());
            self.statistics.warmed_tokens += tokens as u64;
        }
        if live.done || !read {
            self.warming = None;
        }
        self.trim();
    }

    /// Makes way for requests: what was read so far is kept, the rest waits.
    fn set_aside_warming(&mut self) {
        if let Some(live) = self.warming.take() {
            if let Some(cache) = &mut self.cache {
                live.keep(Place::Grid, cache);
            }
            self.warm.push_front(live.into_prepared());
        }
    }

    fn report(&mut self) {
        self.statistics.running = self.live.len();
        self.statistics.reserved_bytes = self.reserved();
        if let Some(cache) = &self.cache {
            self.statistics.cache_bytes = cache.bytes();
            self.statistics.cache_states = cache.len();
            self.statistics.disk = cache.disk_statistics();
        }
        *self
            .shared
            .statistics
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = self.statistics;
    }
}
