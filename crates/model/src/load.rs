//! From named tensors to packed matrices.

use aurore_checkpoint::{Dtype, MatrixSpec, Role, Tensor, Weights};
use aurore_kernels::{Cpu, Format, Matrix, Source};

use crate::{ModelError, finite};

/// Takes tensors out of a checkpoint and packs them.
pub(crate) struct Loader<'a> {
    pub(crate) weights: &'a dyn Weights,
    pub(crate) cpu: &'a Cpu,
    pub(crate) format: Format,
}

impl Loader<'_> {
    /// A matrix of the network.
    pub(crate) fn matrix(&self, spec: &MatrixSpec) -> Result<Matrix, ModelError> {
        let tensors = spec.tensors(self.weights)?;
        for tensor in &tensors {
            finite::check(self.cpu, tensor)?;
        }
        let sources = tensors.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        Ok(Matrix::pack(
            self.cpu,
            spec.columns,
            self.format_of(spec.role),
            &sources,
        ))
    }

    fn format_of(&self, role: Role) -> Format {
        match role {
            Role::Router | Role::SharedGate => Format::F32,
            _ => self.format,
        }
    }

    /// A vector of `len` elements.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        let tensor = self.weights.tensor(name)?.expect_shape(&[len])?;
        finite::check(self.cpu, &tensor)?;
        Ok(tensor.to_f32())
    }

    /// The weight of a zero-centred norm, 1 added.
    pub(crate) fn norm(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        let mut weight = self.vector(name, len)?;
        for w in &mut weight {
            *w += 1.0;
        }
        Ok(weight)
    }
}

fn source<'a>(tensor: &'a Tensor<'_>) -> Result<Source<'a>, ModelError> {
    match tensor.dtype {
        Dtype::F32 => Ok(Source::F32(&tensor.bytes)),
        Dtype::BF16 => Ok(Source::Bf16(&tensor.bytes)),
        Dtype::F16 => Ok(Source::F16(&tensor.bytes)),
        _ => Err(ModelError::Config(format!(
            "{} holds {}, not weights",
            tensor.name,
            tensor.dtype.name()
        ))),
    }
}
