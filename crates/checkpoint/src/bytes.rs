//! A file's bytes, mapped or embedded.

use std::{fs::File, ops::Deref, path::Path, sync::Arc};

use crate::CheckpointError;

/// Bytes of a file: a read-only mapping, or data that is part of the program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bytes(Source);

#[derive(Clone, Debug)]
enum Source {
    Mapped(Arc<memmap2::Mmap>),
    Static(&'static [u8]),
    Owned(Arc<[u8]>),
}

impl Bytes {
    /// Maps the regular file at `path` into memory.
    pub fn map(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io {
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(io(std::io::Error::other("not a regular file")));
        }
        if metadata.len() == 0 {
            // An empty mapping is an error on some systems.
            return Ok(Self(Source::Static(&[])));
        }
        #[expect(unsafe_code, reason = "weights of many gigabytes are mapped, not read")]
        // SAFETY: the mapping is private to this process and read-only. Its one hazard is that
        // another process changes or truncates the file meanwhile: bytes are only ever read as
        // plain numbers, of which every pattern is valid, after offsets were checked against the
        // mapping's own length; truncation ends the process by a signal, as with any program that
        // maps files, and never reads foreign memory.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        Ok(Self(Source::Mapped(Arc::new(map))))
    }
}

impl Bytes {
    /// Lets a mapping's part out of memory: it has been read, and is read from the file again if it must.
    #[cfg(unix)]
    pub(crate) fn leave(&self, part: &[u8]) {
        /// Whole pages of any system.
        const PAGE: usize = 64 << 10;
        let Source::Mapped(map) = &self.0 else { return };
        let Some(start) = part.as_ptr().addr().checked_sub(map.as_ptr().addr()) else {
            return;
        };
        let end = (start + part.len()).min(map.len()) / PAGE * PAGE;
        let start = start.next_multiple_of(PAGE);
        if start < end {
            #[expect(unsafe_code, reason = "what was copied would be in memory twice")]
            // SAFETY: a read-only mapping of a file, whose pages come back with the same bytes.
            let _ =
                unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start) };
        }
    }

    /// Nothing on systems where a mapping's pages are not given back one by one.
    #[cfg(not(unix))]
    pub(crate) fn leave(&self, _part: &[u8]) {}
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Source::Static(bytes))
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Owned(bytes.into()))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Mapped(map) => map,
            Source::Static(bytes) => bytes,
            Source::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_memory_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let expected: Vec<u8> = (0..1_000_003_u32).map(|i| (i * 7 / 3) as u8).collect();
        std::fs::write(&path, &expected).unwrap();
        let bytes = Bytes::map(&path).unwrap();
        for part in [0..1_000_003, 5..9, 0..0, 70_000..400_001, 999_999..1_000_003] {
            bytes.leave(&bytes[part]);
            assert!(bytes[..] == expected[..]);
        }
        // What is not of the mapping stays.
        bytes.leave(&expected);
        Bytes::from(expected.clone()).leave(&expected);
        assert!(bytes[..] == expected[..]);
    }
}
