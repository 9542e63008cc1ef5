//! What can be wrong with a checkpoint, said so that it can be repaired.

use std::path::PathBuf;

/// An error of this crate; each names the place and ends in what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("{}: {source}; hint: check that the path exists and can be read", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The caller asked for an end in the middle of a file.
    #[error("interrupted; hint: files that are not complete end in .partial and can be deleted")]
    Interrupted,
    /// A file that every checkpoint has is not there.
    #[error("{place}: there is no {name}; hint: {hint}")]
    MissingFile {
        /// Folder, or `embedded`.
        place: String,
        /// The file's name.
        name: String,
        /// What to do.
        hint: &'static str,
    },
    /// A name in a checkpoint leads out of its folder or is no plain file name.
    #[error("{file}: {name:?} is not a plain file name; hint: a checkpoint may only name files beside it")]
    BadFileName {
        /// The file that holds the name.
        file: String,
        /// The name.
        name: String,
    },
    /// A file is larger than anything that is sensible for its kind.
    #[error(
        "{file}: {found} bytes, more than the {limit} that such a file may have; hint: give the folder of a Qwen3.5 checkpoint"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in bytes.
        found: u64,
        /// The largest accepted size in bytes.
        limit: u64,
    },
    /// Text that is not JSON, or not the JSON that belongs here.
    #[error("{file}: {message}; hint: download the file again")]
    Json {
        /// The file.
        file: String,
        /// What is wrong and at which line and column.
        message: String,
    },
    /// A field of a JSON file has a value that cannot be.
    #[error(
        "{file}: {field}: expected {expected}, found {found}; hint: correct the file, or download it again"
    )]
    Field {
        /// The file.
        file: String,
        /// Dotted path of the field.
        field: String,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Something that exists but that this program cannot run.
    #[error("{file}: {what} is not supported; hint: {hint}")]
    Unsupported {
        /// The file.
        file: String,
        /// What was met.
        what: String,
        /// What to do.
        hint: &'static str,
    },
    /// A safetensors file whose header does not describe the file.
    #[error("{file}: at byte {offset}: {message}; hint: the file is damaged or cut short; download it again")]
    Header {
        /// The file.
        file: String,
        /// Offset in bytes from the file's start.
        offset: u64,
        /// What is wrong.
        message: String,
    },
    /// One tensor's entry in a header is impossible.
    #[error(
        "{file}: tensor {tensor}: expected {expected}, found {found}; hint: the file is damaged; download it again"
    )]
    Entry {
        /// The file.
        file: String,
        /// The tensor's name in the file.
        tensor: String,
        /// What would be right.
        expected: String,
        /// What the header says.
        found: String,
    },
    /// A tensor that the configuration calls for is in no file.
    #[error("{file}: tensor {tensor} is missing{}; hint: {hint}", shape_note(expected))]
    MissingTensor {
        /// File, or the checkpoint's place.
        file: String,
        /// Official name.
        tensor: String,
        /// The shape that the configuration calls for; empty when it calls for none.
        expected: Vec<usize>,
        /// What to do.
        hint: &'static str,
    },
    /// A tensor that the configuration has no place for.
    #[error(
        "{file}: tensor {tensor} {found:?} has no place in this configuration; hint: config.json belongs to another model"
    )]
    ExtraTensor {
        /// The file.
        file: String,
        /// The tensor's name in the file.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor occurs twice.
    #[error("{file}: tensor {tensor} is also in {other}; hint: remove the file that does not belong there")]
    DuplicateTensor {
        /// The file.
        file: String,
        /// Official name.
        tensor: String,
        /// The other file.
        other: String,
    },
    /// A tensor has another shape than the configuration calls for.
    #[error(
        "{file}: tensor {tensor}: expected shape {expected:?}, found {found:?}; hint: config.json belongs to another model"
    )]
    Shape {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The shape that the configuration calls for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has a data type that weights cannot have here.
    #[error(
        "{file}: tensor {tensor}: expected dtype {expected}, found {found}; hint: use the checkpoint in bf16"
    )]
    WrongDtype {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The accepted data types.
        expected: &'static str,
        /// The data type in the file.
        found: String,
    },
    /// A file that is no packed checkpoint.
    #[error(
        "{file}: this is no packed checkpoint; hint: give a file that `aurore quantize` made, or a folder with config.json"
    )]
    NotPacked {
        /// The file.
        file: String,
    },
    /// A packed checkpoint of another version, or with matrices laid out for another version of the kernels.
    #[error(
        "{file}: version {found} of the {what}, this program reads {supported}; hint: pack the checkpoint again with this program, or use the program that packed it"
    )]
    PackedVersion {
        /// The file.
        file: String,
        /// `packed file` or `matrix layout`.
        what: &'static str,
        /// The file's version.
        found: u32,
        /// This program's.
        supported: u32,
    },
    /// An entry whose bytes are not those that were written.
    #[error(
        "{file}: {entry} at byte {offset} was altered: checksum {found:016x}, written as {expected:016x}; hint: copy or pack the file again"
    )]
    Altered {
        /// The file.
        file: String,
        /// The entry's name.
        entry: String,
        /// Its place in the file.
        offset: u64,
        /// The header's checksum.
        expected: u64,
        /// That of the bytes.
        found: u64,
    },
    /// An official tensor that a packed checkpoint keeps only as a part of a matrix.
    #[error(
        "{file}: tensor {tensor} is packed within a matrix; hint: this needs the checkpoint that the file was packed from"
    )]
    OnlyPacked {
        /// The file.
        file: String,
        /// Official name.
        tensor: String,
    },
    /// A finished file that would be replaced.
    #[error("{} exists already; hint: name another --output, or allow it with --force", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The disk took no more.
    #[error(
        "{}: the disk is full ({source}); hint: make room and run the same command again: it goes on where it stopped", path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written for another reason.
    #[error("{}: cannot be written: {source}; hint: check the folder and its permissions", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl CheckpointError {
    pub(crate) fn write(path: &std::path::Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let path = path.to_path_buf();
        if matches!(source.kind(), StorageFull | QuotaExceeded) {
            Self::Full { path, source }
        } else {
            Self::Write { path, source }
        }
    }
}

fn shape_note(expected: &[usize]) -> String {
    if expected.is_empty() {
        String::new()
    } else {
        format!(", expected shape {expected:?}")
    }
}
