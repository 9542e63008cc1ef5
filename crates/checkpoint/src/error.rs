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
}

fn shape_note(expected: &[usize]) -> String {
    if expected.is_empty() {
        String::new()
    } else {
        format!(", expected shape {expected:?}")
    }
}
