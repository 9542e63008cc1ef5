//! Who may ask: secrets, of which only hashes are kept.
//!
//! Keys come from two places: those that the server was started with, which may do everything, and those of a
//! [`KeyStore`], which have scopes, limits and an end, and can be made and revoked while the server runs.

mod limits;
mod live;
mod scope;
mod store;

use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(crate) use limits::{Limiter, Refused};
pub use scope::{Scope, UnknownScope};
pub use store::{KeyRecord, KeyStore, KeyStoreError, NewKey};

use live::Live;

/// What is kept of a key.
pub(crate) type Hash = [u8; 32];

/// The keys that open the server.
#[derive(Clone, Default)]
pub struct Keys {
    hashes: Vec<Hash>,
    live: Option<Arc<Live>>,
}

/// Who a key belongs to, and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    /// What tells it from others: the key's id.
    pub(crate) owner: Arc<str>,
    /// What the key is called; empty for those that the server was started with.
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) limiter: Option<Arc<Limiter>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Keys({})", self.hashes.len())
    }
}

/// The owner of what keys make that the server was started with: they see everything anyway, and nothing of them is to
/// stand in files. No id of a store's key looks like it.
const STARTED: &str = "-";
/// Random bytes of a key.
const BYTES: usize = 24;

impl Keys {
    /// No key is asked for.
    pub fn none() -> Self {
        Self::default()
    }

    /// These open it for everything. Empty lines and space around are left out.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys.into_iter().map(str::trim).filter(|key| !key.is_empty());
        Self {
            hashes: keys.map(hash).collect(),
            live: None,
        }
    }

    /// A fresh key, and what it opens.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<(String, Self), getrandom::Error> {
        let key = fresh()?;
        let keys = Self::new([key.as_str()]);
        Ok((key, keys))
    }

    /// Those of a store too, as it is at each request: a key that was revoked opens nothing from then on.
    #[must_use]
    pub fn with_store(self, store: KeyStore) -> Self {
        Self {
            live: Some(Arc::new(Live::new(store))),
            ..self
        }
    }

    /// Whether anybody may ask. Never true with a store, whatever is in it.
    pub fn is_open(&self) -> bool {
        self.hashes.is_empty() && self.live.is_none()
    }

    /// Who a key belongs to, if it opens anything. `now`: seconds since 1970.
    pub(crate) fn find(&self, key: &str, now: u64) -> Option<Holder> {
        let hash = hash(key);
        // All are compared, so that the time tells nothing about where one was found.
        let count = self.hashes.iter().filter(|known| is_same(known, &hash)).count();
        if count > 0 {
            return Some(Holder {
                owner: STARTED.into(),
                name: String::new(),
                scopes: Scope::ALL.to_vec(),
                limiter: None,
            });
        }
        self.live.as_ref()?.find(&hash, now)
    }
}

/// A secret that cannot be guessed.
pub(crate) fn fresh() -> Result<String, getrandom::Error> {
    use base64::Engine as _;
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!(
        "aurore-{}",
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
    ))
}

/// Keys are random and long, so a plain hash of one gives nothing away.
pub(crate) fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

/// Takes the same time whatever differs.
pub(crate) fn is_same(one: &Hash, other: &Hash) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_keys_open() {
        let keys = Keys::new(["one", "  two\r", "", "  "]);
        let opens = |keys: &Keys, key: &str| keys.find(key, 0).is_some();
        assert!(opens(&keys, "one") && opens(&keys, "two") && !keys.is_open());
        assert!(!opens(&keys, "three") && !opens(&keys, "") && !opens(&keys, "  two"));
        assert!(Keys::none().is_open() && !opens(&Keys::none(), "one"));
        let ((first, opened), (second, _)) = (Keys::generate().unwrap(), Keys::generate().unwrap());
        assert!(opens(&opened, &first) && !opens(&opened, &second) && first.len() > 30);
    }

    #[test]
    fn a_store_opens_to_whom_it_says_and_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path().join("keys.json"));
        let keys = Keys::none().with_store(store.clone());
        assert!(!keys.is_open() && keys.find("", 5).is_none());
        let new = NewKey {
            scopes: vec![Scope::Infer],
            expires: Some(100),
            ..NewKey::named("laptop")
        };
        let (key, record) = store.make(new, 5).unwrap();
        assert_eq!(keys.find(&key, 5).unwrap().scopes, [Scope::Infer]);
        assert!(keys.find(&key, 99).is_some() && keys.find(&key, 100).is_none());
        store.revoke(&record.id).unwrap();
        assert!(keys.find(&key, 5).is_none());
        // What cannot be read opens nothing.
        let (key, _) = store.make(NewKey::named("other"), 5).unwrap();
        assert!(keys.find(&key, 5).is_some());
        std::fs::write(store.path(), "{").unwrap();
        assert!(keys.find(&key, 5).is_none());
    }
}
