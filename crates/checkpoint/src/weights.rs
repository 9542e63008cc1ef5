//! Where a network takes its weights from: a checkpoint, or random numbers of the right shapes.

use std::borrow::Cow;

use crate::{CheckpointError, Tensor};

/// A source of tensors by official name.
pub trait Weights: Sync {
    /// The tensor of that official name.
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError>;

    /// Whether there is a tensor of that official name.
    fn has(&self, name: &str) -> bool;

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

/// Part `part` of `parts` equal row groups of matrix `index` of a `[matrices, rows, columns]` tensor.
fn slice<'a>(
    tensor: &Tensor<'a>,
    index: usize,
    part: usize,
    parts: usize,
) -> Result<Tensor<'a>, CheckpointError> {
    let found = || CheckpointError::Entry {
        file: tensor.file.clone(),
        tensor: tensor.name.clone(),
        expected: format!("[more than {index} experts, rows in {parts} parts, columns]"),
        found: format!("{:?}", tensor.shape),
    };
    let [matrices, rows, columns] = tensor.shape[..] else {
        return Err(found());
    };
    if index >= matrices || !rows.is_multiple_of(parts) {
        return Err(found());
    }
    let rows = rows / parts;
    let size = rows * columns * tensor.dtype.size();
    let start = (index * parts + part) * size;
    let bytes = match &tensor.bytes {
        Cow::Borrowed(bytes) => bytes.get(start..start + size).map(Cow::Borrowed),
        Cow::Owned(bytes) => bytes
            .get(start..start + size)
            .map(|bytes| Cow::Owned(bytes.to_vec())),
    };
    Ok(Tensor {
        name: format!("{}[{index}]", tensor.name),
        file: tensor.file.clone(),
        dtype: tensor.dtype,
        shape: vec![rows, columns],
        bytes: bytes.ok_or_else(found)?,
    })
}
