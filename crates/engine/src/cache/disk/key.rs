//! What files and folders are named by.

use aurore_model::Model;
use sha2::{Digest as _, Sha256};

use super::super::BlockKey;

/// Changes when the files' form does.
const FORM: &[u8] = b"aurore prefix cache 1";

/// A hash of everything that leads to the end of a block: its key and all before it.
pub(super) type PathKey = [u8; 32];

/// A hash of everything that changes the bits of a state beside the tokens.
pub(super) type Identity = [u8; 32];

/// Keys of the ends of a prompt's blocks.
pub(super) fn path_keys(keys: &[BlockKey]) -> Vec<PathKey> {
    let step = |before: &mut PathKey, key: &BlockKey| {
        let mut hash = Sha256::new();
        hash.update(*before);
        hash.update(key);
        *before = hash.finalize().into();
        Some(*before)
    };
    keys.iter().scan([0; 32], step).collect()
}

/// The identity of what a model computes; `given` is what only the caller knows.
pub(super) fn identity(model: &Model, given: &[u8]) -> Identity {
    let mut config = model.config().clone();
    // How long a sequence may become changes no bit; how its positions are stretched for that (YaRN) stays in.
    config.text.max_position_embeddings = 0;
    let facts = format!("{config:?} {:?} {}", model.kv(), model.isa_name());
    let mut hash = Sha256::new();
    for part in [FORM, given, facts.as_bytes()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// In hexadecimal.
pub(super) fn hex(bytes: &[u8; 32]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// Back from [`hex`].
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? * 16 + digit(*low)?))
        .collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_depends_on_all_before() {
        let (a, b) = ([1; 32], [2; 32]);
        let (one, other) = (path_keys(&[a, b, a]), path_keys(&[b, b, a]));
        assert_eq!(one[..2], path_keys(&[a, b]));
        assert!(one.iter().zip(&other).all(|(one, other)| one != other));
        assert_ne!(one[0], one[2]);
    }

    #[test]
    fn hexadecimal_and_back() {
        let mut key = [7; 32];
        key[31] = 0xfe;
        assert_eq!(unhex(&hex(&key)), Some(key));
        for wrong in ["", "00", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            assert_eq!(unhex(wrong), None);
        }
    }
}
