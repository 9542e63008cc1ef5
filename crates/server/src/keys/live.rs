//! A store's keys as they are now: its file is looked at with every request, and read again when it is another.

use std::fs::Metadata;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use super::{Hash, Holder, KeyRecord, KeyStore, Limiter, is_same};

/// A store that is watched.
#[derive(Debug)]
pub(super) struct Live {
    store: KeyStore,
    seen: Mutex<Seen>,
}

/// What the file held when it was last another.
#[derive(Debug, Default)]
struct Seen {
    stamp: Option<Stamp>,
    entries: Vec<Entry>,
}

/// What tells two versions of a file apart. Each version of a store is a file of its own, so its number differs even
/// within one tick of the file system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    number: u64,
}

#[derive(Debug)]
struct Entry {
    hash: Hash,
    record: KeyRecord,
    limiter: Option<Arc<Limiter>>,
}

impl Live {
    pub(super) fn new(store: KeyStore) -> Self {
        Self {
            store,
            seen: Mutex::default(),
        }
    }

    /// Who a key belongs to, unless it has ended.
    pub(super) fn find(&self, hash: &Hash, now: u64) -> Option<Holder> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&mut seen);
        let mut found = None;
        for entry in &seen.entries {
            if is_same(&entry.hash, hash) {
                found = Some(entry);
            }
        }
        let entry = found.filter(|entry| !entry.record.has_ended(now))?;
        Some(Holder {
            owner: entry.record.id.as_str().into(),
            name: entry.record.name.clone(),
            scopes: entry.record.scopes.clone(),
            limiter: entry.limiter.clone(),
        })
    }

    fn look(&self, seen: &mut Seen) {
        let stamp = std::fs::metadata(self.store.path()).ok().map(|data| stamp(&data));
        if stamp == seen.stamp {
            return;
        }
        seen.stamp = stamp;
        let before = std::mem::take(&mut seen.entries);
        match self.store.list() {
            Ok(records) => {
                seen.entries = records
                    .into_iter()
                    .filter_map(|record| entry(record, &before))
                    .collect();
            }
            // Nobody can tell what it would have revoked, so it opens nothing.
            Err(error) => {
                tracing::error!(%error, "the keys cannot be read: none of them opens the server now");
            }
        }
    }
}

/// What a key has used up stays used up when another one is made or revoked.
fn entry(record: KeyRecord, before: &[Entry]) -> Option<Entry> {
    let hash = record.hash()?;
    let same = |old: &&Entry| {
        old.hash == hash
            && old.record.requests_per_minute == record.requests_per_minute
            && old.record.tokens_per_minute == record.tokens_per_minute
    };
    let limiter = match before.iter().find(same) {
        Some(old) => old.limiter.clone(),
        None => Limiter::new(
            record.requests_per_minute,
            record.tokens_per_minute,
            Instant::now(),
        )
        .map(Arc::new),
    };
    Some(Entry {
        hash,
        record,
        limiter,
    })
}

fn stamp(data: &Metadata) -> Stamp {
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(data);
    #[cfg(not(unix))]
    let number = 0;
    Stamp {
        modified: data.modified().ok(),
        bytes: data.len(),
        number,
    }
}
