//! A sequence under way: first its prompt is read, piece by piece, then its answer is written, token by token.

use std::collections::VecDeque;
use std::time::Instant;

use aurore_model::{Among, Model, Segment, Sequence, Snapshot, Tokens, Want};

use super::features::Features;
use super::prepared::Prepared;
use super::stream::{Event, Finished, Listener, Usage};
use super::{Priority, worker::Task, worker::Waiting};
use crate::answering::Taken;
use crate::cache::{Cache, Disk, Place, places};
use crate::{EngineError, Finish};

/// What a pass does for a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Reads so many tokens of the prompt.
    Read(usize),
    /// Looks at a picture that is read next, for as long as reading so many tokens takes.
    Look(usize),
    /// Writes a token.
    Step,
    /// Nothing this time.
    Wait,
}

/// What came of a sequence's logits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Took {
    /// Whether one is the answer's first token.
    pub(super) is_first: bool,
    /// Drafts that were checked, and how many of them were right.
    pub(super) drafts: usize,
    pub(super) right: usize,
}

/// How a sequence stands with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restoring {
    /// Nothing is to be had from it, or it was.
    Done,
    /// It has more than memory had.
    Wanted,
    /// It is being read.
    Asked,
}

pub(super) struct Live {
    pub(super) prepared: Prepared,
    pub(super) priority: Priority,
    pub(super) reserved: u64,
    /// The pass that last read for it.
    pub(super) served: u64,
    /// Nothing more is to be done.
    pub(super) done: bool,
    /// Whether the disk may have more of the prompt than memory.
    pub(super) restoring: Restoring,
    /// Of the last request to the disk.
    pub(super) restore_number: u64,
    /// What is done and who hears; nobody for a prompt that is read in idle time.
    asked: Option<(Task, Box<dyn Listener>)>,
    sequence: Sequence,
    /// Tokens of the prompt that are to be read.
    target: usize,
    /// What the next step is fed: the answer's last token, and drafts behind it. Empty while reading.
    next: Vec<u32>,
    /// Where states are kept on the way.
    places: VecDeque<(usize, Place)>,
    features: Features,
    /// Placeholders among the tokens that were read.
    placeholders: usize,
    usage: Usage,
    began: Instant,
    since: Instant,
    first_logits: Option<Instant>,
}

impl Live {
    /// A request whose turn has come.
    pub(super) fn new(model: &Model, waiting: Waiting) -> Self {
        let mut live = Self::reading(model, waiting.prepared, waiting.reserved);
        live.priority = waiting.priority;
        live.since = waiting.since;
        live.usage.queue_seconds = (live.began - waiting.since).as_secs_f64();
        live.asked = Some((waiting.task, waiting.listener));
        live.target = live.prepared.prompt.len();
        live
    }

    /// A prompt that is read up to its last whole block, for the cache alone.
    pub(super) fn reading(model: &Model, prepared: Prepared, reserved: u64) -> Self {
        let now = Instant::now();
        Self {
            priority: Priority::Low,
            reserved,
            served: 0,
            done: false,
            restoring: Restoring::Done,
            restore_number: 0,
            asked: None,
            sequence: model.new_sequence().under(prepared.adapter.clone()),
            target: prepared.keys.len() * Snapshot::EVERY,
            next: Vec::new(),
            places: VecDeque::new(),
            features: Features::default(),
            placeholders: 0,
            usage: Usage {
                prompt_tokens: prepared.prompt.len(),
                ..Usage::default()
            },
            began: now,
            since: now,
            first_logits: None,
            prepared,
        }
    }

    /// Looks what of the prompt is known, and where states are to be kept.
    pub(super) fn begin(&mut self, cache: Option<&mut Cache>) {
        if let Some(cache) = cache.filter(|_| !self.is_pooled()) {
            let found = cache.find(&self.prepared.keys, self.most_blocks());
            self.resume(found.sequence);
            let tokens = self.target + usize::from(self.asked.is_none());
            let parting = found.shared * Snapshot::EVERY;
            self.places = places(tokens, &self.prepared.prompt.marks, self.read(), parting).into();
            if self.asked.is_some() && self.has_more_on_disk(cache) {
                self.restoring = Restoring::Wanted;
                return;
            }
        }
        self.start();
    }

