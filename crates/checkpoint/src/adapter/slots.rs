//! Which tensors may have an addition.

use crate::{Config, layout};

/// What kind of projection an addition belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdapterTarget {
    /// Queries, keys, values and output of softmax attention.
    Attention,
    /// Gated DeltaNet: queries, keys and values, output gate, output.
    DeltaNet,
    /// Gated DeltaNet: the two gates of the recurrence.
    DeltaGates,
    /// Feed-forward layers: dense ones, shared and routed experts.
    FeedForward,
    /// The vision tower's projections.
    Vision,
}

/// A tensor that may have an addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSlot {
    /// Official name; experts by their fused names.
    pub name: String,
    /// What it is.
    pub target: AdapterTarget,
    /// Matrices in it: more than one where experts are fused.
    pub matrices: usize,
    /// Whether it is a fused tensor of experts.
    pub fused: bool,
    /// Rows of a matrix.
    pub outputs: usize,
    /// Columns of a matrix.
    pub inputs: usize,
}

/// Every tensor that may have an addition, in the order of the layout.
pub fn adapter_slots(config: &Config) -> Vec<AdapterSlot> {
    let slots = layout(config).into_iter();
    slots
        .filter_map(|slot| {
            let target = target(&slot.name)?;
            let (matrices, fused, [outputs, inputs]) = match slot.shape[..] {
                [outputs, inputs] => (1, false, [outputs, inputs]),
                [matrices, outputs, inputs] => (matrices, true, [outputs, inputs]),
                _ => return None,
            };
            Some(AdapterSlot {
                name: slot.name,
                target,
                matrices,
                fused,
                outputs,
                inputs,
            })
        })
        .collect()
}

fn target(name: &str) -> Option<AdapterTarget> {
    if name.starts_with("mtp.") {
        return None;
    }
    let module = name.strip_suffix(".weight").unwrap_or(name);
    let (block, part) = module.rsplit_once('.')?;
    let (_, block) = block.rsplit_once('.')?;
    match (block, part) {
        ("self_attn", "q_proj" | "k_proj" | "v_proj" | "o_proj") => Some(AdapterTarget::Attention),
        ("linear_attn", "in_proj_qkv" | "in_proj_z" | "out_proj") => Some(AdapterTarget::DeltaNet),
        ("linear_attn", "in_proj_b" | "in_proj_a") => Some(AdapterTarget::DeltaGates),
        ("mlp" | "shared_expert", "gate_proj" | "up_proj" | "down_proj")
        | ("experts", "gate_up_proj" | "down_proj") => Some(AdapterTarget::FeedForward),
        ("attn", "qkv" | "proj") | ("mlp" | "merger", "linear_fc1" | "linear_fc2")
            if name.starts_with("model.visual.") && name.ends_with(".weight") =>
        {
            Some(AdapterTarget::Vision)
        }
        _ => None,
    }
}
