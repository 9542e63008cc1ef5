//! Reading safetensors files without trusting them.
//!
//! Layout: an 8-byte little-endian header length, a JSON header, then the data that the header's
//! offsets point into. See <https://github.com/huggingface/safetensors>.

use std::{borrow::Cow, collections::BTreeMap, ops::Range, path::Path};

use serde::Deserialize;

use crate::{Bytes, CheckpointError, Dtype, Tensor, config::unique_map};

/// Longer headers are refused, as the format's own library does.
const HEADER_LIMIT: u64 = 100_000_000;
/// More dimensions than any weight has.
const RANK_LIMIT: usize = 8;

/// One safetensors file: a checked header over mapped or embedded bytes.
#[derive(Debug)]
pub struct SafetensorsFile {
    file: String,
    bytes: Bytes,
    entries: BTreeMap<String, Entry>,
}

/// One tensor's place in a file; `range` lies within the file and fits shape and data type.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The header's own word.
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) range: Range<usize>,
}

#[derive(Deserialize)]
struct Header(#[serde(deserialize_with = "unique_map")] Vec<(String, Value)>);

/// `__metadata__` holds text, every other key a tensor.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Tensor(RawEntry),
    Metadata(#[expect(dead_code, reason = "checked to be text, not used")] BTreeMap<String, String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl SafetensorsFile {
    /// Maps the file at `path` and checks its header.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        Self::parse(path.display().to_string(), Bytes::map(path)?)
    }

    /// Checks the header of a file's bytes; `file` is its name for messages.
    pub fn parse(file: String, bytes: Bytes) -> Result<Self, CheckpointError> {
        let header_error = |offset: u64, message: String| CheckpointError::Header {
            file: file.clone(),
            offset,
            message,
        };
        let total = bytes.len() as u64;
        let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
            let message = format!("the file ends after {total} bytes, within the header's length");
            return Err(header_error(0, message));
        };
        let length = u64::from_le_bytes(*length);
        if length > HEADER_LIMIT {
            return Err(header_error(
                0,
                format!("a header of {length} bytes is beyond any sense"),
            ));
        }
        let Some(header) = rest.get(..length as usize) else {
            let message = format!("the header claims {length} bytes, the file has {}", rest.len());
            return Err(header_error(0, message));
        };
        let header = std::str::from_utf8(header).map_err(|error| {
            header_error(
                8 + error.valid_up_to() as u64,
                "the header is not UTF-8".to_owned(),
            )
        })?;
        let Header(pairs) = serde_json::from_str(header)
            .map_err(|error| header_error(8, format!("the header is not right: {error}")))?;
        let data_start = 8 + length as usize;
        let data_size = rest.len() - length as usize;
        let mut entries = BTreeMap::new();
        for (name, value) in pairs {
            match value {
                Value::Tensor(raw) => {
                    let entry = check_entry(&file, &name, raw, data_start, data_size)?;
                    entries.insert(name, entry);
                }
                Value::Metadata(_) if name == "__metadata__" => {}
                Value::Metadata(_) => {
                    return Err(header_error(
                        8,
                        format!("{name:?} has no dtype, shape and data_offsets"),
                    ));
                }
            }
        }
        check_cover(&file, &entries, data_start, bytes.len())?;
        Ok(Self { file, bytes, entries })
    }

    /// The file's name for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The names in the file, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The tensor of that name in the file, or an error that says it is missing.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError> {
        self.get(name)?.ok_or_else(|| CheckpointError::MissingTensor {
            file: self.file.clone(),
            tensor: name.to_owned(),
            expected: Vec::new(),
            hint: "the file lacks a tensor that belongs into it",
        })
    }

    /// The tensor of that name in the file, if there is one.
    pub fn get(&self, name: &str) -> Result<Option<Tensor<'_>>, CheckpointError> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let dtype = Dtype::parse(&entry.dtype).ok_or_else(|| CheckpointError::WrongDtype {
            file: self.file.clone(),
            tensor: name.to_owned(),
            expected: "F32, BF16, F16 (F64, I32, I64 in verification cases)",
            found: entry.dtype.clone(),
        })?;
        let bytes = self.bytes.get(entry.range.clone()).unwrap_or_default();
        Ok(Some(Tensor {
            name: name.to_owned(),
            file: self.file.clone(),
            dtype,
            shape: entry.shape.clone(),
            bytes: Cow::Borrowed(bytes),
        }))
    }

    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }
}

