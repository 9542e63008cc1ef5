//! What the tower's blocks are made of: products with a bias, and layer norms.

use aurore_checkpoint::MatrixSpec;
use aurore_kernels::{Cpu, Gelu, Matrix};

use crate::ModelError;
use crate::load::Loader;
use crate::scratch::part;

/// Epsilon of the layer norms; no configuration has it.
const NORM_EPS: f32 = 1e-6;

pub(super) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

pub(super) struct Linear {
    pub(super) matrix: Matrix,
    bias: Vec<f32>,
}

impl Linear {
    pub(super) fn load(loader: &Loader<'_>, spec: &MatrixSpec) -> Result<Self, ModelError> {
        let matrix = loader.matrix(spec)?;
        let bias = format!("model.{}.bias", spec.key);
        Ok(Self {
            bias: loader.vector(&bias, matrix.rows())?,
            matrix,
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.matrix.bytes() + size_of_val(self.bias.as_slice())
    }

    pub(super) fn forward<'a>(
        &self,
        cpu: &Cpu,
        x: &[f32],
        gelu: Option<Gelu>,
        out: &'a mut Vec<f32>,
    ) -> &'a mut [f32] {
        let out = part(out, x.len() / self.matrix.columns() * self.matrix.rows());
        self.write(cpu, x, gelu, out);
        out
    }

    pub(super) fn write(&self, cpu: &Cpu, x: &[f32], gelu: Option<Gelu>, out: &mut [f32]) {
        cpu.matmul(&self.matrix, x, out);
        cpu.bias_gelu(out, &self.bias, gelu);
    }

    /// `to += W x + bias`
    pub(super) fn add(&self, cpu: &Cpu, x: &[f32], to: &mut [f32]) {
        cpu.bias_gelu(to, &self.bias, None);
        cpu.matmul_add(&self.matrix, x, to);
    }
}

impl LayerNorm {
    pub(super) fn load(loader: &Loader<'_>, name: &str, len: usize) -> Result<Self, ModelError> {
        Ok(Self {
            weight: loader.vector(&format!("{name}.weight"), len)?,
            bias: loader.vector(&format!("{name}.bias"), len)?,
        })
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.weight.as_slice()) + size_of_val(self.bias.as_slice())
    }

    pub(super) fn forward<'a>(&self, cpu: &Cpu, x: &[f32], out: &'a mut Vec<f32>) -> &'a mut [f32] {
        let out = part(out, x.len());
        cpu.layer_norm(x, &self.weight, &self.bias, NORM_EPS, out);
        out
    }
}
