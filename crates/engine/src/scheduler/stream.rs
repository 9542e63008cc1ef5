//! How an answer reaches whoever asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use crate::{EngineError, Finish, Logprobs};

/// What happens to a request, in order: `Started`, tokens or `Pooled`, and one of the last two.
#[derive(Debug)]
pub enum Event {
    /// Its prompt is being read.
    Started {
        /// Tokens of the prompt that were found in the cache.
        cached: usize,
    },
    /// A token of the answer (not the one that ends it).
    Token {
        /// The token.
        id: u32,
        /// Its probability, where asked for.
        logprobs: Option<Logprobs>,
    },
    /// What a text was pooled to, `[hidden_size]`.
    Pooled(Vec<f32>),
    /// The answer has ended.
    Finished(Finished),
    /// There is no answer, or no more of it.
    Failed(EngineError),
}

/// The end of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finished {
    /// Why.
    pub finish: Finish,
    /// What it took.
    pub usage: Usage,
}

/// What an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that were found in the cache.
    pub cached_tokens: usize,
    /// Tokens of the answer, without the one that ended it.
    pub answer_tokens: usize,
    /// Drafts that were checked for it.
    pub drafts: usize,
    /// Those of them that were right: tokens of the answer that took no step of their own.
    pub right_drafts: usize,
    /// Seconds from the request to the start of reading.
    pub queue_seconds: f64,
    /// Seconds from there to the first logits.
    pub prefill_seconds: f64,
    /// Seconds from there to the end.
    pub decode_seconds: f64,
}

/// Who hears an answer. Called on the thread that computes, so it must not wait.
pub trait Listener: Send {
    /// Takes an event.
    fn hear(&mut self, event: Event);

    /// Whether nobody listens any more: the answer is then cancelled, and hears nothing of it.
    fn is_gone(&self) -> bool;
}

/// An answer's events, in order. Dropping it cancels the answer.
#[derive(Debug)]
pub struct Answer {
    events: Receiver<Event>,
    gone: Arc<AtomicBool>,
}

impl Iterator for Answer {
    type Item = Event;

    /// Waits for the next event; nothing after the last one.
    fn next(&mut self) -> Option<Event> {
        self.events.recv().ok()
    }
}

impl Answer {
    /// Waits for the end: all tokens, and how it ended.
    ///
    /// # Errors
    /// What kept the answer from ending.
    pub fn wait(self) -> Result<(Vec<u32>, Finished), EngineError> {
        let mut ids = Vec::new();
        for event in self {
            match event {
                Event::Started { .. } | Event::Pooled(_) => {}
                Event::Token { id, .. } => ids.push(id),
                Event::Finished(finished) => return Ok((ids, finished)),
                Event::Failed(error) => return Err(error),
            }
        }
        Err(EngineError::Gone)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// The listener behind an [`Answer`].
pub(super) struct Channel {
    events: Sender<Event>,
    gone: Arc<AtomicBool>,
}

pub(super) fn channel() -> (Channel, Answer) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let gone = Arc::new(AtomicBool::new(false));
    let channel = Channel {
        events: sender,
        gone: Arc::clone(&gone),
    };
    (
        channel,
        Answer {
            events: receiver,
            gone,
        },
    )
}

impl Listener for Channel {
    fn hear(&mut self, event: Event) {
        if self.events.send(event).is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}
