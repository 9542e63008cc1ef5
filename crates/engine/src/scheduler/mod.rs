//! Many answers at once: one thread owns the network, sequences join and leave it at any pass.
//!
//! Each pass takes one step of every answer that is being written and, beside them, a piece of the prompts that are being
//! read, so a long prompt holds up nobody by more than its piece. Whoever reads waited longest. What was read is kept in
//! the prefix cache. Neither company nor cache changes a token.

mod features;
mod limits;
mod live;
mod pooling;
mod prepared;
mod queued;
mod request;
mod statistics;
mod stream;
mod worker;

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod restart_tests;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SendError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use limits::Limits;
pub use pooling::Pooling;
pub use request::{Priority, Request};
pub use statistics::Statistics;
pub use stream::{Answer, Event, Finished, Listener, Usage};

use crate::{Engine, EngineError, Prompt};
use pooling::Pool;
use prepared::Prepared;
use queued::Queued;
use worker::{Command, Task, Waiting, Worker};

/// The front of the thread that answers. Cheap to clone; the thread ends with the last clone.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    limits: Limits,
    shared: Arc<Shared>,
    commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What both sides see.
#[derive(Debug, Default)]
struct Shared {
    /// Requests that were taken and have not begun.
    waiting: AtomicUsize,
    /// No more are taken.
    draining: AtomicBool,
    statistics: Mutex<Statistics>,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Scheduler")
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`EngineError::Thread`] when the system refuses one.
    pub fn start(engine: Engine, limits: Limits) -> Result<Self, EngineError> {
        let (commands, receiver) = channel();
        let shared = Arc::new(Shared::default());
        let worker = Worker::new(
            engine.clone(),
            limits.clone(),
            Arc::clone(&shared),
            receiver,
            commands.clone(),
        );
        let thread = std::thread::Builder::new()
            .name("aurore-engine".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| EngineError::Thread(error.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                limits,
                shared,
                commands,
                thread: Mutex::new(Some(thread)),
            }),
        })
    }

    /// The network and its vocabulary.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// What it may take.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// What it does and did.
    pub fn statistics(&self) -> Statistics {
        let statistics = &self.inner.shared.statistics;
        let mut now = *statistics.lock().unwrap_or_else(PoisonError::into_inner);
        now.waiting = self.inner.shared.waiting.load(Ordering::Relaxed);
        now
    }

    /// Whether the thread lives and takes requests.
    pub fn is_ready(&self) -> bool {
        if self.inner.shared.draining.load(Ordering::Relaxed) {
            return false;
        }
        // Held only by whoever drains.
        let thread = self.inner.thread.try_lock();
        thread.is_ok_and(|thread| thread.as_ref().is_some_and(|thread| !thread.is_finished()))
    }

    /// Asks for an answer, whose events come over a channel. Dropping the [`Answer`] cancels it.
    ///
    /// # Errors
    /// When the request means nothing, can never fit, or too many wait already.
    pub fn submit(&self, request: Request) -> Result<Answer, EngineError> {
        let (listener, answer) = stream::channel();
        self.submit_to(request, Box::new(listener))?;
        Ok(answer)
    }

    /// The same for a listener of another kind.
    ///
    /// # Errors
    /// As of [`Scheduler::submit`]; nothing is heard then.
    pub fn submit_to(&self, request: Request, listener: Box<dyn Listener>) -> Result<(), EngineError> {
        let Inner { engine, limits, .. } = &*self.inner;
        self.queue(request.prompt, request.priority, listener, |prompt| {
            let mut choosing = request.choosing;
            // An answer is cut where memory ends, as it is where the context ends.
            let room = limits.most_tokens(engine).saturating_sub(prompt.len());
            choosing.max_new_tokens = choosing.max_new_tokens.min(room.max(1));
            let answering = engine.answering(prompt, choosing)?;
            let tokens = prompt.len() + answering.room();
            Ok((Task::Write(Box::new(answering)), tokens))
        })
    }

    /// Asks for a prompt's rows after the network's last norm, pooled to one vector: [`Event::Pooled`]. All of them are
    /// read, whatever was read before.
    ///
    /// # Errors
    /// As of [`Scheduler::submit`]; nothing is heard then.
    pub fn pool_to(
        &self,
        prompt: Prompt,
        pooling: Pooling,
        priority: Priority,
        listener: Box<dyn Listener>,
    ) -> Result<(), EngineError> {
        let hidden_size = self.inner.engine.model().config().text.hidden_size;
        self.queue(prompt, priority, listener, |prompt| {
            let pool = Pool::new(pooling, hidden_size);
            Ok((Task::Pool(pool), prompt.len()))
        })
    }

    /// Puts a prompt into the queue, with what is to be done and the tokens of its sequence at most.
    fn queue(
        &self,
        prompt: Prompt,
        priority: Priority,
        listener: Box<dyn Listener>,
        task: impl FnOnce(&Prompt) -> Result<(Task, usize), EngineError>,
    ) -> Result<(), EngineError> {
        let Inner {
            engine,
            limits,
            shared,
            commands,
            ..
        } = &*self.inner;
        if shared.draining.load(Ordering::Relaxed) {
            return Err(EngineError::Draining);
        }
        let count = |waiting: usize| (waiting < limits.queue).then_some(waiting + 1);
        if shared
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count)
            .is_err()
        {
            return Err(EngineError::Busy {
                waiting: limits.queue,
            });
        }
        let submit = || {
            let prepared = Prepared::new(engine, prompt)?;
            let (task, tokens) = task(&prepared.prompt)?;
            let waiting = Waiting {
                reserved: limits.reserve(engine, tokens)?,
                prepared,
                task,
                priority,
                listener,
                since: Instant::now(),
            };
            let queued = Box::new(Queued::new(waiting, shared));
            commands
                .send(Command::Submit(queued))
                // The end may have come while it was prepared.
                .map_err(|SendError(command)| {
                    if let Command::Submit(queued) = command {
                        queued.take();
                    }
                    shared.why_nobody_takes_it()
                })
        };
        let sent = submit();
        if sent.is_err() {
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }

    /// Reads a prompt in idle time, so that a later one that begins like it finds it read. Gives way to everything.
    ///
    /// # Errors
    /// When the prompt means nothing.
    pub fn warm(&self, prompt: Prompt) -> Result<(), EngineError> {
        let prepared = Prepared::new(&self.inner.engine, prompt)?;
        let command = Command::Warm(Box::new(prepared));
        self.inner.commands.send(command).map_err(|_| EngineError::Gone)
    }

    /// Takes no more requests, lets those that were taken end, and ends the thread; what has not ended after `patience`
    /// ends with [`crate::Finish::Shutdown`].
    pub fn drain(&self, patience: Duration) {
        self.inner.shared.draining.store(true, Ordering::Relaxed);
        // A thread that is gone has drained.
        let _ = self
            .inner
            .commands
            .send(Command::Drain(Instant::now() + patience));
        let mut thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // If it panicked its listeners were told.
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Drain(Instant::now()));
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            let _ = thread.join();
        }
    }
}
