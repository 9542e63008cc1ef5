//! The first page and the JSON header of packed files.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::{ALIGN, MAGIC, VERSION};
use crate::{CheckpointError, files::is_plain};

/// Longer headers are refused: 403 billion parameters in experts need 20 MB.
const HEADER_LIMIT: u64 = 512 << 20;
/// More shards than any checkpoint is cut into.
const SHARD_LIMIT: usize = 10_000;
/// Sides beyond this are no matrix of today.
const SIDE_LIMIT: usize = 1 << 40;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A file of the checkpoint.
    File,
    /// f32 numbers under an official name.
    Tensor,
    /// A matrix in a format of the kernels.
    Matrix,
}

/// One entry of a packed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// File name, official name, or key.
    pub name: String,
    /// `raw`, `f32`, or a format of the kernels.
    pub format: String,
    /// Sizes, outermost first; a file has none.
    pub shape: Vec<usize>,
    /// In which file, from 0.
    #[serde(default)]
    pub shard: usize,
    /// From which byte of it on.
    #[serde(default)]
    pub offset: u64,
    /// Bytes of the elements and, directly after them, of the scales.
    pub bytes: [u64; 2],
    /// Of all its bytes.
    #[serde(default)]
    pub checksum: u64,
}

impl Entry {
    /// Bytes of elements and scales.
    pub fn len(&self) -> u64 {
        self.bytes[0].saturating_add(self.bytes[1])
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The JSON header.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// The version that wrote it, for people.
    pub(super) aurore: String,
    /// Version of the kernels' layout.
    pub(super) layout: u32,
    /// From what and how it was made.
    pub(super) provenance: BTreeMap<String, String>,
    /// Bytes of each shard's entries, first page included.
    pub(super) shards: Vec<u64>,
    pub(super) entries: Vec<Entry>,
}

/// The first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) shard: u32,
    pub(super) header_offset: u64,
    pub(super) header_bytes: u64,
    pub(super) header_checksum: u64,
    /// The same in all shards of a set.
    pub(super) set: u64,
}

impl Page {
    pub(super) const SIZE: usize = ALIGN as usize;

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.shard.to_le_bytes());
        for number in [
            self.header_offset,
            self.header_bytes,
            self.header_checksum,
            self.set,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = XxHash3_64::oneshot(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.resize(Self::SIZE, 0);
        bytes
    }

    /// Reads a file's first bytes; `None` when it is no packed file at all.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Option<Self>, CheckpointError> {
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            return Ok(None);
        };
        let damaged = |message: &str| CheckpointError::Header {
            file: file.to_owned(),
            offset: 0,
            message: message.to_owned(),
        };
        let number = |at: usize| -> Option<u64> {
            let bytes = rest.get(at..)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let cut = || damaged("the file ends within its first page");
        let first = number(0).ok_or_else(cut)?;
        let (version, shard) = (first as u32, (first >> 32) as u32);
        if version != VERSION {
            return Err(CheckpointError::PackedVersion {
                file: file.to_owned(),
                what: "packed file",
                found: version,
                supported: VERSION,
            });
        }
        let checksum = number(40).ok_or_else(cut)?;
        if bytes.len() < Self::SIZE {
            return Err(cut());
        }
        if XxHash3_64::oneshot(&bytes[..MAGIC.len() + 40]) != checksum {
            return Err(damaged(
                "the first page was altered, or the file was never finished",
            ));
        }
        Ok(Some(Self {
            shard,
            header_offset: number(8).ok_or_else(cut)?,
            header_bytes: number(16).ok_or_else(cut)?,
            header_checksum: number(24).ok_or_else(cut)?,
            set: number(32).ok_or_else(cut)?,
        }))
    }

    /// The header's bytes in its file, checked.
    pub(super) fn header<'a>(self, file: &str, bytes: &'a [u8]) -> Result<&'a [u8], CheckpointError> {
        let damaged = |message: String| CheckpointError::Header {
            file: file.to_owned(),
            offset: self.header_offset,
            message,
        };
        if self.header_bytes > HEADER_LIMIT {
            return Err(damaged(format!(
                "a header of {} bytes is beyond any sense",
                self.header_bytes
            )));
        }
        let end = self.header_offset.checked_add(self.header_bytes);
        let range = usize::try_from(self.header_offset)
            .ok()
            .zip(end.and_then(|end| usize::try_from(end).ok()));
        let Some(header) = range.and_then(|(start, end)| bytes.get(start..end)) else {
            return Err(damaged(format!(
                "the header should end at byte {}, the file ends at {}",
                end.unwrap_or(u64::MAX),
                bytes.len()
            )));
        };
        if XxHash3_64::oneshot(header) != self.header_checksum {
            return Err(damaged("the header was altered".to_owned()));
        }
        Ok(header)
    }
}

