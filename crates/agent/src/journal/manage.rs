//! Lists of runs, sizes, deletion.

use std::fs;

use rusqlite::params;

use super::{Event, Journal, RunId};
use crate::{End, JournalError, clock};

/// A run in a list.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RunSummary {
    /// Its name.
    pub run: RunId,
    /// When it began, UTC.
    pub started: String,
    /// When it began, in milliseconds since 1970 UTC.
    pub started_ms: i64,
    /// Its short name.
    pub name: String,
    /// The person's words.
    pub goal: String,
    /// Number of decisions.
    pub steps: u32,
    /// How it ended; `None` if it did not.
    pub end: Option<End>,
    /// Bytes of its records and frames; a frame that several runs saw counts for each.
    pub bytes: u64,
}

impl Event {
    /// The frames that the event speaks of.
    pub fn frames(&self) -> impl Iterator<Item = &aurore_action::FrameId> {
        let frame = match self {
            Self::Decision(decision) => Some(&decision.frame),
            Self::Result(result) => result.frame.as_ref(),
            Self::End(end) => end.frame.as_ref(),
            Self::Hand(hand) => Some(&hand.frame),
            Self::HandResult(result) => result.frame.as_ref(),
            Self::Start(_) | Self::Resume(_) | Self::Order(_) | Self::UpFront(_) | Self::Window(_) => None,
        };
        frame.into_iter()
    }
}

impl Journal {
    /// All runs, oldest first.
    pub fn runs(&self) -> Result<Vec<RunSummary>, JournalError> {
        self.run_ids()?.into_iter().map(|run| self.summary(run)).collect()
    }

    /// One run in a few words.
    pub fn summary(&self, run: RunId) -> Result<RunSummary, JournalError> {
        let records = self.records(&run)?;
        let started_ms = records.first().map_or(0, |record| record.at_ms);
        let mut summary = RunSummary {
            started: clock::utc(started_ms),
            started_ms,
            name: String::new(),
            goal: String::new(),
            steps: 0,
            end: None,
            bytes: self.bytes(&run)?,
            run,
        };
        for record in records {
            match record.event {
                Event::Start(start) => {
                    summary.name = start.name;
                    summary.goal = start.goal;
                }
                Event::Resume(_) => summary.end = None,
                Event::Decision(_) => summary.steps += 1,
                Event::Result(_)
                | Event::UpFront(_)
                | Event::Order(_)
                | Event::Hand(_)
                | Event::HandResult(_)
                | Event::Window(_) => {}
                Event::End(end) => summary.end = Some(end.end),
            }
        }
        Ok(summary)
    }

    /// The newest run whose name begins with `prefix`.
    pub fn find(&self, prefix: &str) -> Result<RunId, JournalError> {
        self.run_ids()?
            .into_iter()
            .rev()
            .find(|run| run.0.starts_with(prefix))
            .ok_or_else(|| JournalError::UnknownRun {
                run: prefix.to_owned(),
                file: self.file.clone(),
            })
    }

    /// Deletes a run, its head, and the frames that no other run has.
    pub fn delete(&self, run: &RunId) -> Result<(), JournalError> {
        {
            let mut connection = self.connection();
            let deleted = (|| {
                let transaction = connection.transaction()?;
                transaction.execute("DELETE FROM records WHERE run = ?1", params![run.0])?;
                transaction.execute("DELETE FROM frame_uses WHERE run = ?1", params![run.0])?;
                transaction.execute(
                    "DELETE FROM frames WHERE id NOT IN (SELECT frame FROM frame_uses)",
                    [],
                )?;
                transaction.commit()?;
                connection.execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
            })();
            deleted.map_err(|error| self.database(error))?;
        }
        let head = self.head_file(run);
        match fs::remove_file(&head) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(super::key::file_error("cannot delete", &head, error))
            }
            _ => Ok(()),
        }
    }

    /// Deletes the runs that began before a time (milliseconds since 1970 UTC); returns their names.
    pub fn prune(&self, before_ms: i64) -> Result<Vec<RunId>, JournalError> {
        let old: Vec<RunId> = self
            .runs()?
            .into_iter()
            .filter(|run| run.started_ms < before_ms)
            .map(|run| run.run)
            .collect();
        for run in &old {
            self.delete(run)?;
        }
        Ok(old)
    }

    fn run_ids(&self) -> Result<Vec<RunId>, JournalError> {
        let connection = self.connection();
        let runs = (|| {
            let mut statement =
                connection.prepare("SELECT run FROM records WHERE sequence = 0 ORDER BY at_ms, run")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|row| row.map(RunId)).collect::<Result<Vec<_>, _>>()
        })();
        runs.map_err(|error| self.database(error))
    }

    fn bytes(&self, run: &RunId) -> Result<u64, JournalError> {
        self.connection()
            .query_row(
                "SELECT (SELECT COALESCE(SUM(LENGTH(body) + 200), 0) FROM records WHERE run = ?1)
                      + (SELECT COALESCE(SUM(LENGTH(png)), 0) FROM frame_uses JOIN frames ON id = frame WHERE run = ?1)",
                params![run.0],
                |row| row.get::<_, i64>(0),
            )
            .map(|bytes| bytes as u64)
            .map_err(|error| self.database(error))
    }
}
