//! Writing and reading records.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aurore_action::{Frame, FrameId};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::{
    Event, Record, RunId,
    chain::{Head, genesis, hash},
    key::{Key, file_error, private, sha256},
};
use crate::{JournalError, clock};

/// Format of the database; a higher one is refused.
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS records (
    run      TEXT    NOT NULL,
    sequence INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    previous TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    hash     TEXT    NOT NULL,
    mac      TEXT    NOT NULL,
    PRIMARY KEY (run, sequence)
) STRICT;
CREATE TABLE IF NOT EXISTS frames (
    id  TEXT PRIMARY KEY,
    png BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS frame_uses (
    run   TEXT NOT NULL,
    frame TEXT NOT NULL REFERENCES frames (id),
    PRIMARY KEY (run, frame)
) STRICT;
CREATE TRIGGER IF NOT EXISTS records_are_final BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'journal records are never changed'); END;
";

/// Where a journal lies.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// Folder of the database and the heads; made if missing, private to the user.
    pub folder: PathBuf,
    /// The user's key file; `journal.key` in the folder if absent.
    pub key: Option<PathBuf>,
    /// Most pages that the database may have; a full disk is tested with it.
    pub max_pages: Option<u32>,
    /// Another clock than the system's, in milliseconds since 1970 UTC; one that jumps is tested with it.
    pub clock: Option<fn() -> i64>,
}

/// All runs of a folder.
pub struct Journal {
    pub(super) file: PathBuf,
    pub(super) heads: PathBuf,
    pub(super) key: Key,
    clock: fn() -> i64,
    connection: Mutex<Connection>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Journal")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal of a folder, or begins one.
    pub fn in_folder(folder: &Path) -> Result<Self, JournalError> {
        Self::open(&JournalOptions {
            folder: folder.to_owned(),
            key: None,
            max_pages: None,
            clock: None,
        })
    }

