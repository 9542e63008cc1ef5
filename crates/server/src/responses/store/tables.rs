//! The tables, from version to version.

use rusqlite::{Connection, TransactionBehavior};
use serde_json::json;

use super::PATIENCE;

/// Each step leads to the version of its number, counted from 1. What stands here never changes: files of every earlier
/// version are brought on from where they are.
const STEPS: [&str; 3] = [
    "CREATE TABLE responses (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        conversation TEXT NOT NULL,
        previous TEXT,
        created INTEGER NOT NULL,
        finished INTEGER NOT NULL,
        deleted INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL,
        object TEXT NOT NULL,
        input TEXT NOT NULL
    ) STRICT;
    CREATE INDEX responses_previous ON responses (previous);
    CREATE INDEX responses_conversation ON responses (conversation, number, created, bytes);
    CREATE TABLE trial (only INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;",
    // Whose those were that are already there is not known.
    "ALTER TABLE responses ADD COLUMN owner TEXT NOT NULL DEFAULT '';",
    "ALTER TABLE responses ADD COLUMN events TEXT;",
];
/// How the file is written; the first must be said before there is a table.
const MANNERS: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA secure_delete = ON;
";

/// Makes the tables or brings them up to date, and closes what was under way when the last program ended.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_ours = 1..=STEPS.len() as i64;
    if tables > 0 && !is_ours.contains(&version(connection)?) {
        // Something else, or of a later program: not to be touched.
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB),
            Some("the file is not one of this program's responses, or of a later version".to_owned()),
        ));
    }
    connection.execute_batch(MANNERS)?;
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = usize::try_from(version(&change)?).unwrap_or_default();
    for step in STEPS.iter().skip(from) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "user_version", STEPS.len() as i64)?;
    let error =
        json!({"code": "server_error", "message": "the server ended before the response did: ask again"});
    change.execute(
        "UPDATE responses SET finished = 1, object = json_set(object, '$.status', 'failed', '$.error', json(?1))
         WHERE NOT finished",
        [error.to_string()],
    )?;
    change.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Sight;
    use crate::responses::store::{Responses, Retention};

    #[test]
    fn files_of_every_earlier_version_are_brought_on() {
        for before in 1..=STEPS.len() {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("old.sqlite");
            let old = Connection::open(&file).unwrap();
            old.execute_batch(MANNERS).unwrap();
            for step in &STEPS[..before] {
                old.execute_batch(step).unwrap();
            }
            old.pragma_update(None, "user_version", before as i64).unwrap();
            old.execute_batch(
                r#"INSERT INTO responses (id, conversation, created, finished, bytes, object, input)
                VALUES ('a', 'a', 1, 1, 10, '{"id": "a", "status": "completed", "output": []}', '[7]')"#,
            )
            .unwrap();
            drop(old);
            for _ in 0..2 {
                let store = Responses::open(&file, Retention::default()).unwrap();
                assert_eq!(
                    store.items("a", &Sight::All, true).unwrap().unwrap(),
                    [7],
                    "{before}"
                );
                // Only who sees everything sees what has no owner.
                let somebody = Sight::Own("key".to_owned());
                assert_eq!(store.find("a", &somebody).unwrap(), None);
            }
            let now = version(&Connection::open(&file).unwrap()).unwrap();
            assert_eq!(now, STEPS.len() as i64);
        }
    }

    #[test]
    fn later_versions_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("later.sqlite");
        let later = Connection::open(&file).unwrap();
        for step in STEPS {
            later.execute_batch(step).unwrap();
        }
        later
            .pragma_update(None, "user_version", STEPS.len() as i64 + 1)
            .unwrap();
        drop(later);
        let before = std::fs::read(&file).unwrap();
        assert!(Responses::open(&file, Retention::default()).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}