/// Bytes per element of the format's data types, also of those that cannot be weights here.
fn element_size(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" => 1,
        "U16" | "I16" | "F16" | "BF16" => 2,
        "U32" | "I32" | "F32" => 4,
        "U64" | "I64" | "F64" | "C64" => 8,
        _ => return None,
    })
}

fn check_entry(
    file: &str,
    name: &str,
    raw: RawEntry,
    data_start: usize,
    data_size: usize,
) -> Result<Entry, CheckpointError> {
    let wrong = |expected: String, found: String| CheckpointError::Entry {
        file: file.to_owned(),
        tensor: name.to_owned(),
        expected,
        found,
    };
    let Some(element) = element_size(&raw.dtype) else {
        return Err(CheckpointError::WrongDtype {
            file: file.to_owned(),
            tensor: name.to_owned(),
            expected: "a data type of the safetensors format",
            found: raw.dtype,
        });
    };
    if raw.shape.len() > RANK_LIMIT {
        return Err(wrong(
            format!("at most {RANK_LIMIT} dimensions"),
            raw.shape.len().to_string(),
        ));
    }
    let size = raw
        .shape
        .iter()
        .try_fold(element, |size, side| size.checked_mul(*side));
    let [begin, end] = raw.data_offsets;
    let Some(size) = size else {
        return Err(wrong(
            "a size that fits 64 bits".to_owned(),
            format!("shape {:?}", raw.shape),
        ));
    };
    if begin > end || end > data_size as u64 {
        let expected = format!("data_offsets within the {data_size} bytes of data");
        return Err(wrong(expected, format!("{begin}..{end}")));
    }
    if end - begin != size {
        let expected = format!("{size} bytes for {} {:?}", raw.dtype, raw.shape);
        return Err(wrong(expected, format!("{} ({begin}..{end})", end - begin)));
    }
    // No side exceeds the file's size now, unless another side is 0.
    let shape: Option<Vec<usize>> = raw
        .shape
        .iter()
        .map(|side| usize::try_from(*side).ok().filter(|side| *side <= 1 << 40))
        .collect();
    let Some(shape) = shape else {
        return Err(wrong(
            "sides up to 2^40".to_owned(),
            format!("shape {:?}", raw.shape),
        ));
    };
    let range = data_start + begin as usize..data_start + end as usize;
    Ok(Entry {
        dtype: raw.dtype,
        shape,
        range,
    })
}

/// The format demands data without overlaps, holes or leftovers; each would be a place to hide.
fn check_cover(
    file: &str,
    entries: &BTreeMap<String, Entry>,
    data_start: usize,
    file_size: usize,
) -> Result<(), CheckpointError> {
    let mut order: Vec<(&String, &Range<usize>)> =
        entries.iter().map(|(name, entry)| (name, &entry.range)).collect();
    order.sort_by_key(|(_, range)| (range.start, range.end));
    let mut position = data_start;
    for (name, range) in order {
        if range.start != position {
            let what = if range.start < position {
                "overlap"
            } else {
                "a hole before it"
            };
            return Err(CheckpointError::Entry {
                file: file.to_owned(),
                tensor: name.clone(),
                expected: format!("data from byte {position} of the file on"),
                found: format!("{what}: data from byte {}", range.start),
            });
        }
        position = range.end;
    }
    if position != file_size {
        return Err(CheckpointError::Header {
            file: file.to_owned(),
            offset: position as u64,
            message: format!("{} bytes belong to no tensor", file_size - position),
        });
    }
    Ok(())
}
