//! What can go wrong in a run.

use std::path::PathBuf;

use thiserror::Error;

use crate::BrainError;

/// Why a run cannot go on.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The brain failed.
    #[error("the model cannot decide: {0}")]
    Brain(#[from] BrainError),
    /// The screen failed.
    #[error("the screen failed: {0}")]
    Screen(#[from] aurore_screen::ScreenError),
    /// The journal failed, so nothing was carried out.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The run is over.
    #[error("the run is over: {0}")]
    Over(String),
}

/// Why the journal cannot be written or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The database refuses.
    #[error("journal {file}: {source}")]
    Database {
        /// The file.
        file: PathBuf,
        /// What it says.
        source: rusqlite::Error,
    },
    /// No room is left.
    #[error(
        "journal {file}: the disk is full, so the action was not carried out; free some space (`aurore runs` lists what can be deleted) and resume the run"
    )]
    Full {
        /// The file.
        file: PathBuf,
    },
    /// A file beside the database cannot be used.
    #[error("{doing} {file}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The key file is not a key.
    #[error(
        "{file} is not a journal key: it must hold 64 hexadecimal digits; move it away to start with a new key (older runs can then not be verified)"
    )]
    Key {
        /// The file.
        file: PathBuf,
    },
    /// No such run.
    #[error("no run {run:?} in {file}; `aurore runs` lists them")]
    UnknownRun {
        /// What was asked for.
        run: String,
        /// Where it was looked for.
        file: PathBuf,
    },
    /// A record is not what this program writes.
    #[error("journal {file}: record {sequence} of run {run} cannot be read: {message}")]
    Record {
        /// The file.
        file: PathBuf,
        /// The run.
        run: String,
        /// Which record.
        sequence: u64,
        /// What is wrong.
        message: String,
    },
    /// The file was written by a newer program.
    #[error("journal {file} has format {found}, this program knows {known}: use the newer program")]
    Version {
        /// The file.
        file: PathBuf,
        /// What it has.
        found: i64,
        /// What is known here.
        known: i64,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for the journal's key: {0}")]
    Random(String),
}
