//! What can end a run.

use aurore_checkpoint::CheckpointError;
use aurore_model::ModelError;

use crate::{DataError, StreamError};

/// Why a run cannot begin or go on. What was kept on disk before stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file of weights or state.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Weights that cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A sample.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is nothing to learn from.
    #[error("{what} has no samples; hint: record episodes first, or name other files")]
    NoSamples {
        /// Which of the settings.
        what: &'static str,
    },
    /// A sample that does not fit the network.
    #[error("{sample}: {source}; hint: the checkpoint's tokeniser and tower must fit the episodes")]
    Sample {
        /// The sample.
        sample: String,
        /// What is wrong.
        source: StreamError,
    },
    /// A sample longer than the context.
    #[error(
        "{sample}: {tokens} tokens, and the context holds {context}; hint: smaller pictures, or a checkpoint with a longer context"
    )]
    TooLong {
        /// The sample.
        sample: String,
        /// Its tokens.
        tokens: usize,
        /// `max_position_embeddings`
        context: usize,
    },
    /// The loss, or a gradient, is no number.
    #[error(
        "step {step}: the loss is not finite; it comes from {sample}, and shows first in {tensor}; hint: a lower rate or a longer warm-up; the state of step {kept} is kept, and the run goes on from there"
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// The sample.
        sample: String,
        /// The first tensor with a gradient that is no number.
        tensor: String,
        /// The step of the last state on disk; 0 when there is none.
        kept: u64,
    },
    /// A state on disk that belongs to other settings.
    #[error(
        "{file}: {what} was {found} and is {expected} now; hint: set it back, or give the run another folder (`output`, or --out)"
    )]
    OtherRun {
        /// The file.
        file: String,
        /// Which setting.
        what: &'static str,
        /// What the state was made with.
        found: String,
        /// What the settings say.
        expected: String,
    },
    /// Two runs in one folder.
    #[error(
        "{folder} is in use by another run; hint: stop that one, or give this one another folder (`output`, or --out)"
    )]
    Busy {
        /// The folder.
        folder: String,
    },
    /// Writing failed.
    #[error(
        "{file}: {source}; hint: make room on the disk and start the same command again: it goes on from step {kept}"
    )]
    Write {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
        /// The step of the last state on disk.
        kept: u64,
    },
}
