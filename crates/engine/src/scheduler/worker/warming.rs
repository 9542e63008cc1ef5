//! Prompts that nobody waits for, read in idle time.

use aurore_model::Snapshot;

use super::super::live::{Live, Work};
use super::Worker;
use crate::cache::Place;

impl Worker {
    /// Reads a piece of a prompt that nobody waits for.
    pub(super) fn warm_a_piece(&mut self) {
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
        live.prepare(hidden, 0);
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
    pub(super) fn set_aside_warming(&mut self) {
        if let Some(live) = self.warming.take() {
            if let Some(cache) = &mut self.cache {
                live.keep(Place::Grid, cache);
            }
            self.warm.push_front(live.into_prepared());
        }
    }
}