    /// Opens a journal, or begins one.
    pub fn open(options: &JournalOptions) -> Result<Self, JournalError> {
        let heads = options.folder.join("heads");
        private_folder(&options.folder)?;
        private_folder(&heads)?;
        let key = Key::open(
            options
                .key
                .as_deref()
                .unwrap_or(&options.folder.join("journal.key")),
        )?;
        let file = options.folder.join("journal.sqlite");
        // SQLite gives its own files the permissions of the database, so that one is made first.
        match private(&file) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(file_error("cannot make", &file, error)),
        }
        let journal = Self {
            connection: Mutex::new(Connection::open(&file).map_err(|source| JournalError::Database {
                file: file.clone(),
                source,
            })?),
            file,
            heads,
            key,
            clock: options.clock.unwrap_or(clock::now_ms),
        };
        journal.prepare(options.max_pages)?;
        Ok(journal)
    }

    /// The database file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn prepare(&self, max_pages: Option<u32>) -> Result<(), JournalError> {
        let connection = self.connection();
        let prepared = (|| {
            connection.busy_timeout(Duration::from_secs(10))?;
            // A record is on the disk before the caller goes on; deleted frames leave no traces.
            connection.execute_batch(
                "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;",
            )?;
            connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        })()
        .map_err(|error| self.database(error))?;
        if prepared > VERSION {
            return Err(JournalError::Version {
                file: self.file.clone(),
                found: prepared,
                known: VERSION,
            });
        }
        let schema = connection.execute_batch(&format!("{SCHEMA} PRAGMA user_version = {VERSION};"));
        schema.map_err(|error| self.database(error))?;
        if let Some(pages) = max_pages {
            connection
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .map_err(|error| self.database(error))?;
        }
        Ok(())
    }

    /// A name for a new run.
    pub fn new_run(&self) -> Result<RunId, JournalError> {
        let mut digits = [0; 3];
        getrandom::fill(&mut digits).map_err(|error| JournalError::Random(error.to_string()))?;
        let time: String = clock::utc((self.clock)())
            .chars()
            .filter_map(|character| match character {
                ' ' => Some('-'),
                digit if digit.is_ascii_digit() => Some(digit),
                _ => None,
            })
            .collect();
        Ok(RunId(format!("{time}-{}", super::key::hex(&digits))))
    }

    /// Appends a record and the frames that it speaks of. When this returns, they are on the disk.
    pub fn append(&self, run: &RunId, event: &Event, frames: &[&Frame]) -> Result<u64, JournalError> {
        let head = self.insert(run, event, frames)?;
        head.write(&self.head_file(run), &run.0, &self.key)?;
        Ok(head.sequence)
    }

    fn insert(&self, run: &RunId, event: &Event, frames: &[&Frame]) -> Result<Head, JournalError> {
        let body = serde_json::to_string(event).map_err(|error| JournalError::Record {
            file: self.file.clone(),
            run: run.0.clone(),
            sequence: 0,
            message: error.to_string(),
        })?;
        let mut connection = self.connection();
        let inserted = (|| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let last = transaction
                .query_row(
                    "SELECT sequence, hash FROM records WHERE run = ?1 ORDER BY sequence DESC LIMIT 1",
                    [&run.0],
                    |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
                )
                .optional()?;
            let (sequence, previous) = match last {
                Some((sequence, hash)) => (sequence as u64 + 1, hash),
                None => (0, genesis(&run.0)),
            };
            for frame in frames {
                transaction.execute(
                    "INSERT OR IGNORE INTO frames (id, png) VALUES (?1, ?2)",
                    params![frame.id.0, &frame.png[..]],
                )?;
                transaction.execute(
                    "INSERT OR IGNORE INTO frame_uses (run, frame) VALUES (?1, ?2)",
                    params![run.0, frame.id.0],
                )?;
            }
            let at_ms = (self.clock)();
            let hash = hash(&run.0, sequence, at_ms, &previous, &body);
            transaction.execute(
                "INSERT INTO records (run, sequence, at_ms, previous, body, hash, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![run.0, sequence as i64, at_ms, previous, body, hash, self.key.sign(&hash)],
            )?;
            transaction.commit()?;
            Ok(Head { sequence, hash })
        })();
        inserted.map_err(|error| self.database(error))
    }

    /// All records of a run, in order.
    pub fn records(&self, run: &RunId) -> Result<Vec<Record>, JournalError> {
        let rows = self.rows(run)?;
        if rows.is_empty() {
            return Err(JournalError::UnknownRun {
                run: run.0.clone(),
                file: self.file.clone(),
            });
        }
        rows.into_iter()
            .map(|row| {
                let event = serde_json::from_str(&row.body).map_err(|error| JournalError::Record {
                    file: self.file.clone(),
                    run: run.0.clone(),
                    sequence: row.sequence,
                    message: error.to_string(),
                })?;
                Ok(Record {
                    sequence: row.sequence,
                    at_ms: row.at_ms,
                    event,
                })
            })
            .collect()
    }

    /// A frame's PNG bytes, checked against its name.
    pub fn frame(&self, id: &FrameId) -> Result<Option<Vec<u8>>, JournalError> {
        let png: Option<Vec<u8>> = self
            .connection()
            .query_row("SELECT png FROM frames WHERE id = ?1", [&id.0], |row| row.get(0))
            .optional()
            .map_err(|error| self.database(error))?;
        Ok(png.filter(|png| sha256(png) == id.0))
    }

    pub(super) fn rows(&self, run: &RunId) -> Result<Vec<Row>, JournalError> {
        let connection = self.connection();
        let rows = (|| {
            let mut statement = connection.prepare(
                "SELECT sequence, at_ms, previous, body, hash, mac FROM records WHERE run = ?1 ORDER BY sequence",
            )?;
            let rows = statement.query_map([&run.0], |row| {
                Ok(Row {
                    sequence: row.get::<_, i64>(0)? as u64,
                    at_ms: row.get(1)?,
                    previous: row.get(2)?,
                    body: row.get(3)?,
                    hash: row.get(4)?,
                    mac: row.get(5)?,
                })
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        })();
        rows.map_err(|error| self.database(error))
    }

    pub(super) fn head_file(&self, run: &RunId) -> PathBuf {
        // Names of runs come from the command line too; nothing in them leaves the folder.
        let name: String = run
            .0
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() || character == '-' {
                    character
                } else {
                    '_'
                }
            })
            .collect();
        self.heads.join(format!("{name}.head"))
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn database(&self, source: rusqlite::Error) -> JournalError {
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => JournalError::Full {
                file: self.file.clone(),
            },
            _ => JournalError::Database {
                file: self.file.clone(),
                source,
            },
        }
    }
}

/// A record as it stands in the database.
pub(super) struct Row {
    pub(super) sequence: u64,
    pub(super) at_ms: i64,
    pub(super) previous: String,
    pub(super) body: String,
    pub(super) hash: String,
    pub(super) mac: String,
}

fn private_folder(path: &Path) -> Result<(), JournalError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder
        .create(path)
        .map_err(|error| file_error("cannot make the folder", path, error))
}
