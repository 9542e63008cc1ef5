//! Opening packed files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::checksum::Checksum;
use super::header::{Header, Page};
use super::stored::{self, StoredMatrix};
use super::{EXTENSION, Entry, EntryKind, PackedMatrix};
use crate::{Bytes, CheckpointError, Dtype, Tensor};

/// An opened packed checkpoint. Entries are mapped, and checked against their checksums when they
/// are asked for.
#[derive(Debug)]
pub struct Packed {
    path: PathBuf,
    /// The shards' names for messages, and their bytes.
    shards: Vec<(String, Bytes)>,
    header: Header,
    header_checksum: u64,
    /// Kind and name → place in the header.
    places: HashMap<(EntryKind, String), usize>,
    /// The shards open for [`Packed::stored`].
    stored: Vec<OnceLock<Arc<stored::Shard>>>,
}

impl Packed {
    /// Where the packed checkpoint at `path` begins: the file itself, or the only packed file (or the
    /// first of the only set of shards) of a folder; `None` when there is none.
    pub fn find(path: &Path) -> Option<PathBuf> {
        if path.is_file() {
            return Some(path.to_path_buf());
        }
        let mut firsts = std::fs::read_dir(path).ok()?.filter_map(|entry| {
            let path = entry.ok()?.path();
            let stem = path.file_stem()?.to_str()?;
            let first = shard_of(stem).is_none_or(|(_, number, _)| number == 1);
            (first && path.extension() == Some(OsStr::new(EXTENSION)) && path.is_file()).then_some(path)
        });
        let first = firsts.next()?;
        firsts.next().is_none().then_some(first)
    }

    /// Opens a packed file, or the first one of a set; checks its header and that the others belong to
    /// it, not yet the data.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let file = path.display().to_string();
        let bytes = Bytes::map(path)?;
        let Some(page) = Page::parse(&file, &bytes)? else {
            return Err(CheckpointError::NotPacked { file });
        };
        if page.shard != 0 {
            return Err(CheckpointError::Unsupported {
                file,
                what: format!("a set that begins with shard {}", page.shard + 1),
                hint: "give the first file of the set, or their folder",
            });
        }
        let header = Header::parse(&file, page.header(&file, &bytes)?)?;
        let mut shards = vec![(file, bytes)];
        for number in 1..header.shards.len() {
            shards.push(open_shard(path, &header, page, number)?);
        }
        for ((file, bytes), size) in shards.iter().zip(&header.shards) {
            if (bytes.len() as u64) < *size {
                return Err(CheckpointError::Header {
                    file: file.clone(),
                    offset: bytes.len() as u64,
                    message: format!("the file ends here, its entries at byte {size}"),
                });
            }
        }
        let places = header
            .entries
            .iter()
            .enumerate()
            .map(|(index, entry)| ((entry.kind, entry.name.clone()), index))
            .collect();
        Ok(Self {
            path: path.to_path_buf(),
            stored: shards.iter().map(|_| OnceLock::new()).collect(),
            shards,
            header,
            header_checksum: page.header_checksum,
            places,
        })
    }

    /// The (first) file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every entry, in the file's order.
    pub fn entries(&self) -> &[Entry] {
        &self.header.entries
    }

    /// From what and how it was made, such as `source` and `formats`.
    pub fn provenance(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = [("aurore", self.header.aurore.as_str())];
        let more = self.header.provenance.iter();
        own.into_iter()
            .chain(more.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Version of the kernels' layout that the matrices have.
    pub fn layout(&self) -> u32 {
        self.header.layout
    }

    /// Of the header, which holds the checksum of everything else.
    pub(crate) fn header_checksum(&self) -> u64 {
        self.header_checksum
    }

    /// The entry of that kind and name.
    pub fn entry(&self, kind: EntryKind, name: &str) -> Option<&Entry> {
        let place = self.places.get(&(kind, name.to_owned()))?;
        self.header.entries.get(*place)
    }

    /// A file of the checkpoint; `None` when it was packed without it.
    pub fn file(&self, name: &str) -> Result<Option<&[u8]>, CheckpointError> {
        match self.entry(EntryKind::File, name) {
            Some(entry) => self.checked(entry).map(|[bytes, _]| Some(bytes)),
            None => Ok(None),
        }
    }

    /// The tensor of that official name, if it is one that is kept by itself.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>, CheckpointError> {
        let Some(entry) = self.entry(EntryKind::Tensor, name) else {
            return Ok(None);
        };
        let [bytes, _] = self.checked(entry)?;
        Ok(Some(Tensor {
            name: name.to_owned(),
            file: self.shards[entry.shard].0.clone(),
            dtype: Dtype::F32,
            shape: entry.shape.clone(),
            bytes: Cow::Borrowed(bytes),
        }))
    }

    /// The matrix of that key.
    pub fn matrix(&self, key: &str) -> Result<Option<PackedMatrix<'_>>, CheckpointError> {
        let Some(entry) = self.entry(EntryKind::Matrix, key) else {
            return Ok(None);
        };
        let [elements, scales] = self.checked(entry)?;
        let [rows, columns] = entry.shape[..] else {
            return Ok(None);
        };
        Ok(Some(PackedMatrix {
            file: &self.shards[entry.shard].0,
            layout: self.header.layout,
            format: &entry.format,
            rows,
            columns,
            elements,
            scales,
        }))
    }

    /// The matrix of that key has been copied: its bytes may leave memory.
    pub(crate) fn copied(&self, key: &str) {
        if let Some(entry) = self.entry(EntryKind::Matrix, key) {
            let (_, bytes) = &self.shards[entry.shard];
            let start = entry.offset as usize;
            if let Some(part) = bytes.get(start..start + entry.len() as usize) {
                bytes.leave(part);
            }
        }
    }

    /// The matrix of that key, to be read when it is needed.
    pub fn stored(&self, key: &str) -> Result<Option<StoredMatrix>, CheckpointError> {
        let Some(entry) = self.entry(EntryKind::Matrix, key) else {
            return Ok(None);
        };
        let place = &self.stored[entry.shard];
        let shard = match place.get() {
            Some(shard) => shard,
            None => {
                let path = shard_path(&self.path, entry.shard, self.shards.len());
                let opened = stored::Shard::open(&path)?;
                place.get_or_init(|| opened)
            }
        };
        Ok(StoredMatrix::new(shard, entry, self.header.layout))
    }

    /// Compares every entry with its checksum; `seen` is told the bytes of each one that is right.
    pub fn check(&self, mut seen: impl FnMut(u64)) -> Result<(), CheckpointError> {
        for entry in &self.header.entries {
            self.checked(entry)?;
            seen(entry.len());
        }
        Ok(())
    }

    /// An entry's elements and scales.
    fn checked(&self, entry: &Entry) -> Result<[&[u8]; 2], CheckpointError> {
        let (file, bytes) = &self.shards[entry.shard];
        // The header was checked against the shards' sizes.
        let start = entry.offset as usize;
        let data = bytes.get(start..start + entry.len() as usize).unwrap_or_default();
        let found = Checksum::of(&[data]);
        if found != entry.checksum {
            return Err(CheckpointError::Altered {
                file: file.clone(),
                entry: entry.name.clone(),
                offset: entry.offset,
                expected: entry.checksum,
                found,
            });
        }
        Ok(data.split_at((entry.bytes[0] as usize).min(data.len())).into())
    }
}

