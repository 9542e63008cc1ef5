//! Where a checkpoint's files come from: a folder, a packed checkpoint, or the program itself.

use std::{
    borrow::Cow,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Bytes, CheckpointError, Packed, packed::EntryKind};

/// The largest file that [`Files::read`] reads into memory: tokenisers have 20 MB.
const READ_LIMIT: u64 = 256 << 20;

/// Where a checkpoint's files come from. Names are plain file names, never paths.
#[derive(Clone, Debug)]
pub enum Files {
    /// A folder on disk.
    Folder(PathBuf),
    /// Files embedded in the program: (name, content).
    Embedded(&'static [(&'static str, &'static [u8])]),
    /// A packed checkpoint.
    Packed(Arc<Packed>),
}

impl Files {
    /// The files in the folder at `path`; nothing is read yet.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::Folder(path.into())
    }

    /// Files that are part of the program.
    pub fn embedded(files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self::Embedded(files)
    }

    /// The whole content of a small file; `None` when there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>, CheckpointError> {
        if let Self::Packed(packed) = self {
            return Ok(packed.file(name)?.map(|content| Cow::Owned(content.to_vec())));
        }
        let Some(path) = self.path(name)? else {
            return Ok(self.find(name).map(Cow::Borrowed));
        };
        let io = |source| CheckpointError::Io {
            path: path.clone(),
            source,
        };
        // A pipe or a device could block for ever, so look before opening.
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(io(std::io::Error::other("not a regular file"))),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        }
        let mut content = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(READ_LIMIT + 1).read_to_end(&mut content))
            .map_err(io)?;
        if content.len() as u64 > READ_LIMIT {
            return Err(CheckpointError::TooLarge {
                file: self.describe_file(name),
                found: content.len() as u64,
                limit: READ_LIMIT,
            });
        }
        Ok(Some(Cow::Owned(content)))
    }

    /// The content of a large file, mapped where it is on disk; `None` when there is no such file.
    pub fn map(&self, name: &str) -> Result<Option<Bytes>, CheckpointError> {
        if let Self::Packed(packed) = self {
            return Ok(packed.file(name)?.map(|content| Bytes::from(content.to_vec())));
        }
        let Some(path) = self.path(name)? else {
            return Ok(self.find(name).map(Bytes::from));
        };
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Bytes::map(&path).map(Some),
            Ok(_) => Err(CheckpointError::Io {
                path,
                source: std::io::Error::other("not a regular file"),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CheckpointError::Io { path, source }),
        }
    }

    /// Like [`Files::read`], but a file that is not there or not UTF-8 is an error.
    pub fn read_text(&self, name: &str, hint: &'static str) -> Result<String, CheckpointError> {
        let content = self.read(name)?.ok_or_else(|| CheckpointError::MissingFile {
            place: self.describe(),
            name: name.to_owned(),
            hint,
        })?;
        String::from_utf8(content.into_owned()).map_err(|error| CheckpointError::Json {
            file: self.describe_file(name),
            message: format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()),
        })
    }

    /// Whether there is such a file, without reading it.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => is_plain(name) && folder.join(name).is_file(),
            Self::Embedded(_) => self.find(name).is_some(),
            Self::Packed(packed) => packed.entry(EntryKind::File, name).is_some(),
        }
    }

    /// The place, for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Embedded(_) => "embedded".to_owned(),
            Self::Packed(packed) => packed.path().display().to_string(),
        }
    }

    /// One file of the place, for messages.
    pub fn describe_file(&self, name: &str) -> String {
        match self {
            Self::Folder(path) => path.join(name).display().to_string(),
            Self::Embedded(_) => format!("embedded {name}"),
            Self::Packed(packed) => format!("{}: {name}", packed.path().display()),
        }
    }

    fn path(&self, name: &str) -> Result<Option<PathBuf>, CheckpointError> {
        if !is_plain(name) {
            return Err(CheckpointError::BadFileName {
                file: self.describe(),
                name: name.to_owned(),
            });
        }
        Ok(match self {
            Self::Folder(folder) => Some(folder.join(name)),
            Self::Embedded(_) | Self::Packed(_) => None,
        })
    }

    fn find(&self, name: &str) -> Option<&'static [u8]> {
        match self {
            Self::Folder(_) | Self::Packed(_) => None,
            Self::Embedded(files) => files
                .iter()
                .find(|(stored, _)| *stored == name)
                .map(|(_, content)| *content),
        }
    }
}

impl From<&Path> for Files {
    fn from(path: &Path) -> Self {
        Self::folder(path)
    }
}

/// Whether a name is one component that stays in its folder on every platform.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\', ':', '\0'])
}
