//! The fast path's front: a loaded network and what can be asked of it.

use aurore_checkpoint::{Config, Weights};

use crate::{Input, ModelError, Sequence, TokenId};

/// How the weights are kept in memory. Activations and sums are f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Matrices in bf16: exact for checkpoints stored in bf16, half the bytes of f32.
    #[default]
    Bf16,
    /// Matrices in f32.
    F32,
}

/// How a network is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Element type of the matrices.
    pub precision: Precision,
    /// Threads that compute, the caller's included; 0 means one per available processor.
    pub threads: usize,
    /// Instruction set to use instead of the best one of this processor.
    pub isa: Option<aurore_kernels::Isa>,
}

/// Which positions' logits a prefill computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// None: only the state matters.
    None,
    /// The last token's.
    Last,
    /// Every token's.
    All,
}

/// Logits, one row per wanted token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// Numbers in a row.
    pub vocab_size: usize,
    /// `[rows, vocab_size]`
    pub values: Vec<f32>,
}

impl Logits {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.vocab_size.max(1)
    }

    /// Whether no logits were wanted.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The logits of one wanted token, `[vocab_size]`.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.values.chunks_exact(self.vocab_size.max(1)).nth(index)
    }

    /// The last row, `[vocab_size]`.
    pub fn last(&self) -> Option<&[f32]> {
        self.values.chunks_exact(self.vocab_size.max(1)).next_back()
    }
}

/// A loaded network.
pub struct Model {
    config: Config,
}

impl Model {
    /// Reads all weights into the layouts that the kernels want.
    pub fn load(weights: &dyn Weights, config: &Config, options: &LoadOptions) -> Result<Self, ModelError> {
        let _ = (weights, options);
        Ok(Self { config: config.clone() })
    }

    /// What was loaded.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A sequence that has seen nothing.
    pub fn new_sequence(&self) -> Sequence {
        Sequence::default()
    }

    /// Feeds given tokens. The pieces in which they come change nothing, to the bit.
    pub fn prefill(&self, sequence: &mut Sequence, input: &Input<'_>, want: Want) -> Result<Logits, ModelError> {
        let _ = (sequence, input, want);
        Err(ModelError::Config("prefill is not there yet".to_owned()))
    }

    /// Feeds one generated token and writes the logits of the next, `[vocab_size]`.
    pub fn step(&self, sequence: &mut Sequence, id: TokenId, logits: &mut Vec<f32>) -> Result<(), ModelError> {
        let _ = (sequence, id, logits);
        Err(ModelError::Config("step is not there yet".to_owned()))
    }
}
