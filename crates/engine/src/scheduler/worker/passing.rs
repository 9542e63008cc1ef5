//! A pass over the network: whose turn it is, and what comes of it.

use std::time::Instant;

use aurore_model::{ModelError, Snapshot};

use super::super::live::{Live, Took, Work};
use super::Worker;
use crate::EngineError;

/// Tokens of prompts in a pass while no answer is being written: as many as go through the layers together.
const WIDE_PIECE: usize = 512;

/// Rows that steps feed together at most, drafts included: a few cost little more than one, many cost as much as they are.
const ROWS: usize = 16;

/// An answer and the logits that its next tokens are chosen of, a row for each.
struct Choice<'a> {
    live: &'a mut Live,
    rows: &'a mut [f32],
    took: Took,
}

impl Worker {
    /// One pass over the network: a step of every answer, and pieces of prompts.
    pub(super) fn pass(&mut self) {
        for live in &mut self.live {
            live.done |= live.is_gone();
        }
        self.retire();
        let plan = self.plan();
        let writing = plan.iter().filter(|work| **work == Work::Step).count();
        let drafts = self.limits.drafts.min((ROWS / writing.max(1)).saturating_sub(1));
        let started = Instant::now();
        let hidden = self.engine.model().config().text.hidden_size;
        let (mut segments, mut parts, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut looked = false;
        for (number, (live, work)) in self.live.iter_mut().zip(&plan).enumerate() {
            live.prepare(hidden, drafts);
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
        let vocab_size = self.logits.vocab_size;
        let mut logits = self.logits.values.as_mut_slice();
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
                && let Some(rows) = logits.split_off_mut(..wanted * vocab_size)
            {
                choices.push(Choice {
                    live,
                    rows,
                    took: Took::default(),
                });
            }
        }
        let choose = |choice: &mut Choice<'_>| choice.took = choice.live.take(choice.rows, vocab_size);
        self.engine.model().for_each(&mut choices, choose);
        for Choice { live, took, .. } in &choices {
            if took.is_first {
                self.statistics.first_tokens += 1;
                self.statistics.first_token_seconds += live.seconds();
            }
            self.statistics.drafts += took.drafts as u64;
            self.statistics.right_drafts += took.right as u64;
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
