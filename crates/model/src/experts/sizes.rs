//! How much memory a packed checkpoint's experts want, and what speed to expect with less.

use aurore_checkpoint::matrices::matrices;
use aurore_checkpoint::packed::EntryKind;
use aurore_checkpoint::{Checkpoint, Ffn, Role};

use super::ExpertStore;
use crate::ModelError;

/// Bytes of a packed checkpoint's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertSizes {
    /// All routed experts.
    pub experts: u64,
    /// Those that one token goes to, of all layers.
    pub per_token: u64,
    /// Those that one token goes to in one layer: the least memory.
    pub per_layer: u64,
    /// Everything else that is loaded.
    pub others: u64,
    /// What one token meets of that.
    pub others_per_token: u64,
}

impl ExpertSizes {
    /// Those of a packed checkpoint with routed experts; `None` for another one.
    pub fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let packed = checkpoint.packed_file()?;
        let config = checkpoint.config();
        let Ffn::Moe { experts, top_k, .. } = config.text.ffn else {
            return None;
        };
        let mut sizes = Self {
            experts: 0,
            per_token: 0,
            per_layer: 0,
            others: 0,
            others_per_token: 0,
        };
        for spec in matrices(config, false) {
            let bytes = packed.entry(EntryKind::Matrix, &spec.key)?.len();
            match spec.role {
                // As slots have them.
                Role::ExpertGateUp | Role::ExpertDown => sizes.experts += bytes.next_multiple_of(4096),
                role => {
                    sizes.others += bytes;
                    let visual = spec.key.starts_with("visual.");
                    if !visual && role != Role::Embedding {
                        sizes.others_per_token += bytes;
                    }
                }
            }
        }
        let tensors = packed
            .entries()
            .iter()
            .filter(|entry| entry.kind == EntryKind::Tensor);
        let tensors = tensors.filter(|entry| !entry.name.starts_with("mtp."));
        sizes.others += tensors.map(aurore_checkpoint::packed::Entry::len).sum::<u64>();
        sizes.per_token = sizes.experts / experts.max(1) as u64 * top_k as u64;
        sizes.per_layer = sizes.per_token / config.text.layer_types.len().max(1) as u64;
        Some(sizes)
    }

    /// Bytes a second that the file gives when experts are read from it here and there; takes half a second.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_rate(&self, checkpoint: &Checkpoint) -> Result<f64, ModelError> {
        ExpertStore::open(checkpoint, checkpoint.config(), 2 * self.per_layer)?.read_rate()
    }

    /// The share of experts that `memory` bytes keep, beside the places that are read to.
    pub fn kept(&self, memory: u64) -> f64 {
        let ahead = (memory / 8).clamp(self.per_layer, 8 * self.per_layer);
        let keeps = memory.saturating_sub(ahead);
        (keeps as f64 / self.experts.max(1) as f64).min(1.0)
    }

    /// Tokens a second of one sequence when every expert is used as often as any other: real routers prefer some, so
    /// this is the least. Read rates of disk and memory in bytes a second.
    pub fn least_tokens_per_second(&self, memory: u64, disk: f64, memory_rate: f64) -> f64 {
        let active = (self.per_token + self.others_per_token) as f64;
        let read = self.per_token as f64 * (1.0 - self.kept(memory));
        1.0 / (active / memory_rate + read / disk)
    }
}
