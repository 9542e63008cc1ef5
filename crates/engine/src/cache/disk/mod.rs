//! What was read before and outlives the process: states and blocks of keys and values in files.
//!
//! A file for every block of 64 tokens and one for every state, named by a hash of everything that led there, in a folder
//! named by a hash of everything that changes bits: checkpoint, formats, configuration, instruction set, program. A file
//! is written beside its place and then renamed; it is believed when its head is what is expected and its checksum
//! holds, and deleted otherwise. Two threads of their own write and read, so that no answer waits for the disk. Whatever
//! the disk refuses costs nothing but reading again.

mod file;
mod index;
mod key;
mod ration;
mod reader;
mod shelf;
mod writer;

#[cfg(test)]
mod fuzz_tests;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use aurore_model::{Model, Snapshot};

use super::BlockKey;
use key::{PathKey, path_keys};
use shelf::Shelf;

/// Things that wait to be written; what comes when there are more is not written.
const QUEUE: usize = 1024;

/// Where and how much of what was read is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskLimits {
    /// The folder; made if it is not there. Several programs may share it.
    pub folder: PathBuf,
    /// Bytes of all files in it, those of other checkpoints included; the oldest go first.
    pub bytes: u64,
    /// Bytes of the disk that are left free for others.
    pub spare: u64,
    /// Most bytes that are written in an hour, for a disk wears with them; no limit if absent.
    pub hourly: Option<u64>,
    /// Whatever changes the bits of a state and is not known here: checkpoint, formats of the weights, program. The
    /// network's configuration, its format of keys and values, and the instruction set are known.
    pub identity: Vec<u8>,
}

/// Figures of the cache on disk. Counts only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskStatistics {
    /// Bytes of all files.
    pub bytes: u64,
    /// States that could be used.
    pub states: usize,
    /// Tokens that were read from it.
    pub tokens: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Files that were torn or altered, and dropped.
    pub damaged: u64,
    /// States that could not be written.
    pub failed: u64,
    /// States that were not written because the hour's bytes were.
    pub held_back: u64,
}

/// The cache on disk.
#[derive(Debug)]
pub(crate) struct Disk {
    shelf: Arc<Shelf>,
    writes: SyncSender<Write>,
    reads: Sender<Read>,
    /// Kept to be waited for.
    threads: Vec<JoinHandle<()>>,
}

/// What the writing thread is told.
#[derive(Debug)]
enum Write {
    /// Keep the state after this path, if memory still has it when its turn comes.
    Keep(Arc<[PathKey]>, Weak<Snapshot>),
    /// This path was used.
    Used(Arc<[PathKey]>),
    /// Say when everything before this was done.
    Flush(Sender<()>),
}

/// What the reading thread is asked for.
struct Read {
    path: Arc<[PathKey]>,
    /// What memory has of it.
    base: Option<Snapshot>,
    done: Done,
}

/// Whoever waits for a state; told of none if nobody tells of one.
struct Done(Option<Box<dyn FnOnce(Option<Snapshot>) + Send>>);

impl Done {
    fn tell(mut self, snapshot: Option<Snapshot>) {
        if let Some(done) = self.0.take() {
            done(snapshot);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(None);
        }
    }
}

impl Disk {
    /// Opens the folder; `None`, with a warning, when the system does not let it be used.
    pub(crate) fn open(limits: &DiskLimits, model: &Arc<Model>) -> Option<Self> {
        let shelf = match Shelf::open(limits, model) {
            Ok(shelf) => Arc::new(shelf),
            Err(error) => {
                let folder = limits.folder.display();
                tracing::warn!(%folder, %error, "nothing is kept on disk: the folder cannot be used");
                return None;
            }
        };
        let (writes, write_jobs) = sync_channel(QUEUE);
        let (reads, read_jobs) = channel();
        let writer = writer::Writer::new(Arc::clone(&shelf), limits.hourly);
        let reader = reader::Reader::new(Arc::clone(&shelf), Arc::clone(model));
        let threads = [
            thread("aurore-keep", move || writer.run(&write_jobs)),
            thread("aurore-restore", move || reader.run(&read_jobs)),
        ];
        Some(Self {
            shelf,
            writes,
            reads,
            threads: threads.into_iter().collect::<Option<Vec<_>>>()?,
        })
    }

    /// Blocks of a prompt that are there, and how many of them lead to the deepest state, `most` at most.
    pub(crate) fn reach(&self, keys: &[BlockKey], most: usize) -> (usize, usize) {
        self.shelf.index().reach(&path_keys(keys), most)
    }

    /// Reads the deepest state of a prompt, `most` blocks at most, if it goes beyond `base`; `done` is given it on another
    /// thread, or nothing.
    pub(crate) fn restore(
        &self,
        keys: &[BlockKey],
        most: usize,
        base: Option<Snapshot>,
        done: impl FnOnce(Option<Snapshot>) + Send + 'static,
    ) {
        let path = path_keys(&keys[..most.min(keys.len())]).into();
        let done = Done(Some(Box::new(done)));
        // If there is no thread any more it is told of nothing.
        let _ = self.reads.send(Read { path, base, done });
    }

    /// Has a state written that memory keeps.
    pub(crate) fn keep(&self, keys: &[BlockKey], snapshot: &Arc<Snapshot>) {
        let keep = Write::Keep(path_keys(keys).into(), Arc::downgrade(snapshot));
        if let Err(TrySendError::Full(_)) = self.writes.try_send(keep) {
            self.shelf.count(|statistics| statistics.failed += 1);
        }
    }

    /// Notes that this much of a prompt was used.
    pub(crate) fn used(&self, keys: &[BlockKey]) {
        // A later use will be noted.
        let _ = self.writes.try_send(Write::Used(path_keys(keys).into()));
    }

    /// Waits until everything was written, so long at most.
    pub(crate) fn flush(&self, patience: Duration) {
        let (done, waiting) = channel();
        let mut flush = Write::Flush(done);
        let until = std::time::Instant::now() + patience;
        while let Err(TrySendError::Full(again)) = self.writes.try_send(flush) {
            if std::time::Instant::now() >= until {
                return;
            }
            flush = again;
            std::thread::sleep(Duration::from_millis(5));
        }
        let left = until.saturating_duration_since(std::time::Instant::now());
        let _ = waiting.recv_timeout(left);
    }

    /// What it did.
    pub(crate) fn statistics(&self) -> DiskStatistics {
        self.shelf.statistics()
    }

    /// Notes tokens that need not be read because of it.
    pub(crate) fn count_tokens(&self, tokens: usize) {
        self.shelf.count(|statistics| statistics.tokens += tokens as u64);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Both threads end with their channels.
        let (writes, _) = sync_channel(0);
        let (reads, _) = channel();
        drop(std::mem::replace(&mut self.writes, writes));
        drop(std::mem::replace(&mut self.reads, reads));
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    if let Err(error) = &thread {
        tracing::warn!(%error, "nothing is kept on disk: the system refused a thread");
    }
    thread.ok()
}

/// What jobs come over.
type Jobs<T> = Receiver<T>;
