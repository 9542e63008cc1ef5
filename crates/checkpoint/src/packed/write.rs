//! Writing packed files: one entry at a time, to names of its own until all is there, and resumable.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checksum::Checksum;
use super::header::{Header, Page, fingerprint};
use super::journal::Journal;
use super::read::shard_path;
use super::{ALIGN, Entry, EntryKind, VERSION};
use crate::CheckpointError;

/// Bytes read at once when finished entries are compared with their checksums.
const PIECE: usize = 1 << 20;

/// Everything that a packed file will hold, known before any of it is made.
#[derive(Clone, Debug, Default)]
pub struct PackPlan {
    entries: Vec<Entry>,
    provenance: BTreeMap<String, String>,
    layout: u32,
    shard_bytes: Option<u64>,
}

impl PackPlan {
    /// Nothing yet; matrices will have that version of the kernels' layout. A shard has at most
    /// `shard_bytes` bytes, unless one entry alone has more; `None`: one file.
    pub fn new(layout: u32, shard_bytes: Option<u64>) -> Self {
        Self {
            layout,
            shard_bytes,
            ..Self::default()
        }
    }

    /// Notes from what or how the file is made. A run resumes another one only when all of it is the same.
    pub fn provenance(&mut self, name: &str, value: impl Into<String>) {
        self.provenance.insert(name.to_owned(), value.into());
    }

    /// A file of the checkpoint, of that many bytes.
    pub fn file(&mut self, name: &str, bytes: u64) {
        self.add(EntryKind::File, name, "raw", Vec::new(), [bytes, 0]);
    }

    /// A tensor of f32 numbers.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) {
        let bytes = shape.iter().map(|side| *side as u64).product::<u64>() * 4;
        self.add(EntryKind::Tensor, name, "f32", shape.to_vec(), [bytes, 0]);
    }

    /// A matrix with so many bytes of elements and of scales.
    pub fn matrix(&mut self, key: &str, format: &str, rows: usize, columns: usize, bytes: [u64; 2]) {
        self.add(EntryKind::Matrix, key, format, vec![rows, columns], bytes);
    }

    fn add(&mut self, kind: EntryKind, name: &str, format: &str, shape: Vec<usize>, bytes: [u64; 2]) {
        let (mut shard, mut offset) = match self.entries.last() {
            Some(last) => (last.shard, (last.offset + last.len()).next_multiple_of(ALIGN)),
            None => (0, ALIGN),
        };
        let end = offset + bytes[0] + bytes[1];
        if offset > ALIGN && self.shard_bytes.is_some_and(|limit| end > limit) {
            (shard, offset) = (shard + 1, ALIGN);
        }
        self.entries.push(Entry {
            kind,
            name: name.to_owned(),
            format: format.to_owned(),
            shape,
            shard,
            offset,
            bytes,
            checksum: 0,
        });
    }

    /// The entries in the order in which they are written.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of all files together, without the header.
    pub fn bytes(&self) -> u64 {
        self.shards().iter().sum()
    }

    fn shards(&self) -> Vec<u64> {
        let mut sizes = vec![ALIGN];
        for entry in &self.entries {
            sizes.resize(sizes.len().max(entry.shard + 1), ALIGN);
            sizes[entry.shard] = entry.offset + entry.len();
        }
        sizes
    }

    fn set(&self) -> u64 {
        #[derive(Serialize)]
        struct All<'a>(u32, u32, &'a BTreeMap<String, String>, &'a [Entry]);
        fingerprint(&All(VERSION, self.layout, &self.provenance, &self.entries))
    }
}

/// Writes what a plan says. Dropped or killed before [`finish`](Self::finish), it leaves files ending
/// in `.partial` and a `.journal` beside them, from which the next writer of the same plan goes on.
pub struct Writer {
    path: PathBuf,
    plan: PackPlan,
    shards: Vec<File>,
    journal: Journal,
    done: BTreeMap<usize, u64>,
}

impl Writer {
    /// Begins, or goes on where an earlier writer of the same plan was stopped: what is there is
    /// compared with its checksums, `compared` is told the bytes of each entry. A finished file at
    /// `path` is an error unless it may be replaced.
    pub fn open(
        path: &Path,
        plan: PackPlan,
        replace: bool,
        mut compared: impl FnMut(u64),
    ) -> Result<Self, CheckpointError> {
        let (count, set) = (plan.shards().len(), plan.set());
        let target = shard_path(path, 0, count);
        if target.exists() && !replace {
            return Err(CheckpointError::Exists { path: target });
        }
        let journal = beside(path, "journal");
        let noted = Journal::read(&journal, set);
        let mut shards = Vec::with_capacity(count);
        for number in 0..count {
            let target = shard_path(path, number, count);
            let partial = beside(&target, "partial");
            // A kill among the last renames leaves finished shards behind.
            if !noted.is_empty() && number > 0 && !partial.exists() && belongs(&target, set, number) {
                rename(&target, &partial)?;
            }
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(noted.is_empty())
                .open(&partial)
                .map_err(|error| CheckpointError::write(&partial, error))?;
            shards.push(file);
        }
        let mut done = BTreeMap::new();
        for (index, checksum) in noted {
            let Some(entry) = plan.entries.get(index) else {
                continue;
            };
            if checksum_in(&mut shards[entry.shard], entry) == Some(checksum) {
                done.insert(index, checksum);
            }
            compared(entry.len());
        }
        Ok(Self {
            path: path.to_path_buf(),
            shards,
            journal: Journal::begin(journal, set, &done)?,
            done,
            plan,
        })
    }

