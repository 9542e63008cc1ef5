//! `config.json` and its companions as types.

mod fields;
mod generation;
mod official;
mod parse;
mod preprocessor;
mod rope;
mod variant;
mod write;

pub use generation::GenerationConfig;
pub use official::OFFICIAL;
pub use preprocessor::PreprocessorConfig;
pub use rope::{RopeParameters, Yarn};

pub(crate) use fields::{Fields, parse_object, unique_map};

/// A checkpoint's `config.json`, checked: sizes are positive, bounded and fit one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The language model.
    pub text: TextConfig,
    /// The vision tower; `None` in text-only checkpoints.
    pub vision: Option<VisionConfig>,
    /// `<|image_pad|>`: its embedding is replaced by a row of an image's features.
    pub image_token_id: u32,
    /// `<|video_pad|>`
    pub video_token_id: u32,
    /// `<|vision_start|>`
    pub vision_start_token_id: u32,
    /// `<|vision_end|>`
    pub vision_end_token_id: u32,
    /// Whether the output head is the embedding matrix.
    pub tie_word_embeddings: bool,
}

/// The language model's sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct TextConfig {
    /// Rows of the embedding and of the head.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// `layer_types.len()`
    pub num_hidden_layers: usize,
    /// The mixer of each layer.
    pub layer_types: Vec<LayerType>,
    /// Query heads of full attention.
    pub num_attention_heads: usize,
    /// Key and value heads of full attention; divides `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Width of a head of full attention.
    pub head_dim: usize,
    /// Query and key heads of a gated DeltaNet layer.
    pub linear_num_key_heads: usize,
    /// Value heads of a gated DeltaNet layer; a multiple of `linear_num_key_heads`.
    pub linear_num_value_heads: usize,
    /// Width of a DeltaNet query or key head.
    pub linear_key_head_dim: usize,
    /// Width of a DeltaNet value head.
    pub linear_value_head_dim: usize,
    /// Taps of the depthwise causal convolution; always 4.
    pub linear_conv_kernel_dim: usize,
    /// The feed-forward part, the same in every layer.
    pub ffn: Ffn,
    /// Epsilon of every RMS norm of the language model.
    pub rms_norm_eps: f32,
    /// Longest sequence in tokens.
    pub max_position_embeddings: usize,
    /// Rotary position embedding of full attention.
    pub rope: RopeParameters,
    /// Layers of the multi-token-prediction head; its tensors may be absent all the same.
    pub mtp_num_hidden_layers: usize,
    /// The text configuration's own end tokens (`generation_config.json` usually has more).
    pub eos_token_ids: Vec<u32>,
}

/// A decoder layer's mixer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerType {
    /// Gated DeltaNet.
    LinearAttention,
    /// Gated softmax attention.
    FullAttention,
}

/// The feed-forward part of a decoder layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ffn {
    /// One SwiGLU.
    Dense {
        /// Its inner width.
        intermediate: usize,
    },
    /// Routed experts and a shared one.
    Moe {
        /// Number of routed experts.
        experts: usize,
        /// Routed experts per token.
        top_k: usize,
        /// Inner width of a routed expert.
        intermediate: usize,
        /// Inner width of the shared expert.
        shared_intermediate: usize,
    },
}

/// The vision tower's sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisionConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Width of the tower.
    pub hidden_size: usize,
    /// Inner width of a block's MLP.
    pub intermediate_size: usize,
    /// Attention heads; divides `hidden_size`.
    pub num_heads: usize,
    /// Colour channels, 3.
    pub in_channels: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames per patch.
    pub temporal_patch_size: usize,
    /// Side, in patches, of the square that becomes one token.
    pub spatial_merge_size: usize,
    /// Width of the features handed to the language model; its `hidden_size`.
    pub out_hidden_size: usize,
    /// Rows of the learned position table; a square number.
    pub num_position_embeddings: usize,
}

impl Config {
    /// The official name of the tensor that makes logits of hidden states.
    pub fn head_name(&self) -> &'static str {
        if self.tie_word_embeddings {
            "model.language_model.embed_tokens.weight"
        } else {
            "lm_head.weight"
        }
    }
}

impl TextConfig {
    /// Width of all query (or all key) heads of a DeltaNet layer.
    pub fn linear_key_dim(&self) -> usize {
        self.linear_num_key_heads * self.linear_key_head_dim
    }

    /// Width of all value heads of a DeltaNet layer.
    pub fn linear_value_dim(&self) -> usize {
        self.linear_num_value_heads * self.linear_value_head_dim
    }

    /// Channels of the convolution: queries, keys, values.
    pub fn linear_conv_dim(&self) -> usize {
        2 * self.linear_key_dim() + self.linear_value_dim()
    }

    /// Leading dimensions of a head that are rotated; even.
    pub fn rotary_dim(&self) -> usize {
        (self.head_dim as f64 * self.rope.partial_rotary_factor) as usize
    }

    /// Layers with gated DeltaNet.
    pub fn linear_layers(&self) -> usize {
        self.layer_types
            .iter()
            .filter(|kind| **kind == LayerType::LinearAttention)
            .count()
    }

    /// Layers with full attention.
    pub fn full_layers(&self) -> usize {
        self.layer_types.len() - self.linear_layers()
    }
}

impl VisionConfig {
    /// Width of an attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_heads
    }

    /// Elements of a flattened patch: channels · frames · rows · columns.
    pub fn patch_dim(&self) -> usize {
        self.in_channels * self.temporal_patch_size * self.patch_size * self.patch_size
    }

    /// Patches that become one token.
    pub fn merge_unit(&self) -> usize {
        self.spatial_merge_size * self.spatial_merge_size
    }

    /// Side of the learned position table.
    pub fn position_grid(&self) -> usize {
        self.num_position_embeddings.isqrt()
    }
}
