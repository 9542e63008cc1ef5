//! A checkpoint with an adapter's additions in its weights.

use std::borrow::Cow;

use half::{bf16, f16};

use super::{Adapter, LowRank};
use crate::{CheckpointError, Dtype, Expert, Tensor, Weights};

/// Weights `W + s·B·A`, each in the data type in which the base has W unless they are to be exact.
pub struct Merged<'a> {
    base: &'a dyn Weights,
    adapter: &'a Adapter,
    exact: bool,
}

impl<'a> Merged<'a> {
    /// Of weights that are not packed.
    pub fn new(base: &'a dyn Weights, adapter: &'a Adapter) -> Self {
        Self {
            base,
            adapter,
            exact: false,
        }
    }

    /// What has additions is in f32, without rounding: for comparing.
    #[must_use]
    pub fn exact(self) -> Self {
        Self { exact: true, ..self }
    }
}

impl Weights for Merged<'_> {
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError> {
        let tensor = self.base.tensor(name)?;
        match self.adapter.get(name) {
            Some(parts) => Ok(self.add(&tensor, parts)),
            None => Ok(tensor),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.base.has(name)
    }

    fn dtype(&self, name: &str) -> Result<Dtype, CheckpointError> {
        self.base.dtype(name)
    }

    fn expert(&self, prefix: &str, index: usize) -> Result<Expert<'_>, CheckpointError> {
        let Expert { gate, up, down } = self.base.expert(prefix, index)?;
        let part = |name: &str| {
            let parts = self.adapter.get(&format!("{prefix}.experts.{name}"))?;
            parts.get(index..=index)
        };
        let (gate, up) = match part("gate_up_proj") {
            None => (gate, up),
            Some(parts) => {
                let half = |from: usize, rows: &Tensor<'_>| {
                    let halves: Vec<LowRank> = parts
                        .iter()
                        .map(|part| {
                            let outputs = rows.shape.first().copied().unwrap_or(0);
                            let own = from * part.rank..((from + outputs) * part.rank).min(part.b.len());
                            LowRank {
                                outputs,
                                b: part.b.get(own).unwrap_or_default().to_vec(),
                                ..part.clone()
                            }
                        })
                        .collect();
                    self.add(rows, &halves)
                };
                let rows = gate.shape.first().copied().unwrap_or(0);
                (half(0, &gate), half(rows, &up))
            }
        };
        let down = match part("down_proj") {
            None => down,
            Some(parts) => self.add(&down, parts),
        };
        Ok(Expert { gate, up, down })
    }
}

impl Merged<'_> {
    /// The tensor, matrix by matrix, with what is added to each.
    fn add(&self, tensor: &Tensor<'_>, parts: &[LowRank]) -> Tensor<'static> {
        let mut values = tensor.to_f32();
        let size = (values.len() / parts.len().max(1)).max(1);
        for (part, matrix) in parts.iter().zip(values.chunks_mut(size)) {
            part.add_to(0, matrix);
        }
        let dtype = match tensor.dtype {
            kept @ (Dtype::BF16 | Dtype::F16) if !self.exact => kept,
            _ => Dtype::F32,
        };
        let values = values.iter();
        let bytes = match dtype {
            Dtype::BF16 => values.flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
            Dtype::F16 => values.flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            _ => values.flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(),
        };
        Tensor {
            name: tensor.name.clone(),
            file: tensor.file.clone(),
            dtype,
            shape: tensor.shape.clone(),
            bytes: Cow::Owned(bytes),
        }
    }
}
