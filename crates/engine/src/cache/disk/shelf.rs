//! The folder and what is known of it, which the threads share.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use aurore_model::Model;

use super::file::{HEAD, Head, Kind, create_folder};
use super::index::{Index, Victim, name, nanoseconds, parse};
use super::key::{Identity, PathKey, hex, identity, unhex};
use super::{DiskLimits, DiskStatistics};

/// How names of files begin that are not whole yet.
const PARTIAL: &str = "partial-";
/// After how many files the folder is read again, for others may write to it too.
const LOOK_AGAIN: u64 = 4096;

#[derive(Debug)]
pub(super) struct Shelf {
    root: PathBuf,
    /// Of this identity.
    folder: PathBuf,
    identity: Identity,
    /// Bytes of all files; falls when the disk is full.
    limit: AtomicU64,
    spare: u64,
    /// Bytes of a file's content.
    block_len: usize,
    state_len: usize,
    index: Mutex<Index>,
    statistics: Mutex<DiskStatistics>,
    partial: AtomicU64,
}

impl Shelf {
    /// Makes the folder if need be, and looks what is in it.
    pub(super) fn open(limits: &DiskLimits, model: &Model) -> io::Result<Self> {
        let identity = identity(model, &limits.identity);
        let folder = limits.folder.join(hex(&identity));
        create_folder(&folder)?;
        let index = scan(&limits.folder, &identity)?;
        let shelf = Self {
            root: limits.folder.clone(),
            folder,
            identity,
            limit: AtomicU64::new(limits.bytes),
            spare: limits.spare,
            block_len: model.block_len(),
            state_len: model.state_len(),
            index: Mutex::new(index),
            statistics: Mutex::default(),
            partial: AtomicU64::new(0),
        };
        shelf.shrink(limits.bytes);
        Ok(shelf)
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut DiskStatistics)) {
        count(&mut self.statistics.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn statistics(&self) -> DiskStatistics {
        let mut now = *self.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.index();
        (now.bytes, now.states) = (index.bytes(), index.states());
        now
    }

    /// Bytes of a file of this kind.
    pub(super) fn file_len(&self, kind: Kind) -> u64 {
        (HEAD + self.content_len(kind)) as u64
    }

    fn content_len(&self, kind: Kind) -> usize {
        match kind {
            Kind::Block => self.block_len,
            Kind::State => self.state_len,
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Writes a file, `buffer` of [`HEAD`] bytes and its content, after making room for it.
    ///
    /// # Errors
    /// As the system says; [`io::ErrorKind::StorageFull`] also when too little would be left for others.
    pub(super) fn write(&self, kind: Kind, key: PathKey, blocks: usize, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = buffer.len() as u64;
        let number = self.partial.fetch_add(1, Ordering::Relaxed);
        if number % LOOK_AGAIN == LOOK_AGAIN - 1 {
            *self.index() = scan(&self.root, &self.identity)?;
        }
        let limit = self.limit();
        if self.index().bytes() + bytes > limit {
            // More than is needed, so that it is not done for every file.
            self.shrink((limit - limit / 16).saturating_sub(bytes));
        }
        if fs4::available_space(&self.folder)? < self.spare.saturating_add(bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let beside = self
            .folder
            .join(format!("{PARTIAL}{}-{number}", std::process::id()));
        let head = self.head(kind, key);
        let place = self.place(kind, &key, blocks);
        head.write(buffer, &beside, &place)?;
        self.index().add(kind, key, blocks, bytes, None);
        self.count(|statistics| statistics.written_bytes += bytes);
        Ok(())
    }

    /// Reads a file's content into `buffer`, behind [`HEAD`] bytes. One that is not what it should be is deleted.
    pub(super) fn read(&self, kind: Kind, key: PathKey, blocks: usize, buffer: &mut Vec<u8>) -> bool {
        let place = self.place(kind, &key, blocks);
        let outcome = self.head(kind, key).read(self.content_len(kind), &place, buffer);
        if let Err(error) = &outcome {
            // Another program may have given it up; anything else is damage.
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(file = %place.display(), %error, "a damaged file of the prefix cache is dropped");
                self.count(|statistics| statistics.damaged += 1);
            }
            self.index().remove(kind, &key);
            let _ = fs::remove_file(&place);
        }
        outcome.is_ok()
    }

    /// Notes that a path and the state at its end were used, in the files too: other runs are to know.
    pub(super) fn used(&self, path: &[PathKey]) {
        let (names, now) = self.index().used(path);
        let time = UNIX_EPOCH + Duration::from_nanos(now);
        for name in names {
            let file = fs::File::options().write(true).open(self.folder.join(name));
            // What is gone or may not be changed is only given up earlier.
            let _ = file.and_then(|file| file.set_modified(time));
        }
    }

    /// After the disk was full: gives a part back, and stays below that.
    pub(super) fn give_back(&self) {
        let bytes = self.index().bytes();
        let limit = bytes - bytes / 8;
        self.limit.store(limit, Ordering::Relaxed);
        self.shrink(limit);
    }

    fn shrink(&self, bytes: u64) {
        let victims = self.index().shrink(bytes);
        for victim in victims {
            let path = match victim {
                Victim::Own(name) => self.folder.join(name),
                Victim::Foreign(path) => path,
            };
            // What another program gave up before is gone too.
            let _ = fs::remove_file(&path);
            if let Some(folder) = path.parent().filter(|folder| *folder != self.folder) {
                // Only if nothing is left in it.
                let _ = fs::remove_dir(folder);
            }
        }
    }

    fn head(&self, kind: Kind, path: PathKey) -> Head {
        Head {
            identity: self.identity,
            kind,
            path,
        }
    }

    fn place(&self, kind: Kind, key: &PathKey, blocks: usize) -> PathBuf {
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        self.folder.join(name(kind, blocks, key))
    }
}

/// What is in the folder of all caches. Only what a cache could have written counts, for only that will be deleted.
fn scan(root: &Path, own: &Identity) -> io::Result<Index> {
    let mut index = Index::default();
    for folder in fs::read_dir(root)? {
        let folder = folder?;
        let Some(identity) = folder.file_name().to_str().and_then(unhex) else {
            continue;
        };
        let Ok(files) = fs::read_dir(folder.path()) else {
            continue;
        };
        for file in files.flatten() {
            let name = file.file_name();
            let Some(name) = name.to_str() else { continue };
            let Some(metadata) = file.metadata().ok().filter(fs::Metadata::is_file) else {
                continue;
            };
            let used = metadata.modified().map_or(0, nanoseconds);
            match parse(name) {
                Some((kind, blocks, key)) if identity == *own => {
                    index.add(kind, key, blocks as usize, metadata.len(), Some(used));
                }
                Some((_, blocks, _)) => index.add_foreign(file.path(), blocks, metadata.len(), used),
                None if name.starts_with(PARTIAL) => {
                    index.add_foreign(file.path(), 0, metadata.len(), used);
                }
                None => {}
            }
        }
    }
    Ok(index)
}
