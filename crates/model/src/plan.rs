//! How much memory a network and its sequences take, known before anything is loaded.

use aurore_checkpoint::{Config, Part, layout};

use aurore_kernels::KvFormat;

use crate::{
    Precision,
    sequence::{attention, delta},
};

/// Bytes that the fast path needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// All weights that are loaded: the language model and the vision tower, without the
    /// multi-token-prediction head. Padding of the kernels' layouts is left out.
    pub weights: u64,
    /// The recurrent part of a sequence's state, whatever its length, with an unfinished chunk.
    pub state: u64,
    /// Keys and values of one token. They are kept in pages of 64 tokens.
    pub kv_per_token: u64,
}

impl MemoryPlan {
    /// The plan for a configuration.
    pub fn new(config: &Config, precision: Precision) -> Self {
        Self::with_kv(config, precision, precision.kv())
    }

    /// The plan for a format of keys and values that is not the precision's own.
    pub fn with_kv(config: &Config, precision: Precision, kv: KvFormat) -> Self {
        // Bytes of some weights of matrices; of q8 and q4 with their scales.
        let matrix = |weights: u64| match precision {
            Precision::Bf16 => weights * 2,
            Precision::F32 => weights * 4,
            Precision::Q8 => weights + weights / 128,
            Precision::Q4 => weights / 2 + weights * 5 / 128,
        };
        let weights = layout(config)
            .iter()
            .filter(|slot| slot.part != Part::Mtp)
            .map(|slot| {
                // Vectors and the convolution's taps stay in f32.
                let vector = slot.shape.len() == 1 || slot.name.ends_with("conv1d.weight");
                if vector {
                    slot.parameters() * 4
                } else {
                    matrix(slot.parameters())
                }
            })
            .sum();
        let text = &config.text;
        let float = size_of::<f32>() as u64;
        let history = (text.linear_conv_kernel_dim - 1) * text.linear_conv_dim();
        let per_linear = (history + delta(text).state_len() + delta(text).chunk_len()) as u64;
        let per_full = (attention(text, kv).page_len() / PAGE) as u64;
        Self {
            weights,
            state: text.linear_layers() as u64 * per_linear * float,
            kv_per_token: text.full_layers() as u64 * per_full * float,
        }
    }

    /// Bytes of a sequence of that many tokens.
    pub fn sequence(&self, tokens: u64) -> u64 {
        self.state + self.kv_per_token * tokens.next_multiple_of(PAGE as u64)
    }
}

/// Tokens in a page of keys and values.
const PAGE: usize = 64;