    /// Whether an entry of the plan was written already.
    pub fn is_done(&self, index: usize) -> bool {
        self.done.contains_key(&index)
    }

    /// Writes an entry of the plan: its elements and scales.
    ///
    /// # Errors
    /// When the bytes are not as many as planned, or cannot be written. What was written before stays.
    pub fn write(&mut self, index: usize, pieces: [&[u8]; 2]) -> Result<(), CheckpointError> {
        let entry = self.plan.entries.get(index);
        let Some(entry) = entry.filter(|entry| entry.bytes == pieces.map(|piece| piece.len() as u64)) else {
            return Err(CheckpointError::Entry {
                file: self.path.display().to_string(),
                tensor: entry.map_or_else(|| index.to_string(), |entry| entry.name.clone()),
                expected: format!("{:?} bytes", entry.map(|entry| entry.bytes)),
                found: format!("{:?}", pieces.map(<[u8]>::len)),
            });
        };
        let file = &mut self.shards[entry.shard];
        let written = file.seek(SeekFrom::Start(entry.offset)).and_then(|_| {
            pieces
                .iter()
                .filter(|piece| !piece.is_empty())
                .try_for_each(|piece| file.write_all(piece))
        });
        if let Err(error) = written {
            let target = shard_path(&self.path, entry.shard, self.shards.len());
            return Err(CheckpointError::write(&beside(&target, "partial"), error));
        }
        let checksum = Checksum::of(&pieces);
        self.journal.add(index, checksum)?;
        self.done.insert(index, checksum);
        Ok(())
    }

    /// Writes the header and gives all files their names; returns the (first) file's.
    ///
    /// # Errors
    /// When an entry of the plan was not written, or the disk refuses.
    pub fn finish(mut self) -> Result<PathBuf, CheckpointError> {
        let set = self.plan.set();
        let mut entries = std::mem::take(&mut self.plan.entries);
        for (index, entry) in entries.iter_mut().enumerate() {
            let Some(checksum) = self.done.get(&index) else {
                return Err(CheckpointError::MissingTensor {
                    file: self.path.display().to_string(),
                    tensor: entry.name.clone(),
                    expected: entry.shape.clone(),
                    hint: "every planned entry must be written",
                });
            };
            entry.checksum = *checksum;
        }
        self.plan.entries = entries;
        let count = self.shards.len();
        let sizes = self.plan.shards();
        let header = Header {
            aurore: env!("CARGO_PKG_VERSION").to_owned(),
            layout: self.plan.layout,
            provenance: self.plan.provenance.clone(),
            entries: std::mem::take(&mut self.plan.entries),
            shards: sizes.clone(),
        };
        let header = serde_json::to_vec(&header).map_err(|error| CheckpointError::Json {
            file: self.path.display().to_string(),
            message: error.to_string(),
        })?;
        let offset = sizes[0].next_multiple_of(ALIGN);
        for (number, file) in self.shards.iter_mut().enumerate() {
            let own = if number == 0 { header.as_slice() } else { &[] };
            let page = Page {
                shard: number as u32,
                header_offset: if number == 0 { offset } else { 0 },
                header_bytes: own.len() as u64,
                header_checksum: twox_hash::XxHash3_64::oneshot(own),
                set,
            };
            let end = if number == 0 {
                offset + own.len() as u64
            } else {
                sizes[number]
            };
            let written = file
                .seek(SeekFrom::Start(offset))
                .and_then(|_| file.write_all(own))
                .and_then(|()| file.set_len(end))
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(&page.to_bytes()))
                .and_then(|()| file.sync_all());
            let target = shard_path(&self.path, number, count);
            written.map_err(|error| CheckpointError::write(&beside(&target, "partial"), error))?;
        }
        // The first one last: the set can be opened only when all of it is there.
        for number in (0..count).rev() {
            let target = shard_path(&self.path, number, count);
            rename(&beside(&target, "partial"), &target)?;
        }
        // A journal that stays does no harm: it is compared with what is there.
        let _ = std::fs::remove_file(beside(&self.path, "journal"));
        Ok(shard_path(&self.path, 0, count))
    }
}

/// `model.aurore` → `model.aurore.partial`
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(extension);
    path.with_file_name(name)
}

fn rename(from: &Path, to: &Path) -> Result<(), CheckpointError> {
    std::fs::rename(from, to).map_err(|error| CheckpointError::write(to, error))
}

/// Whether the file is that shard of that set.
fn belongs(path: &Path, set: u64, number: usize) -> bool {
    let mut first = vec![0; Page::SIZE];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    let page = read
        .ok()
        .and_then(|()| Page::parse(&path.display().to_string(), &first).ok()?);
    page.is_some_and(|page| page.set == set && page.shard as usize == number)
}

/// The checksum of what stands where an entry belongs; `None` when the file ends before its end.
fn checksum_in(file: &mut File, entry: &Entry) -> Option<u64> {
    let mut checksum = Checksum::default();
    let mut left = entry.len();
    let mut piece = vec![0; PIECE];
    file.seek(SeekFrom::Start(entry.offset)).ok()?;
    while left > 0 {
        let size = left.min(PIECE as u64) as usize;
        file.read_exact(&mut piece[..size]).ok()?;
        checksum.update(&piece[..size]);
        left -= size as u64;
    }
    Some(checksum.finish())
}
