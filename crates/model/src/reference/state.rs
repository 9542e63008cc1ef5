//! What a sequence remembers: keys and values, convolution history, recurrent states.

use aurore_checkpoint::{LayerType, TextConfig};

/// The state after some tokens. Cloning it forks the sequence.
#[derive(Clone, Debug)]
pub struct State {
    /// Tokens so far.
    pub length: usize,
    /// The position that a generated token gets: one after the furthest so far.
    pub next_position: u32,
    /// One per decoder layer.
    pub layers: Vec<LayerState>,
}

/// A layer's part of the state.
#[derive(Clone, Debug)]
pub enum LayerState {
    /// Full attention.
    Attention {
        /// Rotated keys. `[length, kv_heads, head_dim]`
        keys: Vec<f32>,
        /// `[length, kv_heads, head_dim]`
        values: Vec<f32>,
    },
    /// Gated DeltaNet.
    DeltaNet {
        /// The last four inputs of the convolution, oldest first, zeros before the first token.
        /// `[channels, 4]`
        conv: Vec<f32>,
        /// `[value_heads, key_dim, value_dim]`
        recurrent: Vec<f32>,
    },
}

impl State {
    pub(super) fn new(config: &TextConfig) -> Self {
        let layer = |kind: &LayerType| match kind {
            LayerType::FullAttention => LayerState::Attention {
                keys: Vec::new(),
                values: Vec::new(),
            },
            LayerType::LinearAttention => LayerState::DeltaNet {
                conv: vec![0.0; config.linear_conv_dim() * config.linear_conv_kernel_dim],
                recurrent: vec![0.0; config.linear_value_dim() * config.linear_key_head_dim],
            },
        };
        Self {
            length: 0,
            next_position: 0,
            layers: config.layer_types.iter().map(layer).collect(),
        }
    }
}
