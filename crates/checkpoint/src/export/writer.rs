//! Writing one safetensors file as a stream: the header is known before any data is made, so
//! a checkpoint of any size needs the memory of one tensor.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, json};

use crate::{CheckpointError, Dtype};

/// Data start at a multiple of this, as the format asks.
const ALIGNMENT: usize = 8;
const BUFFER: usize = 1 << 20;

/// What a header says about one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
}

impl Described {
    pub(super) fn bytes(&self) -> u64 {
        let elements = self
            .shape
            .iter()
            .fold(1u64, |n, side| n.saturating_mul(*side as u64));
        elements.saturating_mul(self.dtype.size() as u64)
    }
}

/// A safetensors file that is written as a stream, under another name (ending in `.partial`) until it is complete.
pub struct SafetensorsWriter {
    path: PathBuf,
    partial: PathBuf,
    out: BufWriter<File>,
}

impl SafetensorsWriter {
    /// Writes the header; the tensors' bytes must follow in the order of `tensors`.
    pub fn create(path: &Path, tensors: &[Described]) -> Result<Self, CheckpointError> {
        let mut header = Map::new();
        header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
        let mut start = 0u64;
        for tensor in tensors {
            let end = start.saturating_add(tensor.bytes());
            header.insert(
                tensor.name.clone(),
                json!({"dtype": tensor.dtype.name(), "shape": tensor.shape, "data_offsets": [start, end]}),
            );
            start = end;
        }
        let mut header = serde_json::Value::Object(header).to_string();
        while !header.len().is_multiple_of(ALIGNMENT) {
            header.push(' ');
        }
        let partial = path.with_added_extension("partial");
        let file = File::create(&partial).map_err(|source| CheckpointError::write(&partial, source))?;
        let mut writer = Self {
            path: path.to_owned(),
            partial,
            out: BufWriter::with_capacity(BUFFER, file),
        };
        writer.write(&(header.len() as u64).to_le_bytes())?;
        writer.write(header.as_bytes())?;
        Ok(writer)
    }

    /// The next bytes of the data.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        self.out.write_all(bytes).map_err(|source| self.error(source))
    }

    /// Gives the complete file its name, durably: after a crash there is the old file or the new one.
    pub fn finish(mut self) -> Result<(), CheckpointError> {
        let done = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        done.and_then(|()| std::fs::rename(&self.partial, &self.path))
            .and_then(|()| sync_folder(&self.path))
            .map_err(|source| self.error(source))
    }

    fn error(&self, source: std::io::Error) -> CheckpointError {
        CheckpointError::write(&self.partial, source)
    }
}

/// Makes a rename last, where folders can be opened.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) && !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
