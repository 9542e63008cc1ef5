//! A file of keys: what `aurore keys` writes and a running server reads.
//!
//! The file is replaced as a whole, so a reader sees one version or the next; writers wait for one another at a lock
//! beside it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Hash, Scope, fresh, hash};
use crate::ids;

/// A file of keys. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStore {
    path: PathBuf,
}

/// What is known about a key. The key itself is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// What to revoke it by.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the key, in base 16.
    #[serde(rename = "sha256")]
    hash: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// Most requests a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Most tokens a minute, of prompts and answers.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// When it was made, seconds since 1970.
    pub created: u64,
    /// From when on it opens nothing, seconds since 1970.
    pub expires: Option<u64>,
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// Most requests a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Most tokens a minute, of prompts and answers.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// From when on it opens nothing, seconds since 1970.
    pub expires: Option<u64>,
}

impl NewKey {
    /// A key to ask models with, without limits.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            scopes: vec![Scope::Infer],
            requests_per_minute: None,
            tokens_per_minute: None,
            expires: None,
        }
    }
}

/// Why a file of keys is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// It cannot be read or written.
    #[error("the file of keys {} cannot be {what}: {error}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// `read`, `locked` or `written`.
        what: &'static str,
        /// The system's words.
        error: std::io::Error,
    },
    /// It holds something else.
    #[error(
        "{} is no file of keys that this version reads ({why}): move it away to begin a new one",
        path.display()
    )]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no such key.
    #[error("there is no key {0:?}: `aurore keys list` shows them")]
    Unknown(String),
    /// Several keys have this name.
    #[error("several keys are called {0:?}: say which by its id, as `aurore keys list` shows it")]
    Ambiguous(String),
    /// The system has no randomness.
    #[error("no key could be made up: {0}")]
    Randomness(getrandom::Error),
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    keys: Vec<KeyRecord>,
}

const VERSION: u32 = 1;

impl KeyStore {
    /// The keys in a file, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All keys, the oldest first.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn list(&self) -> Result<Vec<KeyRecord>, KeyStoreError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.file("read", error)),
        };
        let unreadable = |why: String| KeyStoreError::Unreadable {
            path: self.path.clone(),
            why,
        };
        let document: Document =
            serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if document.version != VERSION {
            return Err(unreadable(format!("its version is {}", document.version)));
        }
        if let Some(record) = document.keys.iter().find(|record| record.hash().is_none()) {
            return Err(unreadable(format!("the hash of {} is none", record.id)));
        }
        Ok(document.keys)
    }

    /// Makes a key: the key itself, which is not kept, and what is known about it. `now`: seconds since 1970.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the system has no randomness.
    pub fn make(&self, new: NewKey, now: u64) -> Result<(String, KeyRecord), KeyStoreError> {
        let _lock = self.lock()?;
        let mut keys = self.list()?;
        let key = fresh().map_err(KeyStoreError::Randomness)?;
        let mut scopes = new.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        let record = KeyRecord {
            id: ids::short(),
            name: new.name,
            hash: hash(&key)
                .iter()
                .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
                .collect(),
            scopes,
            requests_per_minute: new.requests_per_minute,
            tokens_per_minute: new.tokens_per_minute,
            created: now,
            expires: new.expires,
        };
        keys.push(record.clone());
        self.write(keys)?;
        Ok((key, record))
    }

    /// Forgets a key, by its id, or by its name if no other has it.
    ///
    /// # Errors
    /// When there is no such key, several have the name, or the file cannot be read or written.
    pub fn revoke(&self, which: &str) -> Result<KeyRecord, KeyStoreError> {
        let _lock = self.lock()?;
        let mut keys = self.list()?;
        let by_id = keys.iter().position(|record| record.id == which);
        let mut by_name = keys.iter().enumerate().filter(|(_, record)| record.name == which);
        let place = match (by_id, by_name.next(), by_name.next()) {
            (Some(place), ..) | (None, Some((place, _)), None) => place,
            (None, Some(_), Some(_)) => return Err(KeyStoreError::Ambiguous(which.to_owned())),
            (None, None, _) => return Err(KeyStoreError::Unknown(which.to_owned())),
        };
        let record = keys.remove(place);
        self.write(keys)?;
        Ok(record)
    }

    fn write(&self, keys: Vec<KeyRecord>) -> Result<(), KeyStoreError> {
        let write = || {
            // Readable by its owner alone, which is how such files are made.
            let mut file = tempfile::NamedTempFile::new_in(self.folder())?;
            let document = Document {
                version: VERSION,
                keys,
            };
            serde_json::to_writer_pretty(&mut file, &document)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            // A rename lasts when its folder does.
            #[cfg(unix)]
            File::open(self.folder())?.sync_all()?;
            Ok(())
        };
        write().map_err(|error| self.file("written", error))
    }

    fn lock(&self) -> Result<File, KeyStoreError> {
        let lock = || {
            std::fs::create_dir_all(self.folder())?;
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(self.path.with_extension("lock"))?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error| self.file("locked", error))
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }

    fn file(&self, what: &'static str, error: std::io::Error) -> KeyStoreError {
        KeyStoreError::File {
            path: self.path.clone(),
            what,
            error,
        }
    }
}

impl KeyRecord {
    /// Whether it opens nothing any more. `now`: seconds since 1970.
    pub fn has_ended(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    pub(super) fn hash(&self) -> Option<Hash> {
        let digits = self.hash.as_bytes();
        let mut hash = Hash::default();
        if digits.len() != 2 * hash.len() {
            return None;
        }
        for (byte, digits) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(hash)
    }
}

/// A hexadecimal digit of a number below 16.
fn digit(number: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(number & 15)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_are_kept_and_only_for_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path().join("deep/keys.json"));
        assert_eq!(store.list().unwrap(), []);
        let (key, record) = store.make(NewKey::named("laptop"), 7).unwrap();
        let text = std::fs::read_to_string(store.path()).unwrap();
        assert!(!text.contains(&key) && text.contains("laptop"));
        assert_eq!(store.list().unwrap(), std::slice::from_ref(&record));
        assert_eq!(record.hash(), Some(hash(&key)));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(store.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn revoking_says_whom_it_means() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path().join("keys.json"));
        let ids: Vec<String> = ["a", "b", "b"]
            .map(|name| store.make(NewKey::named(name), 0).unwrap().1.id)
            .into();
        assert!(matches!(store.revoke("c"), Err(KeyStoreError::Unknown(_))));
        assert!(matches!(store.revoke("b"), Err(KeyStoreError::Ambiguous(_))));
        assert_eq!(store.revoke(&ids[2]).unwrap().name, "b");
        assert_eq!(store.revoke("b").unwrap().id, ids[1]);
        assert_eq!(store.revoke("a").unwrap().id, ids[0]);
        assert_eq!(store.list().unwrap(), []);
    }

    #[test]
    fn many_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path().join("keys.json"));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    for _ in 0..4 {
                        store.make(NewKey::named(writer.to_string()), 0).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.list().unwrap().len(), 32);
    }

    #[test]
    fn what_is_no_file_of_keys_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path().join("keys.json"));
        for text in [
            "",
            "[]",
            r#"{"version": 2, "keys": []}"#,
            r#"{"version": 1, "keys": [{"id": "a", "name": "a", "sha256": "é", "scopes": [], "created": 0}]}"#,
        ] {
            std::fs::write(store.path(), text).unwrap();
            let error = store.make(NewKey::named("a"), 0).unwrap_err();
            assert!(matches!(error, KeyStoreError::Unreadable { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(store.path()).unwrap(), text);
        }
    }
}
