//! The few operations that everything is made of.

use aurore_checkpoint::Weights;

use crate::ModelError;

/// A linear layer without bias: `y = x · Wᵀ`.
pub(super) struct Matrix {
    /// `[rows, columns]`, outputs × inputs.
    values: Vec<f32>,
    columns: usize,
}

impl Matrix {
    /// Loads a tensor of exactly that shape.
    pub(super) fn load(
        weights: &dyn Weights,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Self, ModelError> {
        let values = weights.tensor(name)?.expect_shape(&[rows, columns])?.to_f32();
        Ok(Self { values, columns })
    }

    /// A matrix of the given values, `[rows, columns]`.
    pub(super) fn new(values: Vec<f32>, columns: usize) -> Self {
        Self { values, columns }
    }

    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// `x`: `[T, columns]` → `[T, rows]`.
    pub(super) fn apply(&self, x: &[f32]) -> Vec<f32> {
        x.chunks_exact(self.columns)
            .flat_map(|token| self.values.chunks_exact(self.columns).map(|row| dot(row, token)))
            .collect()
    }
}

/// A vector of exactly that length.
pub(super) fn vector(weights: &dyn Weights, name: &str, length: usize) -> Result<Vec<f32>, ModelError> {
    Ok(weights.tensor(name)?.expect_shape(&[length])?.to_f32())
}

/// Eight partial sums: more exact than one, and quick enough to test with.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

pub(super) fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// Zero-centred RMS norm of rows as long as `weight`: `x / sqrt(mean(x²) + eps) · (1 + w)`.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let scale = 1.0 / (dot(row, row) / row.len() as f32 + eps).sqrt();
            row.iter().zip(weight).map(move |(x, w)| x * scale * (1.0 + w))
        })
        .collect()
}

/// Layer norm with bias, rows as long as `weight`.
pub(super) fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<f32> {
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let mean = row.iter().sum::<f32>() / row.len() as f32;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / row.len() as f32;
            let scale = 1.0 / (variance + eps).sqrt();
            row.iter()
                .zip(weight.iter().zip(bias))
                .map(move |(x, (w, b))| (x - mean) * scale * w + b)
        })
        .collect()
}

pub(super) fn softmax(x: &mut [f32]) {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for x in x.iter_mut() {
        *x = (*x - max).exp();
    }
    let sum: f32 = x.iter().sum();
    for x in x.iter_mut() {
        *x /= sum;
    }
}

pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

pub(super) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// `ln(1 + eˣ)`, without overflow.
pub(super) fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The vision blocks' GELU.
pub(super) fn gelu_tanh(x: f32) -> f32 {
    let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

/// The merger's GELU, by the error function.
pub(super) fn gelu_erf(x: f32) -> f32 {
    let x = f64::from(x);
    (0.5 * x * (1.0 + erf(x / 2.0f64.sqrt()))) as f32
}

/// `erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!`, a series of one sign, so exact to rounding.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    let mut n = 1.0;
    while term.abs() > 1e-17 * sum.abs() {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

/// Rotates pairs (j, j + pairs) of a head's leading dimensions; the rest passes.
pub(super) fn rotate(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let pairs = cos.len();
    for j in 0..pairs {
        let (a, b) = (head[j], head[j + pairs]);
        head[j] = a * cos[j] - b * sin[j];
        head[j + pairs] = b * cos[j] + a * sin[j];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_function_matches_known_values() {
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (-1.0, -0.842_700_792_949_714_9),
            (3.0, 0.999_977_909_503_001_4),
            (7.0, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 1e-14, "erf({x}) = {}", erf(x));
        }
    }

    #[test]
    fn softplus_survives_large_arguments() {
        assert_eq!(softplus(200.0), 200.0);
        assert_eq!(softplus(-200.0), 0.0);
        assert!((softplus(0.0) - 2.0f32.ln()).abs() < 1e-7);
    }
}
