//! Who may ask: secrets, of which only hashes are kept.

use sha2::{Digest, Sha256};

/// The keys that open the server.
#[derive(Clone, Default)]
pub struct Keys {
    hashes: Vec<[u8; 32]>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Keys({})", self.hashes.len())
    }
}

/// Random bytes of a key.
const BYTES: usize = 24;

impl Keys {
    /// No key is asked for.
    pub fn none() -> Self {
        Self::default()
    }

    /// These open it. Empty lines and space around are left out.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys.into_iter().map(str::trim).filter(|key| !key.is_empty());
        Self {
            hashes: keys.map(hash).collect(),
        }
    }

    /// A fresh key, and what it opens.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<(String, Self), getrandom::Error> {
        use base64::Engine as _;
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        let key = format!("aurore-{}", base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let keys = Self::new([key.as_str()]);
        Ok((key, keys))
    }

    /// Whether anybody may ask.
    pub fn is_open(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether a key opens it. Takes the same time for all wrong ones.
    pub(crate) fn opens(&self, key: &str) -> bool {
        let hash = hash(key);
        let same = |known: &[u8; 32]| known.iter().zip(hash).fold(0, |all, (a, b)| all | (a ^ b)) == 0;
        self.hashes.iter().filter(|known| same(known)).count() > 0
    }
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_keys_open() {
        let keys = Keys::new(["one", "  two\r", "", "  "]);
        assert!(keys.opens("one") && keys.opens("two") && !keys.is_open());
        assert!(!keys.opens("three") && !keys.opens("") && !keys.opens("  two"));
        assert!(Keys::none().is_open() && !Keys::none().opens("one"));
        let ((first, opened), (second, _)) = (Keys::generate().unwrap(), Keys::generate().unwrap());
        assert!(opened.opens(&first) && !opened.opens(&second) && first.len() > 30);
    }
}