    /// Whether the disk has more of the prompt than was read or found.
    fn has_more_on_disk(&self, cache: &Cache) -> bool {
        let reach = |disk: &Disk| disk.reach(&self.prepared.keys, self.most_blocks()).1;
        cache.disk().map_or(0, reach) * Snapshot::EVERY > self.read()
    }

    /// Asks the disk for more, if it still has more than memory; `done` is given it on another thread. Whether it did.
    pub(super) fn restore(
        &mut self,
        cache: &mut Cache,
        done: impl FnOnce(Option<Snapshot>) + Send + 'static,
    ) -> bool {
        self.catch_up(cache);
        let has_more = self.has_more_on_disk(cache);
        let Some(disk) = cache.disk().filter(|_| has_more) else {
            self.restored(None, cache);
            return false;
        };
        self.restoring = Restoring::Asked;
        let base = self.sequence.boundary();
        disk.restore(&self.prepared.keys, self.most_blocks(), base, done);
        true
    }

    /// Goes on from what the disk had, or from where it is.
    pub(super) fn restored(&mut self, snapshot: Option<Snapshot>, cache: &mut Cache) {
        if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.len() > self.read()) {
            if let Some(disk) = cache.disk() {
                disk.count_tokens(snapshot.len() - self.read());
            }
            let sequence = snapshot.resume();
            if let Some(keys) = self.prepared.keys.get(..snapshot.len() / Snapshot::EVERY) {
                cache.insert(keys, snapshot, Place::Meaning);
            }
            self.resume(Some(sequence));
        }
        self.restoring = Restoring::Done;
        self.start();
    }

    fn start(&mut self) {
        if let Some((_, listener)) = &mut self.asked {
            listener.hear(Event::Started {
                cached: self.usage.cached_tokens,
            });
        }
    }

    /// Goes on from what somebody else has read meanwhile.
    pub(super) fn catch_up(&mut self, cache: &mut Cache) {
        if !self.is_reading()
            || self.is_pooled()
            || cache.reach(&self.prepared.keys, self.most_blocks()) * Snapshot::EVERY <= self.read()
        {
            return;
        }
        let found = cache.find(&self.prepared.keys, self.most_blocks());
        self.resume(found.sequence);
    }

    fn resume(&mut self, sequence: Option<Sequence>) {
        let Some(sequence) = sequence else { return };
        self.usage.cached_tokens += sequence.len() - self.read();
        // What the disk had does not know of it; its keys do.
        self.sequence = sequence.under(self.prepared.adapter.clone());
        self.placeholders = self.prepared.placeholders(0, self.read());
        while self
            .places
            .front()
            .is_some_and(|(tokens, _)| *tokens <= self.read())
        {
            self.places.pop_front();
        }
    }

    /// Blocks that may come out of the cache: all for a prompt that is only read, else the last token must be read.
    fn most_blocks(&self) -> usize {
        match self.asked {
            Some(_) => crate::cache::last_place(self.target) / Snapshot::EVERY,
            None => self.prepared.keys.len(),
        }
    }

    /// Tokens of the prompt that were read.
    pub(super) fn read(&self) -> usize {
        self.sequence.len().min(self.target)
    }

    pub(super) fn is_reading(&self) -> bool {
        self.next.is_empty() && self.read() < self.target
    }

    /// Whether it waits for the disk.
    pub(super) fn is_restoring(&self) -> bool {
        self.restoring != Restoring::Done
    }

    /// Whether every row of it is needed, so that nothing of it may come out of the cache.
    pub(super) fn is_pooled(&self) -> bool {
        matches!(self.asked, Some((Task::Pool(_), _)))
    }

    pub(super) fn is_written(&self) -> bool {
        !self.next.is_empty()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.asked
            .as_ref()
            .is_some_and(|(_, listener)| listener.is_gone())
    }

    /// Whether both prompts are the same up to and with the block that is read next, which one of them will find in
    /// the cache when the other has read it.
    pub(super) fn reads_like(&self, other: &Self) -> bool {
        if self.is_pooled() || other.is_pooled() {
            return false;
        }
        let blocks = self.read() / Snapshot::EVERY + 1;
        let keys = (
            self.prepared.keys.get(..blocks),
            other.prepared.keys.get(..blocks),
        );
        self.read() == other.read() && matches!(keys, (Some(own), Some(others)) if own == others)
    }

    /// Tokens to read next, at most `room` (a multiple of 64): up to a place where the state is kept.
    pub(super) fn piece(&self, room: usize) -> usize {
        let end = self.target.min(self.read() + room);
        let end = self.places.front().map_or(end, |(tokens, _)| end.min(*tokens));
        end - self.read()
    }

    /// What is done next of the reading, with room for so many tokens.
    pub(super) fn reading_work(&self, room: usize) -> Work {
        let tokens = self.piece(room);
        if self.features.reach(&self.prepared, self.placeholders_to(tokens)) {
            Work::Read(tokens)
        } else {
            Work::Look(room)
        }
    }

    /// Placeholders up to the end of the next `tokens`.
    fn placeholders_to(&self, tokens: usize) -> usize {
        self.placeholders + self.prepared.placeholders(self.read(), self.read() + tokens)
    }

    /// Looks at the pictures of the next piece, for as long as reading so many tokens takes.
    pub(super) fn look(&mut self, model: &Model, tokens: usize) -> Result<(), EngineError> {
        let to = self.placeholders_to(self.piece(tokens));
        self.features
            .look(model, &self.prepared, self.placeholders, to, tokens)
    }

    /// Makes everything ready before a pass, in which a step may have so many drafts.
    pub(super) fn prepare(&mut self, hidden: usize, drafts: usize) {
        if let Some((Task::Write(answering), _)) = &mut self.asked {
            answering.glance();
            if !self.next.is_empty() {
                let most = drafts.min(self.sequence.most_drafts());
                self.next.truncate(1);
                answering.draft(&self.prepared.prompt.ids, most, &mut self.next);
            }
        }
        self.features.read(hidden, self.placeholders);
    }

    /// Its part of a pass.
    pub(super) fn segment(&mut self, work: Work, hidden: usize) -> Option<Segment<'_>> {
        let is_pooled = self.is_pooled();
        let among = match &self.asked {
            Some((Task::Write(answering), _)) => answering.among(self.next.len().saturating_sub(1)),
            _ => Among::All,
        };
        match work {
            Work::Step if !self.next.is_empty() => Some(Segment {
                sequence: &mut self.sequence,
                tokens: Tokens::Generated(&self.next),
                want: Want::All,
                among,
            }),
            Work::Read(tokens) if self.next.is_empty() => {
                let from = self.sequence.len();
                let to = from + tokens;
                let placeholders = self.prepared.placeholders(from, to);
                let is_last = to == self.target && self.asked.is_some();
                Some(Segment {
                    sequence: &mut self.sequence,
                    tokens: Tokens::Given {
                        ids: &self.prepared.prompt.ids[from..to],
                        positions: &self.prepared.prompt.positions[from..to],
                        features: self.features.rows(
                            hidden,
                            self.placeholders,
                            self.placeholders + placeholders,
                        ),
                    },
                    want: match is_last {
                        _ if is_pooled => Want::Hidden,
                        true => Want::Last,
                        false => Want::None,
                    },
                    among: if is_last { among } else { Among::All },
                })
            }
            _ => None,
        }
    }

    /// After a piece was read: keeps the state where it is to be kept.
    pub(super) fn was_read(&mut self, tokens: usize, cache: Option<&mut Cache>) {
        let to = self.sequence.len();
        self.placeholders += self.prepared.placeholders(to - tokens, to);
        let here = self.places.pop_front_if(|(tokens, _)| *tokens == to);
        if let (Some((_, place)), Some(cache)) = (here, cache) {
            self.keep(place, cache);
        }
        if to < self.target {
            return;
        }
        match &mut self.asked {
            None => self.done = true,
            Some((Task::Pool(pool), listener)) => {
                listener.hear(Event::Pooled(pool.vector()));
                self.finish(Finish::Eos);
            }
            Some((Task::Write(_), _)) => {}
        }
    }

    /// Takes rows of the tokens that are being read, `[rows, hidden_size]`.
    pub(super) fn pool(&mut self, rows: &[f32]) {
        if let Some((Task::Pool(pool), _)) = &mut self.asked {
            pool.add(rows);
        }
    }

    /// Keeps the state, if one can be kept here.
    pub(super) fn keep(&self, place: Place, cache: &mut Cache) {
        let blocks = self.sequence.len() / Snapshot::EVERY;
        if let (Some(keys), Some(snapshot)) = (self.prepared.keys.get(..blocks), self.sequence.boundary()) {
            cache.insert(keys, snapshot, place);
        }
    }

    /// After logits came, a row for the last token of the answer and one for each draft: chooses the next token, and
    /// goes on as long as it is the draft.
    pub(super) fn take(&mut self, logits: &mut [f32], vocab_size: usize) -> Took {
        let fed = std::mem::take(&mut self.next);
        let drafts = fed.get(1..).unwrap_or_default();
        let mut took = Took {
            drafts: drafts.len(),
            ..Took::default()
        };
        self.usage.drafts += took.drafts;
        for row in logits.chunks_exact_mut(vocab_size.max(1)) {
            took.is_first |= self.choose(row);
            self.done |= self.is_gone();
            if self.done || self.next.first() != drafts.get(took.right) {
                break;
            }
            took.right += 1;
            self.usage.right_drafts += 1;
        }
        if took.drafts == 0 {
            return took;
        }
        if let Some((Task::Write(answering), _)) = &mut self.asked {
            answering.drafts_were_right(took.right, took.drafts);
        }
        if let Err(error) = self.sequence.take_back(took.drafts - took.right)
            && !self.done
        {
            self.fail(error.into());
        }
        took
    }

    /// Chooses the next token. Whether it is the answer's first.
    fn choose(&mut self, logits: &mut [f32]) -> bool {
        let is_first = self.first_logits.is_none();
        if is_first {
            self.first_logits = Some(Instant::now());
        }
        let Some((Task::Write(answering), listener)) = &mut self.asked else {
            return false;
        };
        if answering.is_full() {
            self.finish(Finish::Length);
            return false;
        }
        match answering.take(logits) {
            Err(error) => self.fail(error),
            Ok(Taken::End(finish)) => self.finish(finish),
            Ok(Taken::Token { id, logprobs, last }) => {
                self.usage.answer_tokens = answering.len();
                listener.hear(Event::Token { id, logprobs });
                self.next.clear();
                self.next.push(id);
                if let Some(finish) = last {
                    self.finish(finish);
                }
            }
        }
        is_first
    }

    pub(super) fn finish(&mut self, finish: Finish) {
        self.done = true;
        let now = Instant::now();
        let first = self.first_logits.unwrap_or(now);
        self.usage.prefill_seconds = (first - self.began).as_secs_f64();
        self.usage.decode_seconds = (now - first).as_secs_f64();
        let usage = self.usage;
        if let Some((_, listener)) = &mut self.asked {
            listener.hear(Event::Finished(Finished { finish, usage }));
        }
    }

    pub(super) fn fail(&mut self, error: EngineError) {
        self.done = true;
        if let Some((_, listener)) = &mut self.asked {
            listener.hear(Event::Failed(error));
        }
    }

    pub(super) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Seconds since the request was taken.
    pub(super) fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    pub(super) fn into_prepared(self) -> Prepared {
        self.prepared
    }
}