impl Header {
    /// Reads and checks a header; every entry then lies in its shard, apart from all others.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let header: Self = serde_json::from_slice(bytes).map_err(|error| CheckpointError::Json {
            file: file.to_owned(),
            message: format!("the header: {error}"),
        })?;
        if header.shards.is_empty() || header.shards.len() > SHARD_LIMIT {
            return Err(CheckpointError::Field {
                file: file.to_owned(),
                field: "shards".to_owned(),
                expected: format!("1 to {SHARD_LIMIT}"),
                found: header.shards.len().to_string(),
            });
        }
        let mut names = HashSet::new();
        for entry in &header.entries {
            let wrong = |expected: String, found: String| CheckpointError::Entry {
                file: file.to_owned(),
                tensor: entry.name.clone(),
                expected,
                found,
            };
            if !names.insert((entry.kind, entry.name.as_str())) {
                return Err(wrong(
                    "one entry".to_owned(),
                    "another of the same name".to_owned(),
                ));
            }
            let Some(size) = header.shards.get(entry.shard) else {
                let expected = format!("one of {} shards", header.shards.len());
                return Err(wrong(expected, format!("shard {}", entry.shard)));
            };
            let end = entry.offset.checked_add(entry.len());
            if entry.offset < ALIGN
                || !entry.offset.is_multiple_of(ALIGN)
                || end.is_none_or(|end| end > *size)
            {
                let expected = format!("a place in the {size} bytes of its shard, from a whole page on");
                return Err(wrong(
                    expected,
                    format!("{} bytes from {}", entry.len(), entry.offset),
                ));
            }
            let elements = entry
                .shape
                .iter()
                .try_fold(1usize, |product, side| product.checked_mul(*side))
                .filter(|_| entry.shape.iter().all(|side| *side <= SIDE_LIMIT));
            let fits = match entry.kind {
                EntryKind::File => is_plain(&entry.name) && entry.bytes[1] == 0,
                EntryKind::Matrix => entry.shape.len() == 2 && elements.is_some(),
                EntryKind::Tensor => {
                    let bytes = elements.and_then(|elements| (elements as u64).checked_mul(4));
                    entry.format == "f32" && bytes == Some(entry.bytes[0]) && entry.bytes[1] == 0
                }
            };
            if !fits {
                let found = format!("{} {:?} in {} bytes", entry.format, entry.shape, entry.len());
                return Err(wrong("a size that fits its kind".to_owned(), found));
            }
        }
        header.apart(file)?;
        Ok(header)
    }

    fn apart(&self, file: &str) -> Result<(), CheckpointError> {
        let mut order: Vec<&Entry> = self.entries.iter().filter(|entry| !entry.is_empty()).collect();
        order.sort_by_key(|entry| (entry.shard, entry.offset));
        for pair in order.windows(2) {
            let [first, second] = pair else { continue };
            if first.shard == second.shard && first.offset + first.len() > second.offset {
                return Err(CheckpointError::Entry {
                    file: file.to_owned(),
                    tensor: second.name.clone(),
                    expected: format!("data after {}", first.name),
                    found: format!("an overlap at byte {}", second.offset),
                });
            }
        }
        Ok(())
    }
}

/// Any JSON value's fingerprint.
pub(super) fn fingerprint(value: &impl Serialize) -> u64 {
    // A header holds text and numbers only, which always serialise.
    XxHash3_64::oneshot(&serde_json::to_vec(value).unwrap_or_default())
}
