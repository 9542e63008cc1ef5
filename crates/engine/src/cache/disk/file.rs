//! One file: a head that says what it is, and bytes with a checksum.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use twox_hash::XxHash3_64;

use super::key::{Identity, PathKey};

const MAGIC: &[u8; 8] = b"AURCACHE";
/// Bytes before the content: what it is, its length, and the checksum of both.
pub(super) const HEAD: usize = 8 + 32 + 32 + 8 + 8 + 8;
const CHECKSUM: usize = HEAD - 8;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Keys and values of 64 tokens.
    Block,
    /// The recurrent states after them.
    State,
}

impl Kind {
    /// How names of such files end.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Block => "kv",
            Self::State => "state",
        }
    }
}

/// What a file must say of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) identity: Identity,
    pub(super) kind: Kind,
    pub(super) path: PathKey,
}

impl Head {
    fn bytes(&self, content: usize) -> [u8; CHECKSUM] {
        let mut bytes = [0; CHECKSUM];
        let kind = (self.kind as u64).to_le_bytes();
        let length = (content as u64).to_le_bytes();
        let parts: [&[u8]; 5] = [MAGIC, &self.identity, &self.path, &kind, &length];
        let mut rest = bytes.as_mut_slice();
        for part in parts {
            let (own, after) = rest.split_at_mut(part.len());
            own.copy_from_slice(part);
            rest = after;
        }
        bytes
    }

    /// Writes a file beside its place, then puts it there. `buffer` holds [`HEAD`] bytes to be overwritten, then the
    /// content.
    pub(super) fn write(&self, buffer: &mut [u8], beside: &Path, place: &Path) -> io::Result<()> {
        let (head, content) = buffer.split_at_mut(HEAD);
        let (about, sum) = head.split_at_mut(CHECKSUM);
        about.copy_from_slice(&self.bytes(content.len()));
        sum.copy_from_slice(&checksum(about, content).to_le_bytes());
        let write = || {
            create(beside)?.write_all(buffer)?;
            std::fs::rename(beside, place)
        };
        write().inspect_err(|_| _ = std::fs::remove_file(beside))
    }

    /// Reads a file's content of a known length into `buffer`, behind [`HEAD`] bytes.
    ///
    /// # Errors
    /// As the system says; [`io::ErrorKind::InvalidData`] when the file is not what it should be.
    pub(super) fn read(&self, content: usize, place: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
        // A pipe could block for ever, so look before opening.
        let metadata = std::fs::symlink_metadata(place)?;
        if !metadata.is_file() || metadata.len() != (HEAD + content) as u64 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        buffer.resize(HEAD + content, 0);
        File::open(place)?.read_exact(buffer)?;
        let (head, content) = buffer.split_at(HEAD);
        let (about, sum) = head.split_at(CHECKSUM);
        let holds = about == self.bytes(content.len()) && sum == checksum(about, content).to_le_bytes();
        if holds {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

fn checksum(head: &[u8], content: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(head), content)
}

/// A new file that only its owner may read: it tells of conversations.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A folder that only its owner may read.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (beside, place) = (folder.path().join("a"), folder.path().join("b"));
        let head = Head {
            identity: [1; 32],
            kind: Kind::State,
            path: [2; 32],
        };
        let content: Vec<u8> = (0..300u32).map(|number| number as u8).collect();
        let mut buffer = [vec![0; HEAD], content.clone()].concat();
        head.write(&mut buffer, &beside, &place).unwrap();
        assert!(!beside.exists());
        let mut back = Vec::new();
        head.read(300, &place, &mut back).unwrap();
        assert_eq!(back[HEAD..], content);
        let good = std::fs::read(&place).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(&place, &bad).unwrap();
            let error = head.read(300, &place, &mut back).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {at}");
        }
        for length in [0, 1, HEAD, good.len() - 1] {
            std::fs::write(&place, &good[..length]).unwrap();
            assert!(head.read(300, &place, &mut back).is_err());
        }
        std::fs::write(&place, &good).unwrap();
        let others = [
            Head {
                identity: [3; 32],
                ..head
            },
            Head {
                kind: Kind::Block,
                ..head
            },
            Head {
                path: [3; 32],
                ..head
            },
        ];
        assert!(
            others
                .iter()
                .all(|other| other.read(300, &place, &mut back).is_err())
        );
        assert!(head.read(300, folder.path(), &mut back).is_err());
        head.read(300, &place, &mut back).unwrap();
    }
}
