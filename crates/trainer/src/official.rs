//! Parameters as weights of the official layout: bf16, but for the tensors that the family keeps in f32.

use std::borrow::Cow;

use aurore_checkpoint::{CheckpointError, Dtype, Expert, Tensor, Weights};

use crate::parameters::{Parameter, Parameters};

/// What a checkpoint is written from.
pub(crate) struct Official<'a>(pub(crate) &'a Parameters);

impl Official<'_> {
    fn find(&self, name: &str) -> Result<&Parameter, CheckpointError> {
        let missing = || CheckpointError::MissingTensor {
            file: "the trained weights".to_owned(),
            tensor: name.to_owned(),
            expected: Vec::new(),
            hint: "this configuration has no such tensor",
        };
        self.0.find(name).map(|id| self.0.get(id)).ok_or_else(missing)
    }
}

impl Weights for Official<'_> {
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError> {
        let parameter = self.find(name)?;
        Ok(encode(name, &parameter.shape, &parameter.values))
    }

    fn has(&self, name: &str) -> bool {
        self.0.find(name).is_some()
    }

    fn dtype(&self, name: &str) -> Result<Dtype, CheckpointError> {
        self.find(name).map(|_| dtype(name))
    }

    fn expert(&self, prefix: &str, index: usize) -> Result<Expert<'_>, CheckpointError> {
        let part = |name: &str, half: Option<usize>| {
            let name = format!("{prefix}.experts.{name}");
            let parameter = self.find(&name)?;
            let (rows, columns) = (parameter.shape[1], parameter.shape[2]);
            let own = &parameter.values[index * rows * columns..(index + 1) * rows * columns];
            let (rows, own) = match half {
                Some(half) => (rows / 2, &own[half * own.len() / 2..(half + 1) * own.len() / 2]),
                None => (rows, own),
            };
            Ok::<_, CheckpointError>(encode(&name, &[rows, columns], own))
        };
        Ok(Expert {
            gate: part("gate_up_proj", Some(0))?,
            up: part("gate_up_proj", Some(1))?,
            down: part("down_proj", None)?,
        })
    }
}

/// The data type in which the family keeps a tensor.
pub(crate) fn dtype(name: &str) -> Dtype {
    if name.ends_with(".A_log") || name.ends_with(".linear_attn.norm.weight") {
        Dtype::F32
    } else {
        Dtype::BF16
    }
}

/// A tensor in that data type.
pub(crate) fn encode(name: &str, shape: &[usize], values: &[f32]) -> Tensor<'static> {
    let dtype = dtype(name);
    let bytes: Vec<u8> = match dtype {
        Dtype::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        _ => values
            .iter()
            .flat_map(|x| half::bf16::from_f32(*x).to_le_bytes())
            .collect(),
    };
    Tensor {
        name: name.to_owned(),
        file: "the trained weights".to_owned(),
        dtype,
        shape: shape.to_vec(),
        bytes: Cow::Owned(bytes),
    }
}
