//! What can go wrong between weights, input and network.

use aurore_checkpoint::CheckpointError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A tensor is missing or wrong.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A configuration that this network cannot be built from.
    #[error("this configuration cannot run here: {0}")]
    Config(String),
    /// A token id that the vocabulary does not have.
    #[error(
        "token {index} is {id}, but the vocabulary ends at {vocab_size}; hint: the prompt was made for another model"
    )]
    UnknownToken {
        /// Place in the input.
        index: usize,
        /// The id.
        id: u32,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// Not one position per token.
    #[error("{tokens} tokens but {positions} positions")]
    Positions {
        /// Tokens in the input.
        tokens: usize,
        /// Positions in the input.
        positions: usize,
    },
    /// Images and placeholder tokens do not fit one another.
    #[error(
        "the prompt has {placeholders} image placeholder tokens, its images make {features}; hint: preprocess text and images together"
    )]
    Placeholders {
        /// `<|image_pad|>` tokens in the input.
        placeholders: usize,
        /// Tokens that the images make.
        features: usize,
    },
    /// An image whose patches do not fit its grid.
    #[error("image {index}: {problem}")]
    Image {
        /// Place among the input's images.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// Images for a network without a tower.
    #[error("this model has no vision tower; hint: choose one with images, or leave the images out")]
    NoVision,
    /// More tokens than the sequence may have.
    #[error("{tokens} tokens, but this model's context ends at {limit}; hint: shorten the prompt")]
    TooLong {
        /// Tokens asked for.
        tokens: usize,
        /// `max_position_embeddings`
        limit: usize,
    },
    /// A sequence that would take more memory than it may.
    #[error(
        "{tokens} tokens take {needed} bytes of keys, values and state, and {limit} are left for them; hint: shorten the prompt, or choose a smaller model or fewer bits a weight (`aurore inspect` says what fits)"
    )]
    Memory {
        /// Tokens asked for.
        tokens: usize,
        /// Bytes of a sequence of so many.
        needed: u64,
        /// Bytes that it may take.
        limit: u64,
    },
    /// A weight that is no finite number.
    #[error(
        "{file}: {tensor}: element {index} is not a finite number; hint: the file is damaged or its training failed, fetch it again"
    )]
    NotFinite {
        /// The file it came from.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Place in the tensor.
        index: usize,
    },
    /// A packed checkpoint that was to be packed.
    #[error("this checkpoint is packed already; hint: give the official one that it was packed from")]
    PackedAlready,
    /// Experts were to stay in a file in which they are not as the kernels read them.
    #[error(
        "only a packed checkpoint's experts can stay in their file; hint: pack it with `aurore quantize`"
    )]
    NotPacked,
    /// Memory for experts where there are none.
    #[error(
        "this model has no routed experts that could stay in their file; hint: leave `--expert-memory` out"
    )]
    NoExperts,
    /// Less memory for experts than one token needs in one layer.
    #[error(
        "{budget} bytes are too few for experts: the {top_k} that a token goes to in one layer need {needed}; hint: give at least as much, better many times of it"
    )]
    ExpertMemory {
        /// Bytes that they may take.
        budget: u64,
        /// Bytes of so many experts.
        needed: u64,
        /// Experts of a layer that a token goes to.
        top_k: usize,
    },
    /// No thread reads experts.
    #[error("experts cannot be read from their file: {0}; hint: free memory or raise the limit of threads")]
    Threads(std::io::Error),
    /// An adapter that cannot stand beside the weights.
    #[error("the adapter {place} cannot be used here: {problem}; hint: {hint}")]
    Adapter {
        /// Where it comes from.
        place: String,
        /// Why.
        problem: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A sequence in which a pass ended half way.
    #[error(
        "weights could not be read while this sequence was computed, so it ends half way; hint: begin it again, or go back to a snapshot"
    )]
    HalfWay,
    /// More tokens are to be taken back than can be.
    #[error(
        "{tokens} tokens cannot be taken back, only {most}; hint: drafts are the last tokens of one step, as many as most_drafts says"
    )]
    NotRevocable {
        /// How many.
        tokens: usize,
        /// How many could be.
        most: usize,
    },
}
