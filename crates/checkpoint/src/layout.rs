//! Every tensor that a configuration calls for: official name, shape, and the part it belongs to.

use crate::{Config, Ffn, LayerType, TextConfig, VisionConfig};

/// A part of the network, for parameter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Token embedding; also the head when tied.
    Embedding,
    /// Output head of its own.
    Head,
    /// Gated softmax attention.
    FullAttention,
    /// Gated DeltaNet.
    LinearAttention,
    /// Dense feed-forward.
    Mlp,
    /// Routed experts.
    Experts,
    /// Router and shared expert.
    SharedExpert,
    /// RMS norms between the parts.
    Norm,
    /// Vision tower and merger.
    Vision,
    /// Multi-token-prediction head.
    Mtp,
}

/// One tensor's place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Official name; experts by their fused names.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// What it belongs to.
    pub part: Part,
}

impl Slot {
    /// Number of elements.
    pub fn parameters(&self) -> u64 {
        self.shape
            .iter()
            .fold(1u64, |n, side| n.saturating_mul(*side as u64))
    }

    /// The prefix of the feed-forward layer whose fused experts this tensor holds.
    pub(crate) fn fused_experts(&self) -> Option<&str> {
        self.name
            .strip_suffix(".experts.gate_up_proj")
            .or_else(|| self.name.strip_suffix(".experts.down_proj"))
    }
}

/// Every tensor that `config` calls for, in reading order. Those of [`Part::Mtp`] may be absent
/// together.
pub fn layout(config: &Config) -> Vec<Slot> {
    let mut slots = Slots(Vec::new());
    let text = &config.text;
    let hidden = text.hidden_size;
    slots.add(
        Part::Embedding,
        "model.language_model.embed_tokens.weight",
        &[text.vocab_size, hidden],
    );
    for (index, kind) in text.layer_types.iter().enumerate() {
        slots.decoder_layer(&format!("model.language_model.layers.{index}"), text, *kind, None);
    }
    slots.add(Part::Norm, "model.language_model.norm.weight", &[hidden]);
    if !config.tie_word_embeddings {
        slots.add(Part::Head, "lm_head.weight", &[text.vocab_size, hidden]);
    }
    if let Some(vision) = &config.vision {
        slots.vision(vision);
    }
    if text.mtp_num_hidden_layers > 0 {
        slots.add(Part::Mtp, "mtp.fc.weight", &[hidden, 2 * hidden]);
        for norm in ["pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"] {
            slots.add(Part::Mtp, &format!("mtp.{norm}.weight"), &[hidden]);
        }
        for index in 0..text.mtp_num_hidden_layers {
            let prefix = format!("mtp.layers.{index}");
            slots.decoder_layer(&prefix, text, LayerType::FullAttention, Some(Part::Mtp));
        }
    }
    slots.0
}

struct Slots(Vec<Slot>);

impl Slots {
    fn add(&mut self, part: Part, name: &str, shape: &[usize]) {
        self.0.push(Slot {
            name: name.to_owned(),
            shape: shape.to_vec(),
            part,
        });
    }

