//! Forgetting: what nobody can reach, what is too old, and what is too much.

use rusqlite::{Transaction, params};

use super::Retention;

/// Pages that are given back to the system at a time.
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(256)";

/// Forgets whole conversations until the rest is within limits: of whoever keeps most those first that were not gone on
/// with for longest, so that nobody pushes out what others keep.
pub(super) fn trim(change: &Transaction<'_>, retention: &Retention, now: i64) -> rusqlite::Result<()> {
    let age = i64::try_from(retention.age.as_secs()).unwrap_or(i64::MAX);
    let old = "DELETE FROM responses WHERE conversation IN
        (SELECT conversation FROM responses GROUP BY conversation HAVING max(created) < ?1)";
    let mut forgotten = change.execute(old, [now.saturating_sub(age)])?;
    loop {
        let sums = "SELECT count(*), coalesce(sum(bytes), 0) FROM responses";
        let (count, bytes) =
            change.query_row(sums, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let too_large = bytes as u64 > retention.bytes;
        if count as u64 <= retention.responses && !too_large {
            break;
        }
        let oldest = "DELETE FROM responses WHERE conversation =
            (SELECT conversation FROM responses WHERE owner =
                (SELECT owner FROM responses GROUP BY owner
                 ORDER BY CASE WHEN ?1 THEN sum(bytes) ELSE count(*) END DESC, min(number) LIMIT 1)
             GROUP BY conversation ORDER BY max(number) LIMIT 1)";
        let gone = change.execute(oldest, params![too_large])?;
        if gone == 0 {
            break;
        }
        forgotten += gone;
    }
    if forgotten > 0 {
        give_back(change)?;
    }
    Ok(())
}

/// Forgets what was deleted and what nothing goes on from, and then what led only to that.
pub(super) fn forget_deleted(change: &Transaction<'_>) -> rusqlite::Result<()> {
    let unreachable = "DELETE FROM responses WHERE deleted AND NOT EXISTS
        (SELECT 1 FROM responses later WHERE later.previous = responses.id)";
    while change.execute(unreachable, [])? > 0 {}
    give_back(change)
}

fn give_back(change: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut statement = change.prepare_cached(GIVE_BACK)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
