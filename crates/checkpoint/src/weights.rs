//! Where a network takes its weights from: a checkpoint, or random numbers of the right shapes.

use crate::{CheckpointError, Dtype, ExpertPart, PackedMatrix, StoredMatrix, Tensor, matrices::slice};

/// A source of tensors by official name.
pub trait Weights: Sync {
    /// The tensor of that official name.
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError>;

    /// Whether there is a tensor of that official name.
    fn has(&self, name: &str) -> bool;

    /// The matrix of that key (see [`crate::matrices()`]), if it is packed already; else it is made
    /// of its tensors.
    fn packed(&self, _key: &str) -> Result<Option<PackedMatrix<'_>>, CheckpointError> {
        Ok(None)
    }

    /// The packed matrix of that key has been copied, so that its bytes need not be in memory twice.
    fn copied(&self, _key: &str) {}

    /// The same matrix, to be read when it is needed, if it is one of a packed file.
    fn stored(&self, _key: &str) -> Result<Option<StoredMatrix>, CheckpointError> {
        Ok(None)
    }

    /// The data type of the tensor of that official name.
    fn dtype(&self, name: &str) -> Result<Dtype, CheckpointError> {
        Ok(self.tensor(name)?.dtype)
    }

    /// One routed expert of the feed-forward layer at `prefix` (such as
    /// `model.language_model.layers.0.mlp`), whether stored fused or per expert.
    fn expert(&self, prefix: &str, index: usize) -> Result<Expert<'_>, CheckpointError> {
        let single = format!("{prefix}.experts.{index}.gate_proj.weight");
        if self.has(&single) {
            let named = |part: &str| self.tensor(&format!("{prefix}.experts.{index}.{part}.weight"));
            return Ok(Expert {
                gate: named("gate_proj")?,
                up: named("up_proj")?,
                down: named("down_proj")?,
            });
        }
        // Fused: [experts, 2·intermediate, hidden], gate rows first, and [experts, hidden, intermediate].
        let gate_up = self.tensor(&format!("{prefix}.experts.gate_up_proj"))?;
        let down = self.tensor(&format!("{prefix}.experts.down_proj"))?;
        Ok(Expert {
            gate: slice(&gate_up, index, 0, 2)?,
            up: slice(&gate_up, index, 1, 2)?,
            down: slice(&down, index, 0, 1)?,
        })
    }

    /// One matrix of a routed expert.
    fn expert_part(
        &self,
        prefix: &str,
        index: usize,
        part: ExpertPart,
    ) -> Result<Tensor<'_>, CheckpointError> {
        let Expert { gate, up, down } = self.expert(prefix, index)?;
        Ok(match part {
            ExpertPart::Gate => gate,
            ExpertPart::Up => up,
            ExpertPart::Down => down,
        })
    }
}

/// One routed expert: `down(silu(gate(x)) ⊙ up(x))`.
#[derive(Clone, Debug)]
pub struct Expert<'a> {
    /// `[intermediate, hidden]`
    pub gate: Tensor<'a>,
    /// `[intermediate, hidden]`
    pub up: Tensor<'a>,
    /// `[hidden, intermediate]`
    pub down: Tensor<'a>,
}