    /// `all`: the part that the whole layer counts to, when not by its own pieces.
    fn decoder_layer(&mut self, prefix: &str, text: &TextConfig, kind: LayerType, all: Option<Part>) {
        let hidden = text.hidden_size;
        let part = |own: Part| all.unwrap_or(own);
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            self.add(part(Part::Norm), &format!("{prefix}.{norm}.weight"), &[hidden]);
        }
        match kind {
            LayerType::LinearAttention => {
                let (value, conv) = (text.linear_value_dim(), text.linear_conv_dim());
                let heads = text.linear_num_value_heads;
                for (name, shape) in [
                    ("in_proj_qkv.weight", &[conv, hidden][..]),
                    ("in_proj_z.weight", &[value, hidden]),
                    ("in_proj_b.weight", &[heads, hidden]),
                    ("in_proj_a.weight", &[heads, hidden]),
                    ("conv1d.weight", &[conv, 1, text.linear_conv_kernel_dim]),
                    ("A_log", &[heads]),
                    ("dt_bias", &[heads]),
                    ("norm.weight", &[text.linear_value_head_dim]),
                    ("out_proj.weight", &[hidden, value]),
                ] {
                    self.add(
                        part(Part::LinearAttention),
                        &format!("{prefix}.linear_attn.{name}"),
                        shape,
                    );
                }
            }
            LayerType::FullAttention => {
                let dim = text.head_dim;
                let (queries, keys) = (text.num_attention_heads * dim, text.num_key_value_heads * dim);
                for (name, shape) in [
                    ("q_proj.weight", &[2 * queries, hidden][..]),
                    ("k_proj.weight", &[keys, hidden]),
                    ("v_proj.weight", &[keys, hidden]),
                    ("o_proj.weight", &[hidden, queries]),
                    ("q_norm.weight", &[dim]),
                    ("k_norm.weight", &[dim]),
                ] {
                    self.add(
                        part(Part::FullAttention),
                        &format!("{prefix}.self_attn.{name}"),
                        shape,
                    );
                }
            }
        }
        match text.ffn {
            Ffn::Dense { intermediate } => {
                self.swiglu(part(Part::Mlp), &format!("{prefix}.mlp"), hidden, intermediate);
            }
            Ffn::Moe {
                experts,
                intermediate,
                shared_intermediate,
                ..
            } => {
                let mlp = format!("{prefix}.mlp");
                let shared = part(Part::SharedExpert);
                self.add(shared, &format!("{mlp}.gate.weight"), &[experts, hidden]);
                let routed = part(Part::Experts);
                let fused = [experts, 2 * intermediate, hidden];
                self.add(routed, &format!("{mlp}.experts.gate_up_proj"), &fused);
                let down = [experts, hidden, intermediate];
                self.add(routed, &format!("{mlp}.experts.down_proj"), &down);
                self.swiglu(
                    shared,
                    &format!("{mlp}.shared_expert"),
                    hidden,
                    shared_intermediate,
                );
                self.add(shared, &format!("{mlp}.shared_expert_gate.weight"), &[1, hidden]);
            }
        }
    }

    fn swiglu(&mut self, part: Part, prefix: &str, hidden: usize, inner: usize) {
        self.add(part, &format!("{prefix}.gate_proj.weight"), &[inner, hidden]);
        self.add(part, &format!("{prefix}.up_proj.weight"), &[inner, hidden]);
        self.add(part, &format!("{prefix}.down_proj.weight"), &[hidden, inner]);
    }

    fn vision(&mut self, vision: &VisionConfig) {
        let (hidden, inner) = (vision.hidden_size, vision.intermediate_size);
        let merged = hidden * vision.merge_unit();
        let mut add = |name: &str, shape: &[usize]| {
            self.add(Part::Vision, &format!("model.visual.{name}"), shape);
        };
        let side = vision.patch_size;
        add(
            "patch_embed.proj.weight",
            &[hidden, vision.in_channels, vision.temporal_patch_size, side, side],
        );
        add("patch_embed.proj.bias", &[hidden]);
        add("pos_embed.weight", &[vision.num_position_embeddings, hidden]);
        for index in 0..vision.depth {
            for (name, rows, columns) in [
                ("norm1", hidden, None),
                ("norm2", hidden, None),
                ("attn.qkv", 3 * hidden, Some(hidden)),
                ("attn.proj", hidden, Some(hidden)),
                ("mlp.linear_fc1", inner, Some(hidden)),
                ("mlp.linear_fc2", hidden, Some(inner)),
            ] {
                let shape: Vec<usize> = [rows].into_iter().chain(columns).collect();
                add(&format!("blocks.{index}.{name}.weight"), &shape);
                add(&format!("blocks.{index}.{name}.bias"), &[rows]);
            }
        }
        add("merger.norm.weight", &[hidden]);
        add("merger.norm.bias", &[hidden]);
        add("merger.linear_fc1.weight", &[merged, merged]);
        add("merger.linear_fc1.bias", &[merged]);
        add("merger.linear_fc2.weight", &[vision.out_hidden_size, merged]);
        add("merger.linear_fc2.bias", &[vision.out_hidden_size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_shapes_have_the_published_parameter_counts() {
        // Billions, from the model cards and published totals.
        for (name, billions, exact) in [
            ("0.8B", 0.8734, None),
            ("2B", 2.2741, None),
            ("4B", 4.6599, None),
            ("9B", 9.6531, None),
            ("27B", 27.7814, None),
            ("35B-A3B", 35.9518, None),
            ("122B-A10B", 125.0865, None),
            ("397B-A17B", 403.3979, Some(403_397_928_944)),
        ] {
            let config = Config::official(name).unwrap();
            let total: u64 = layout(&config).iter().map(Slot::parameters).sum();
            assert!((total as f64 / 1e9 - billions).abs() < 1e-4, "{name}: {total}");
            if let Some(exact) = exact {
                assert_eq!(total, exact, "{name}");
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let slots = layout(&Config::official("35B-A3B").unwrap());
        let names: std::collections::HashSet<_> = slots.iter().map(|slot| &slot.name).collect();
        assert_eq!(names.len(), slots.len());
    }
}
