//! The browser's profile: thrown away with the run, or kept and one run's at a time.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::ScreenError;

/// The lock's file in a profile.
const LOCK: &str = "aurore.lock";

/// How long a profile is waited for: a run that was killed a moment ago lets go of it when its browser is gone.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// A profile folder.
pub(super) enum Profile {
    /// Removed with the browser.
    Temporary(tempfile::TempDir),
    /// The same, by the browser's keeper.
    HandedOver(PathBuf),
    /// Kept, with its lock.
    Kept(PathBuf, File),
}

impl Profile {
    /// A throw-away profile, or the one of a folder.
    pub(super) fn open(kept: Option<&Path>) -> Result<Self, ScreenError> {
        let Some(folder) = kept else {
            let folder = tempfile::Builder::new().prefix("aurore-browser-").tempdir();
            return folder.map(Self::Temporary).map_err(|source| ScreenError::Io {
                what: "no temporary folder for the browser's profile (is the disk full?)".to_owned(),
                source,
            });
        };
        let io = |source| ScreenError::Io {
            what: format!("the browser profile {} cannot be used", folder.display()),
            source,
        };
        if !folder.is_dir() {
            // Cookies and logins are the user's alone.
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder).map_err(io)?;
        }
        // The browser starts in a folder of its own.
        let folder = folder.canonicalize().map_err(io)?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut lock = options.open(folder.join(LOCK)).map_err(io)?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_LIMIT => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut by = String::new();
                    let _ = Read::by_ref(&mut lock).take(200).read_to_string(&mut by);
                    let by = by.trim();
                    return Err(ScreenError::ProfileInUse {
                        profile: folder,
                        by: if by.is_empty() { "another run" } else { by }.to_owned(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
        }
        // Only for the message of whoever comes second.
        let named = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "the run of process {}", std::process::id()));
        named.map_err(io)?;
        Ok(Self::Kept(folder, lock))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::HandedOver(folder) | Self::Kept(folder, _) => folder,
        }
    }

    /// What the keeper is to remove: nothing of a profile that is kept.
    pub(super) fn passing(&self) -> &OsStr {
        match self {
            Self::Kept(..) => OsStr::new(""),
            passing => passing.path().as_os_str(),
        }
    }

    /// Whether it outlives the browser.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(..))
    }

    /// The lock once more, for the keeper.
    pub(super) fn lock(&self) -> Result<Option<File>, ScreenError> {
        match self {
            Self::Kept(folder, lock) => lock.try_clone().map(Some).map_err(|source| ScreenError::Io {
                what: format!("the lock of the browser profile {}", folder.display()),
                source,
            }),
            _ => Ok(None),
        }
    }

    /// The keeper runs: from here on it removes what is to be thrown away, also if this process is killed.
    pub(super) fn handed_over(self) -> Self {
        match self {
            Self::Temporary(folder) => Self::HandedOver(folder.keep()),
            other => other,
        }
    }

    /// Removes what the keeper has left.
    pub(super) fn end(&self) {
        if let Self::HandedOver(folder) = self
            && folder.exists()
            && let Err(error) = std::fs::remove_dir_all(folder)
        {
            tracing::warn!(profile = %folder.display(), %error, "the browser's profile folder is left behind");
        }
    }
}
