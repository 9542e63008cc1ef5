//! The published shapes, so that speed and memory can be looked at without files.

use super::{Config, Ffn, LayerType, RopeParameters, TextConfig, VisionConfig};

/// The names that [`Config::official`] knows.
pub const OFFICIAL: &[&str] = &[
    "0.8B",
    "2B",
    "4B",
    "9B",
    "27B",
    "35B-A3B",
    "122B-A10B",
    "397B-A17B",
];

impl Config {
    /// The configuration of a published model by its short name, such as `0.8B` or `35B-A3B`
    /// (a leading `Qwen3.5-` is fine); `None` for names not in [`OFFICIAL`]. `Qwen3.6-27B`,
    /// `Qwen3.6-35B-A3B` and `Qwen3.8-27B` have the sizes of their predecessors.
    pub fn official(name: &str) -> Option<Self> {
        let short = match name {
            "Qwen3.6-27B" | "Qwen3.8-27B" => "27B",
            "Qwen3.6-35B-A3B" => "35B-A3B",
            _ => name.strip_prefix("Qwen3.5-").unwrap_or(name),
        };
        let dense = |intermediate| Ffn::Dense { intermediate };
        let moe = |experts, top_k, inner| Ffn::Moe {
            experts,
            top_k,
            intermediate: inner,
            shared_intermediate: inner,
        };
        // hidden, layers, query heads, key-value heads, feed-forward, DeltaNet value heads, tied, tower
        let (hidden, layers, heads, kv_heads, ffn, value_heads, tied, tower) = match short {
            "0.8B" => (1024, 24, 8, 2, dense(3584), 16, true, SMALL),
            "2B" => (2048, 24, 8, 2, dense(6144), 16, true, MEDIUM),
            "4B" => (2560, 32, 16, 4, dense(9216), 32, true, MEDIUM),
            "9B" => (4096, 32, 16, 4, dense(12_288), 32, false, LARGE),
            "27B" => (5120, 64, 24, 4, dense(17_408), 48, false, LARGE),
            "35B-A3B" => (2048, 40, 16, 2, moe(256, 8, 512), 32, false, LARGE),
            "122B-A10B" => (3072, 48, 32, 2, moe(256, 8, 1024), 64, false, LARGE),
            "397B-A17B" => (4096, 60, 32, 2, moe(512, 10, 1024), 64, false, LARGE),
            _ => return None,
        };
        let (depth, tower_hidden, num_heads, intermediate_size) = tower;
        Some(Self {
            text: TextConfig {
                vocab_size: 248_320,
                hidden_size: hidden,
                num_hidden_layers: layers,
                layer_types: (1..=layers)
                    .map(|ordinal| match ordinal % 4 {
                        0 => LayerType::FullAttention,
                        _ => LayerType::LinearAttention,
                    })
                    .collect(),
                num_attention_heads: heads,
                num_key_value_heads: kv_heads,
                head_dim: 256,
                linear_num_key_heads: 16,
                linear_num_value_heads: value_heads,
                linear_key_head_dim: 128,
                linear_value_head_dim: 128,
                linear_conv_kernel_dim: 4,
                ffn,
                rms_norm_eps: 1e-6,
                max_position_embeddings: 262_144,
                rope: RopeParameters {
                    theta: 1e7,
                    partial_rotary_factor: 0.25,
                    mrope_section: [11, 11, 10],
                    yarn: None,
                },
                mtp_num_hidden_layers: 1,
                eos_token_ids: vec![248_044],
            },
            vision: Some(VisionConfig {
                depth,
                hidden_size: tower_hidden,
                intermediate_size,
                num_heads,
                in_channels: 3,
                patch_size: 16,
                temporal_patch_size: 2,
                spatial_merge_size: 2,
                out_hidden_size: hidden,
                num_position_embeddings: 2304,
            }),
            image_token_id: 248_056,
            video_token_id: 248_057,
            vision_start_token_id: 248_053,
            vision_end_token_id: 248_054,
            tie_word_embeddings: tied,
        })
    }
}

// Vision towers: depth, hidden, heads, intermediate.
const SMALL: (usize, usize, usize, usize) = (12, 768, 12, 3072);
const MEDIUM: (usize, usize, usize, usize) = (24, 1024, 16, 4096);
const LARGE: (usize, usize, usize, usize) = (27, 1152, 16, 4304);
