//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use aurore_model::Snapshot;

use super::file::{HEAD, Kind};
use super::key::PathKey;
use super::ration::Ration;
use super::shelf::Shelf;
use super::{Jobs, Write};

/// After an error so many states are passed over, and twice as many after the next.
const PATIENCE: u32 = 4;
/// No more than this.
const LONGEST: u32 = 256;

pub(super) struct Writer {
    shelf: Arc<Shelf>,
    buffer: Vec<u8>,
    ration: Ration,
    /// States to pass over, and how many were passed over last time.
    skip: u32,
    skipped: u32,
}

impl Writer {
    pub(super) fn new(shelf: Arc<Shelf>, hourly: Option<u64>) -> Self {
        Self {
            shelf,
            buffer: Vec::new(),
            ration: Ration::new(hourly, Instant::now()),
            skip: 0,
            skipped: 0,
        }
    }

    pub(super) fn run(mut self, jobs: &Jobs<Write>) {
        for job in jobs {
            match job {
                Write::Keep(path, snapshot) => {
                    // What memory has given up meanwhile was not worth it.
                    if let Some(snapshot) = snapshot.upgrade() {
                        self.keep(&path, &snapshot);
                    }
                }
                Write::Used(path) => self.shelf.used(&path),
                Write::Flush(done) => _ = done.send(()),
            }
        }
    }

    fn keep(&mut self, path: &[PathKey], snapshot: &Snapshot) {
        if self.skip > 0 {
            self.skip -= 1;
            self.shelf.count(|statistics| statistics.failed += 1);
            return;
        }
        if !self.ration.allows(Instant::now()) {
            self.shelf.count(|statistics| statistics.held_back += 1);
            return;
        }
        match self.write(path, snapshot) {
            Ok(()) => self.skipped = 0,
            Err(error) => {
                self.shelf.count(|statistics| statistics.failed += 1);
                self.skipped = (self.skipped * 2).clamp(PATIENCE, LONGEST);
                self.skip = self.skipped;
                tracing::warn!(%error, "what was read cannot be kept on disk; it will be tried again");
                if error.kind() == io::ErrorKind::StorageFull {
                    self.shelf.give_back();
                }
            }
        }
    }

    fn write(&mut self, path: &[PathKey], snapshot: &Snapshot) -> io::Result<()> {
        let Some(last) = path.last() else { return Ok(()) };
        let blocks = path.len() as u64 * self.shelf.file_len(Kind::Block);
        // One that would push out all others would soon be pushed out itself.
        if blocks + self.shelf.file_len(Kind::State) > self.shelf.limit() / 2 {
            return Ok(());
        }
        // What leads here must not be given up to make room for it.
        self.shelf.index().used(path);
        for (number, key) in path.iter().enumerate() {
            if self.shelf.index().has(Kind::Block, key) {
                continue;
            }
            self.start();
            if snapshot.write_block(number, &mut self.buffer) {
                self.put(Kind::Block, *key, number + 1)?;
            }
        }
        if !self.shelf.index().has(Kind::State, last) {
            self.start();
            snapshot.write_state(&mut self.buffer);
            self.put(Kind::State, *last, path.len())?;
        }
        // All of one age, so that the end goes before what leads to it.
        self.shelf.used(path);
        Ok(())
    }

    fn put(&mut self, kind: Kind, key: PathKey, blocks: usize) -> io::Result<()> {
        self.shelf.write(kind, key, blocks, &mut self.buffer)?;
        self.ration.spend(self.buffer.len());
        Ok(())
    }

    fn start(&mut self) {
        self.buffer.clear();
        self.buffer.resize(HEAD, 0);
    }
}
