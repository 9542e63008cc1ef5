//! What can go wrong between a conversation and token ids.

use aurore_checkpoint::CheckpointError;
use aurore_engine::EngineError;
use thiserror::Error;

/// Why a checkpoint's text side cannot be used, or a conversation cannot be rendered.
#[derive(Debug, Error)]
pub enum ChatError {
    /// A file of the checkpoint that is needed for conversations is absent.
    #[error("{from} has no {file}: {hint}")]
    MissingFile {
        /// Where it was looked for.
        from: String,
        /// Its name.
        file: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A file of the checkpoint cannot be understood.
    #[error("{file}: {why}")]
    BadFile {
        /// Its name.
        file: &'static str,
        /// What is wrong, and where.
        why: String,
    },
    /// A tag of the family that the tokeniser does not know.
    #[error(
        "tokenizer.json has no token {token:?}, which every model of this family has: is it another model's file?"
    )]
    MissingToken {
        /// The tag.
        token: String,
    },
    /// The template refused the conversation or is broken.
    #[error("{file} line {line}: {message}{hint}")]
    Template {
        /// The template's file.
        file: String,
        /// Line of the template, from 1; 0 if unknown.
        line: usize,
        /// The template's own words, or the renderer's.
        message: String,
        /// What to do, if it is known, with its separator.
        hint: &'static str,
    },
    /// The template left out or doubled a picture.
    #[error(
        "the conversation shows {images} pictures but the rendered prompt has {placeholders} placeholders for them"
    )]
    Placeholders {
        /// Pictures in the conversation.
        images: usize,
        /// Placeholders in the prompt.
        placeholders: usize,
    },
    /// A picture for a model without eyes.
    #[error("this model has no vision tower: leave the picture out or choose a model that sees")]
    NoVision,
    /// A picture that cannot be used.
    #[error(transparent)]
    Image(#[from] crate::image::ImageError),
    /// The tokeniser failed.
    #[error("the tokeniser failed on a text of {bytes} bytes: {why}")]
    Tokenizer {
        /// Length of the text.
        bytes: usize,
        /// Its words.
        why: String,
    },
    /// The checkpoint failed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The vocabulary is unusable.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
