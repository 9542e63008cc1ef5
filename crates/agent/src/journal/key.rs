//! The user's key that authenticates journals.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::JournalError;

/// 32 random bytes, kept in a file that only the user can read.
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Reads the key file, or makes one.
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        match fs::read_to_string(path) {
            Ok(text) => from_hex(text.trim()).map(Self).ok_or_else(|| JournalError::Key {
                file: path.to_owned(),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(file_error("cannot read the journal's key", path, error)),
        }
    }

    fn create(path: &Path) -> Result<Self, JournalError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| JournalError::Random(error.to_string()))?;
        let written = private(path).and_then(|mut file| {
            file.write_all(hex(&bytes).as_bytes())?;
            file.sync_all()
        });
        match written {
            Ok(()) => Ok(Self(bytes)),
            // Another process was quicker.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::open(path),
            Err(error) => Err(file_error("cannot write the journal's key", path, error)),
        }
    }

    /// HMAC-SHA-256 of a text, in hexadecimal.
    pub(crate) fn sign(&self, text: &str) -> String {
        hex(&self.mac(text).finalize().into_bytes())
    }

    /// Whether `signature` is the HMAC of `text`, compared in constant time.
    pub(crate) fn verifies(&self, text: &str, signature: &str) -> bool {
        from_hex(signature).is_some_and(|bytes: [u8; 32]| self.mac(text).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        // A key of exactly one block never fails and is not hashed first: 32 bytes, padded with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(text.as_bytes());
        mac
    }
}

/// A new file that only the user can read and write. Fails if there is one already.
pub(crate) fn private(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

pub(crate) fn file_error(doing: &'static str, path: &Path, source: std::io::Error) -> JournalError {
    if source.kind() == ErrorKind::StorageFull {
        return JournalError::Full {
            file: path.to_owned(),
        };
    }
    JournalError::File {
        doing,
        file: path.to_owned(),
        source,
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
            }
            text
        })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}
