//! How records hang together.

use std::{fs, io::Write, path::Path};

use super::key::{Key, file_error, private, sha256};
use crate::JournalError;

/// What a run's first record follows.
pub(crate) fn genesis(run: &str) -> String {
    sha256(format!("aurore journal 1\n{run}").as_bytes())
}

/// Hash of a record: over its place, its time, the hash before it and its content.
pub(crate) fn hash(run: &str, sequence: u64, at_ms: i64, previous: &str, body: &str) -> String {
    sha256(format!("{run}\n{sequence}\n{at_ms}\n{previous}\n{body}").as_bytes())
}

/// The last record of a chain, kept outside the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Place of the last record.
    pub(crate) sequence: u64,
    /// Its hash.
    pub(crate) hash: String,
}

impl Head {
    /// Replaces the head file, atomically and durably.
    pub(crate) fn write(&self, path: &Path, run: &str, key: &Key) -> Result<(), JournalError> {
        let text = format!("{} {}", self.sequence, self.hash);
        let line = format!("{text} {}\n", key.sign(&format!("head {run} {text}")));
        let draft = path.with_extension("new");
        let replaced = (|| {
            let _ = fs::remove_file(&draft);
            let mut file = private(&draft)?;
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, path)
        })();
        replaced.map_err(|error| file_error("cannot write the journal's head", path, error))
    }

    /// Reads a head file; `None` if there is none, an error in words if it is not one.
    pub(crate) fn read(path: &Path, run: &str, key: &Key) -> Result<Option<Self>, String> {
        let Ok(text) = fs::read_to_string(path) else {
            return Ok(None);
        };
        let mut words = text.split_whitespace();
        let (Some(sequence), Some(hash), Some(signature)) = (words.next(), words.next(), words.next()) else {
            return Err("the head file is not a head".to_owned());
        };
        if !key.verifies(&format!("head {run} {sequence} {hash}"), signature) {
            return Err("the head file was not written with this user's key".to_owned());
        }
        let sequence = sequence
            .parse()
            .map_err(|_| "the head file is not a head".to_owned())?;
        Ok(Some(Self {
            sequence,
            hash: hash.to_owned(),
        }))
    }
}
