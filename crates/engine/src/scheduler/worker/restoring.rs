//! What the disk has of prompts, brought back beside everything else.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use aurore_model::Snapshot;

use super::super::live::{Live, Restoring};
use super::{Command, Worker};

/// How often those who wait for the disk look whether they are still wanted.
const LOOK: Duration = Duration::from_millis(100);

impl Worker {
    /// Waits for what the disk has, while there is nothing else to do.
    pub(super) fn wait(&mut self) {
        match self.commands.recv_timeout(LOOK) {
            Ok(command) => self.hear(command),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        for live in &mut self.live {
            live.done |= live.is_gone();
        }
        self.retire();
    }

    /// Has the disk read for one sequence at a time: what it brings may serve the next one too.
    pub(super) fn restore(&mut self) {
        let Some(cache) = &mut self.cache else { return };
        for live in &mut self.live {
            if self.restoring.is_some() {
                return;
            }
            if live.restoring != Restoring::Wanted {
                continue;
            }
            self.restores += 1;
            let number = self.restores;
            let back = self.back.clone();
            // Nobody is left to hear it if the thread has ended.
            let done = move |snapshot| _ = back.send(Command::Restored(number, snapshot));
            if live.restore(cache, done) {
                live.restore_number = number;
                self.restoring = Some(number);
            }
        }
    }

    pub(super) fn restored(&mut self, number: u64, snapshot: Option<Snapshot>) {
        self.restoring = None;
        let Some(cache) = &mut self.cache else { return };
        // Whoever asked may be gone.
        let asked = |live: &&mut Live| live.restoring == Restoring::Asked && live.restore_number == number;
        if let Some(live) = self.live.iter_mut().find(asked) {
            live.restored(snapshot, cache);
        }
        self.trim();
    }
}
