//! Whether a run's records are what was written.

use super::{
    Event, Journal, RunId,
    chain::{Head, genesis, hash},
};
use crate::JournalError;

/// What a check of a run's chain found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// Number of records.
    pub records: u64,
    /// What is broken, first break first; empty if the chain is whole.
    pub problems: Vec<String>,
    /// What is odd and still whole.
    pub notes: Vec<String>,
}

impl Verification {
    /// Whether nothing is broken.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Journal {
    /// Checks hashes, signatures, frames and the head of a run.
    pub fn verify(&self, run: &RunId) -> Result<Verification, JournalError> {
        let rows = self.rows(run)?;
        let head = Head::read(&self.head_file(run), &run.0, &self.key);
        if rows.is_empty() && matches!(head, Ok(None)) {
            return Err(JournalError::UnknownRun {
                run: run.0.clone(),
                file: self.file.clone(),
            });
        }
        let mut found = Verification {
            records: rows.len() as u64,
            problems: Vec::new(),
            notes: Vec::new(),
        };
        let mut previous = genesis(&run.0);
        for (expected, row) in (0u64..).zip(&rows) {
            let mut problem = |what: &str| found.problems.push(format!("record {}: {what}", row.sequence));
            if row.sequence != expected {
                problem(&format!("record {expected} is missing"));
                break;
            }
            if row.previous != previous {
                problem("it does not follow the record before it");
            }
            if row.hash != hash(&run.0, row.sequence, row.at_ms, &row.previous, &row.body) {
                problem("its content is not what was written");
            }
            if !self.key.verifies(&row.hash, &row.mac) {
                problem("it was not written with this user's key");
            }
            match serde_json::from_str::<Event>(&row.body) {
                Ok(event) => {
                    for frame in event.frames() {
                        if self.frame(frame)?.is_none() {
                            problem(&format!("frame {} is missing or changed", frame.0));
                        }
                    }
                }
                Err(error) => problem(&format!("it cannot be read: {error}")),
            }
            previous.clone_from(&row.hash);
        }
        match head {
            Err(why) => found.problems.push(why),
            Ok(None) => found.problems.push("the head file is missing".to_owned()),
            Ok(Some(head)) => {
                let last = rows.last().map(|row| row.sequence);
                let at_head = rows.iter().find(|row| row.sequence == head.sequence);
                match at_head {
                    None => found.problems.push(format!(
                        "the end was cut off: the head is record {}, the last one here is {}",
                        head.sequence,
                        last.map_or_else(|| "none".to_owned(), |last| last.to_string())
                    )),
                    Some(row) if row.hash != head.hash => {
                        found.problems.push(format!(
                            "record {} is not the one that the head names",
                            head.sequence
                        ));
                    }
                    Some(_) if last > Some(head.sequence + 1) => found.problems.push(format!(
                        "{} records stand after the head: the head file was put back",
                        last.unwrap_or_default() - head.sequence
                    )),
                    Some(_) if last == Some(head.sequence + 1) => found.notes.push(
                        "the head is one record behind: the program ended between writing the two".to_owned(),
                    ),
                    Some(_) => {}
                }
            }
        }
        Ok(found)
    }
}