/// Stem, number and count of a shard's name without extension, `STEM-00001-of-00003`.
fn shard_of(name: &str) -> Option<(&str, usize, usize)> {
    let (rest, count) = name.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| {
        (text.len() == 5)
            .then(|| text.parse().ok())
            .flatten()
            .filter(|number| *number > 0)
    };
    Some((stem, digits(number)?, digits(count)?))
}

/// The path of one of `count` shards, from 0, of the set at `path`.
pub(super) fn shard_path(path: &Path, number: usize, count: usize) -> PathBuf {
    if count == 1 {
        return path.to_path_buf();
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = shard_of(&name).map_or(&*name, |(stem, ..)| stem);
    let extension = path.extension().unwrap_or(OsStr::new(EXTENSION));
    let name = format!(
        "{stem}-{:05}-of-{count:05}.{}",
        number + 1,
        extension.to_string_lossy()
    );
    path.with_file_name(name)
}

fn open_shard(
    path: &Path,
    header: &Header,
    first: Page,
    number: usize,
) -> Result<(String, Bytes), CheckpointError> {
    let path = shard_path(path, number, header.shards.len());
    let file = path.display().to_string();
    if !path.is_file() {
        let place = path.parent().unwrap_or(Path::new(".")).display().to_string();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        return Err(CheckpointError::MissingFile {
            place,
            name,
            hint: "all files of a packed set must stand in one folder, with the names they were given",
        });
    }
    let bytes = Bytes::map(&path)?;
    match Page::parse(&file, &bytes)? {
        Some(page) if page.set == first.set && page.shard as usize == number => Ok((file, bytes)),
        _ => Err(CheckpointError::Unsupported {
            file,
            what: "a file of another set".to_owned(),
            hint: "put back the one that was packed together with the first",
        }),
    }
}
