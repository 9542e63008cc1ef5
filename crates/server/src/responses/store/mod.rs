//! Responses that are kept, so that later ones can go on from them: rows of an SQLite file, or of memory.
//!
//! A row holds the items that a request brought and the response as an object; a conversation is the chain of rows that
//! go on from one another. A row is committed before its client hears of it, and survives the process (write-ahead log).
//! What was deleted is gone for clients at once, and from the file as soon as no later response goes on from it.
//! Conversations that were not gone on with for longest are forgotten first, whole. A row belongs to whoever made it, and
//! is not there for others.

mod tables;
mod trim;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::Value;

use crate::caller::Sight;
use crate::problem::{Kind, Problem};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Responses.
    pub responses: u64,
    /// Bytes of their items.
    pub bytes: u64,
    /// How long after its last response a conversation is kept.
    pub age: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            responses: 10_000,
            bytes: 2 << 30,
            age: Duration::from_hours(24 * 30),
        }
    }
}

/// A file of responses that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the responses in {file} cannot be used: {source}")]
pub struct StoreError {
    file: String,
    source: rusqlite::Error,
}

/// The kept responses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Responses {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None` where the system gave no memory for it.
    connection: Mutex<Option<Connection>>,
    retention: Retention,
}

/// A response to keep.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// What it goes on from.
    pub(crate) previous: Option<String>,
    /// The items that its request brought.
    pub(crate) input: Vec<Value>,
    /// Who made it.
    pub(crate) owner: String,
    /// As it is answered; its `id`, `created_at` and `status` are read.
    pub(crate) object: Value,
    /// The events that told of it, where they may be asked for.
    pub(crate) events: Option<String>,
}

/// How long to wait for another program that writes.
const PATIENCE: Duration = Duration::from_secs(5);

