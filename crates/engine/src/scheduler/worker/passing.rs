//! A pass over the network: whose turn it is, and what comes of it.

use std::time::Instant;

use aurore_model::{ModelError, Snapshot};

use super::super::live::{Live, Work};
use super::Worker;
use crate::EngineError;

/// Tokens of prompts in a pass while no answer is being written: as many as go through the layers together.
const WIDE_PIECE: usize = 512;

/// An answer and the logits that its next token is chosen of.
struct Choice<'a> {
    live: &'a mut Live,
    row: &'a mut [f32],
    /// Whether it became the answer's first token.
    is_first: bool,
}

impl Worker {
    /// One pass over the network: a step of every answer, and pieces of prompts.
    pub(super) fn pass(&mut self) {
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
        let mut choices: Vec<Choice<'_>> = Vec::with_capacity(parts.len());
        let mut lives = self.live.iter_mut().enumerate();
        for (number, work, wanted, to_pool) in parts {
            let Some((_, live)) = lives.find(|(other, _)| *other == number) else {
                break;
            };
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
            {
                choices.push(Choice {
                    live,
                    row,
                    is_first: false,
                });
            }
        }
        let choose = |choice: &mut Choice<'_>| choice.is_first = choice.live.take(choice.row);
        self.engine.model().for_each(&mut choices, choose);
        for choice in choices.iter().filter(|choice| choice.is_first) {
            self.statistics.first_tokens += 1;
            self.statistics.first_token_seconds += choice.live.seconds();
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
}
