//! Adapters: low-rank additions to a checkpoint's matrices (LoRA, Hu et al., 2021), in the layout of Hugging Face PEFT.
//!
//! A folder with `adapter_config.json` and `adapter_model.safetensors`. Each adapted `W` stands for `W + s·B·A`. Of fused
//! experts every one has an addition of its own: PEFT keeps those of a layer in one pair of tensors.

mod config;
mod merged;
mod read;
mod slots;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::config::AdapterConfig;
pub use self::merged::Merged;
pub use self::slots::{AdapterSlot, AdapterTarget, adapter_slots};
use crate::Config;
use crate::matrices::{ExpertPart, MatrixSpec, RowSource};

/// The file of settings in an adapter's folder.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The file of weights in an adapter's folder.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// What is added to one matrix: `scale · B·A`.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank {
    /// Columns of B, rows of A.
    pub rank: usize,
    /// Rows of the matrix.
    pub outputs: usize,
    /// Columns of the matrix.
    pub inputs: usize,
    /// What the product is multiplied with.
    pub scale: f32,
    /// `[rank, inputs]`
    pub a: Vec<f32>,
    /// `[outputs, rank]`
    pub b: Vec<f32>,
}

/// The additions to a checkpoint's matrices.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// Where it comes from, for messages.
    place: String,
    /// A hash of everything in it.
    identity: [u8; 32],
    /// By official tensor name: one, or one per expert of a fused tensor.
    parts: BTreeMap<String, Vec<LowRank>>,
}

impl Adapter {
    /// An adapter out of memory: additions by official tensor name, one each, or one per expert of a fused tensor.
    pub fn new(place: String, parts: BTreeMap<String, Vec<LowRank>>) -> Self {
        let identity = read::identity(&parts);
        Self {
            place,
            identity,
            parts,
        }
    }

    /// An adapter of random numbers over everything but the vision tower, for measuring and tests: the same for a seed.
    pub fn random(config: &Config, rank: usize, seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut numbers = |count: usize, reach: f32| -> Vec<f32> {
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            };
            (0..count).map(|_| reach * next()).collect()
        };
        let mut parts = BTreeMap::new();
        for slot in adapter_slots(config) {
            if slot.target == AdapterTarget::Vision {
                continue;
            }
            let reach = 1.0 / (slot.inputs.max(1) as f32).sqrt();
            let part = |_| LowRank {
                rank,
                outputs: slot.outputs,
                inputs: slot.inputs,
                scale: 1.0,
                a: numbers(rank * slot.inputs, reach),
                b: numbers(slot.outputs * rank, 0.3),
            };
            parts.insert(slot.name.clone(), (0..slot.matrices).map(part).collect());
        }
        Self::new("random numbers".to_owned(), parts)
    }

    /// Where it comes from, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// A hash of everything in it: two adapters that compute differently have different ones.
    pub fn identity(&self) -> &[u8; 32] {
        &self.identity
    }

    /// The additions to the tensor of that official name: one, or one per expert.
    pub fn get(&self, name: &str) -> Option<&[LowRank]> {
        self.parts.get(name).map(Vec::as_slice)
    }

    /// All additions by official tensor name.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &[LowRank])> {
        self.parts
            .iter()
            .map(|(name, parts)| (name.as_str(), parts.as_slice()))
    }

    /// Numbers in it.
    pub fn parameters(&self) -> usize {
        let count = |part: &LowRank| part.a.len() + part.b.len();
        self.parts.values().flatten().map(count).sum()
    }

    /// Whether it changes anything of the vision tower.
    pub fn sees(&self) -> bool {
        self.parts.keys().any(|name| name.starts_with("model.visual."))
    }

    /// What is added to a matrix, each from a row of it on.
    pub fn of(&self, spec: &MatrixSpec) -> Vec<(usize, &LowRank)> {
        let mut found = Vec::new();
        let mut row = 0;
        for (source, rows) in &spec.parts {
            let part = match source {
                RowSource::Tensor(name) => self.parts.get(name).and_then(|parts| parts.first()),
                RowSource::Expert { prefix, index, part } => match part {
                    // Gate and up share an addition, as they share a tensor.
                    ExpertPart::Up => None,
                    ExpertPart::Gate => self.expert(prefix, "gate_up_proj", *index),
                    ExpertPart::Down => self.expert(prefix, "down_proj", *index),
                },
            };
            found.extend(part.map(|part| (row, part)));
            row += rows;
        }
        found
    }

    fn expert(&self, prefix: &str, part: &str, index: usize) -> Option<&LowRank> {
        self.parts.get(&format!("{prefix}.experts.{part}"))?.get(index)
    }
}

impl LowRank {
    /// Adds it to some rows of the matrix from `first` on, `[rows, inputs]`.
    pub fn add_to(&self, first: usize, rows: &mut [f32]) {
        for (row, to) in rows.chunks_exact_mut(self.inputs.max(1)).enumerate() {
            let own = self.b.get((first + row) * self.rank..).unwrap_or_default();
            for (b, a) in own.iter().zip(self.a.chunks_exact(self.inputs.max(1))) {
                let factor = self.scale * b;
                for (to, a) in to.iter_mut().zip(a) {
                    *to += factor * a;
                }
            }
        }
    }
}
