//! Which entries of an unfinished file are done: a line each, so that a killed run can go on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::CheckpointError;

const TITLE: &str = "aurore pack journal 1";

/// An open journal.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// The finished entries' checksums that the journal at `path` names, if it is one of this plan.
    pub(super) fn read(path: &Path, set: u64) -> BTreeMap<usize, u64> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.split_inclusive('\n');
        if lines.next() != Some(&*title(set)) {
            return BTreeMap::new();
        }
        let entry = |line: &str| {
            // A line that a kill cut short lacks its end.
            let (index, checksum) = line.strip_suffix('\n')?.split_once(' ')?;
            Some((index.parse().ok()?, u64::from_str_radix(checksum, 16).ok()?))
        };
        lines.map_while(entry).collect()
    }

    /// Begins a journal at `path` with what is done already.
    pub(super) fn begin(
        path: PathBuf,
        set: u64,
        done: &BTreeMap<usize, u64>,
    ) -> Result<Self, CheckpointError> {
        let mut text = title(set);
        for (index, checksum) in done {
            text += &line(*index, *checksum);
        }
        // Replaced as a whole: a kill leaves the old one or the new one.
        let fresh = path.with_extension("journal-new");
        let file = std::fs::write(&fresh, text)
            .and_then(|()| std::fs::rename(&fresh, &path))
            .and_then(|()| OpenOptions::new().append(true).open(&path));
        match file {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(CheckpointError::write(&path, error)),
        }
    }

    /// Notes one more.
    pub(super) fn add(&mut self, index: usize, checksum: u64) -> Result<(), CheckpointError> {
        self.file
            .write_all(line(index, checksum).as_bytes())
            .map_err(|error| CheckpointError::write(&self.path, error))
    }
}

fn title(set: u64) -> String {
    format!("{TITLE} {set:016x}\n")
}

fn line(index: usize, checksum: u64) -> String {
    format!("{index} {checksum:016x}\n")
}
