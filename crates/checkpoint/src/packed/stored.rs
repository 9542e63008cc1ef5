//! Matrices that stay in a packed file and are read from it whenever they are needed.
//!
//! They are read, not mapped: what a disk cannot give is then an error instead of a signal, and it is
//! known when they are there.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checksum::Checksum;
use super::{ALIGN, Entry};
use crate::CheckpointError;

/// Where a matrix of a packed file stands.
#[derive(Clone, Debug)]
pub struct StoredMatrix {
    shard: Arc<Shard>,
    /// The matrix's key.
    pub key: String,
    /// Version of the kernels' layout that the bytes have.
    pub layout: u32,
    /// The format's name, such as `q8`.
    pub format: String,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Bytes of the elements and, directly after them, of the scales.
    pub bytes: [u64; 2],
    offset: u64,
    checksum: u64,
}

impl StoredMatrix {
    pub(super) fn new(shard: &Arc<Shard>, entry: &Entry, layout: u32) -> Option<Self> {
        let [rows, columns] = entry.shape[..] else {
            return None;
        };
        Some(Self {
            shard: Arc::clone(shard),
            key: entry.name.clone(),
            layout,
            format: entry.format.clone(),
            rows,
            columns,
            bytes: entry.bytes,
            offset: entry.offset,
            checksum: entry.checksum,
        })
    }

    /// The file, for messages.
    pub fn file(&self) -> String {
        self.shard.path.display().to_string()
    }

    /// Reads elements and scales to the start of `to` and compares them with their checksum. What is behind
    /// them in `to` may change too. A `to` that begins at a multiple of 4,096 and has whole pages of it
    /// for all bytes is filled by the disk itself, past the system's cache, where the file system can do that.
    ///
    /// # Errors
    /// When the disk gives an error or less than that, or the bytes were altered.
    pub fn read(&self, to: &mut [u8]) -> Result<(), CheckpointError> {
        let io = |source| CheckpointError::Io {
            path: self.shard.path.clone(),
            source,
        };
        let len = usize::try_from(self.bytes[0] + self.bytes[1])
            .ok()
            .filter(|len| *len <= to.len());
        let Some(len) = len else {
            let message = format!("{} bytes are no place for {}", to.len(), self.key);
            return Err(io(Error::new(ErrorKind::InvalidInput, message)));
        };
        self.shard.read(to, len, self.offset).map_err(io)?;
        let found = Checksum::of(&[&to[..len]]);
        if found == self.checksum {
            return Ok(());
        }
        Err(CheckpointError::Altered {
            file: self.file(),
            entry: self.key.clone(),
            offset: self.offset,
            expected: self.checksum,
            found,
        })
    }
}

/// A packed file that is open for reading.
#[derive(Debug)]
pub(super) struct Shard {
    path: PathBuf,
    file: File,
    /// The same, past the system's cache: that one would keep a second copy of what was read, and throw out
    /// something else for it.
    direct: Option<File>,
}

impl Shard {
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, CheckpointError> {
        let file = File::open(path).map_err(|source| CheckpointError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Arc::new(Self {
            path: path.to_path_buf(),
            file,
            direct: open_direct(path),
        }))
    }

    /// Fills `to[..len]` from `offset` on, and perhaps more of it.
    fn read(&self, to: &mut [u8], len: usize, offset: u64) -> Result<(), Error> {
        let page = ALIGN as usize;
        let whole = len.next_multiple_of(page);
        let mut done = 0;
        if let (Some(file), true) = (&self.direct, to.as_ptr().addr().is_multiple_of(page))
            && let Some(pages) = to.get_mut(..whole)
        {
            // Whatever is wrong, the other way says so, or does it.
            done = read_at(file, pages, offset).unwrap_or(0).min(len);
        }
        while done < len {
            match read_at(&self.file, &mut to[done..len], offset + done as u64) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(more) => done += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, to: &mut [u8], offset: u64) -> Result<usize, Error> {
    std::os::unix::fs::FileExt::read_at(file, to, offset)
}

#[cfg(windows)]
fn read_at(file: &File, to: &mut [u8], offset: u64) -> Result<usize, Error> {
    std::os::windows::fs::FileExt::seek_read(file, to, offset)
}

/// Linux's `O_DIRECT`, which has another value on other processors.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn open_direct(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    const O_DIRECT: i32 = if cfg!(target_arch = "x86_64") {
        0o40_000
    } else {
        0o200_000
    };
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(O_DIRECT)
        .open(path)
        .ok()
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn open_direct(_path: &Path) -> Option<File> {
    None
}