impl Responses {
    /// Opens or makes a file. What was under way when its program ended has failed.
    ///
    /// # Errors
    /// When the file is of something else, damaged, or cannot be written.
    pub fn open(file: &Path, retention: Retention) -> Result<Self, StoreError> {
        let open = || {
            let mut connection = Connection::open(file)?;
            tables::prepare(&mut connection)?;
            Ok(connection)
        };
        let connection = open().map_err(|source| StoreError {
            file: file.display().to_string(),
            source,
        })?;
        // It tells of conversations.
        #[cfg(unix)]
        let _ = std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600));
        Ok(Self::of(Some(connection), retention))
    }

    /// In memory, for as long as the process lives.
    pub fn memory(retention: Retention) -> Self {
        let connection = Connection::open_in_memory().and_then(|mut connection| {
            tables::prepare(&mut connection)?;
            Ok(connection)
        });
        Self::of(connection.ok(), retention)
    }

    fn of(connection: Option<Connection>, retention: Retention) -> Self {
        let inner = Inner {
            connection: Mutex::new(connection),
            retention,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether something could be kept now: asked before a response is computed in vain.
    ///
    /// # Errors
    /// Says why not.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        self.change(|change| {
            let count = "INSERT INTO trial VALUES (0, 1) ON CONFLICT DO UPDATE SET count = count + 1";
            change.execute(count, []).map(|_| ())
        })
    }

    /// Keeps a response, or what is known of it now.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn keep(&self, record: &Record) -> Result<(), Problem> {
        let text = |name: &str| record.object[name].as_str().unwrap_or_default();
        let (id, status) = (text("id"), text("status"));
        let created = record.object["created_at"].as_i64().unwrap_or_default();
        let object = record.object.to_string();
        let input = Value::from(record.input.as_slice()).to_string();
        let told = record.events.as_ref().map_or(0, String::len);
        let bytes = (object.len() + input.len() + told) as u64;
        let finished = !matches!(status, "queued" | "in_progress");
        self.change(|change| {
            let find = "SELECT conversation FROM responses WHERE id = ?1";
            let found = change.query_row(find, [&record.previous], |row| row.get::<_, String>(0));
            let conversation = found.optional()?.unwrap_or_else(|| id.to_owned());
            let write =
                "INSERT INTO responses (id, conversation, previous, created, finished, bytes, object, input, owner, events)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                ON CONFLICT (id) DO UPDATE SET finished = ?5, bytes = ?6, object = ?7, events = ?10";
            change.execute(
                write,
                params![
                    id,
                    conversation,
                    record.previous,
                    created,
                    finished,
                    bytes as i64,
                    object,
                    input,
                    record.owner,
                    record.events,
                ],
            )?;
            trim::trim(change, &self.inner.retention, created)
        })
    }

    /// The response as it was answered.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn find(&self, id: &str, sight: &Sight) -> Result<Option<Value>, Problem> {
        let text = self.read(|connection| {
            let find =
                "SELECT object FROM responses WHERE id = ?1 AND NOT deleted AND owner = coalesce(?2, owner)";
            connection
                .query_row(find, params![id, sight.owner()], |row| row.get::<_, String>(0))
                .optional()
        })?;
        text.map(|text| parse(&text)).transpose()
    }

    /// The response as it was answered, and the events that told of it if they were kept.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn told(&self, id: &str, sight: &Sight) -> Result<Option<(Value, Option<String>)>, Problem> {
        let row = self.read(|connection| {
            let find = "SELECT object, events FROM responses
                WHERE id = ?1 AND NOT deleted AND owner = coalesce(?2, owner)";
            let row = connection.query_row(find, params![id, sight.owner()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
            });
            row.optional()
        })?;
        row.map(|(object, events)| Ok((parse(&object)?, events)))
            .transpose()
    }

    /// Everything that was said up to and with a response: items of requests and answers. With `answer` false, only
    /// what led to it. Who sees a response sees what it goes on from.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn items(&self, id: &str, sight: &Sight, answer: bool) -> Result<Option<Vec<Value>>, Problem> {
        let rows = self.read(|connection| {
            let chain = "WITH RECURSIVE chain (id, previous, depth) AS (
                    SELECT id, previous, 0 FROM responses
                    WHERE id = ?1 AND NOT deleted AND owner = coalesce(?2, owner)
                    UNION ALL
                    SELECT r.id, r.previous, depth + 1 FROM responses r JOIN chain ON r.id = chain.previous
                )
                SELECT input, object FROM chain JOIN responses USING (id) ORDER BY depth DESC";
            let mut statement = connection.prepare_cached(chain)?;
            let rows = statement.query_map(params![id, sight.owner()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        })?;
        let last = rows.len();
        let mut items = Vec::new();
        for (number, (input, object)) in rows.iter().enumerate() {
            let parts = [parse(input)?, parse(object)?["output"].take()];
            let count = if number + 1 == last && !answer { 1 } else { 2 };
            for part in parts.into_iter().take(count) {
                if let Value::Array(part) = part {
                    items.extend(part);
                }
            }
        }
        Ok((last > 0).then_some(items))
    }

    /// Whether it was there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn delete(&self, id: &str, sight: &Sight) -> Result<bool, Problem> {
        self.change(|change| {
            let hide =
                "UPDATE responses SET deleted = 1 WHERE id = ?1 AND NOT deleted AND owner = coalesce(?2, owner)";
            let found = change.execute(hide, params![id, sight.owner()])? > 0;
            trim::forget_deleted(change)?;
            Ok(found)
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Problem> {
        let connection = self
            .inner
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connection = connection.as_ref().ok_or_else(no_memory)?;
        read(connection).map_err(|error| refused(&error))
    }

    fn change<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, Problem> {
        let mut connection = self
            .inner
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connection = connection.as_mut().ok_or_else(no_memory)?;
        let commit = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        commit().map_err(|error| refused(&error))
    }
}

fn parse(text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("a kept response is damaged: {error}");
        Problem::new(Kind::Storage, message).coded("storage_failed")
    })
}

fn no_memory() -> Problem {
    let message = "no response can be kept: the system gave no memory for it; send \"store\": false";
    Problem::new(Kind::Storage, message).coded("storage_failed")
}

fn refused(error: &rusqlite::Error) -> Problem {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        let message = "the disk is full, so no response can be kept or deleted: free some space, or send \"store\": false";
        return Problem::new(Kind::Storage, message).coded("storage_full");
    }
    let message = format!(
        "the kept responses cannot be read or written ({error}): look at the disk, or send \"store\": false"
    );
    Problem::new(Kind::Storage, message).coded("storage_failed")
}
