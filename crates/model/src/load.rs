//! From named tensors to packed matrices.

use aurore_checkpoint::{Dtype, Tensor, Weights};
use aurore_kernels::{Cpu, Format, Matrix, Source};

use crate::ModelError;

/// Takes tensors out of a checkpoint and packs them.
pub(crate) struct Loader<'a> {
    pub(crate) weights: &'a dyn Weights,
    pub(crate) cpu: &'a Cpu,
    pub(crate) format: Format,
}

impl Loader<'_> {
    /// The matrices of those names (`[rows_i, columns]`), packed as one below the other.
    pub(crate) fn matrix(&self, columns: usize, parts: &[(String, usize)]) -> Result<Matrix, ModelError> {
        self.matrix_as(self.format, columns, parts)
    }

    /// The same in a format of its own.
    pub(crate) fn matrix_as(
        &self,
        format: Format,
        columns: usize,
        parts: &[(String, usize)],
    ) -> Result<Matrix, ModelError> {
        let tensors = parts
            .iter()
            .map(|(name, rows)| {
                let tensor = self.weights.tensor(name)?;
                // A convolution over whole patches is a matrix too: only the sizes' product counts.
                if tensor.len() == rows * columns && tensor.shape.first() == Some(rows) {
                    return Ok(tensor);
                }
                Ok(tensor.expect_shape(&[*rows, columns])?)
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        self.pack(format, columns, &tensors)
    }

    /// Tensors `[rows_i, columns]` as one matrix.
    pub(crate) fn pack(
        &self,
        format: Format,
        columns: usize,
        tensors: &[Tensor<'_>],
    ) -> Result<Matrix, ModelError> {
        let sources = tensors.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        Ok(Matrix::pack(self.cpu, columns, format, &sources))
    }

    /// A vector of `len` elements.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        Ok(self.weights.tensor(name)?.expect_shape(&[len])?.to_f32())
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
