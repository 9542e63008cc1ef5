//! How the inputs of a matrix go together, and what that says about errors of its weights.

use crate::Isa;
use crate::simd::{Kernel, Simd};

/// Made from the inputs' second moments `H = Σ x xᵀ`: the upper triangle `U` of the Cholesky
/// decomposition `H⁻¹ = Uᵀ U`, rows divided by their diagonal. An error of weight k is best made good by
/// subtracting `error · U[k][j] / U[k][k]` from each later weight j (GPTQ, arXiv 2210.17323, section 3.3).
pub struct Correlation {
    columns: usize,
    /// The mean square of each input, `[columns]`
    importance: Vec<f32>,
    /// `[columns, columns]`, of which what is right of the diagonal counts
    passed: Vec<f32>,
}

impl Correlation {
    /// From `Σ x xᵀ`, `[columns, columns]`, over some inputs; `None` when it cannot be inverted or is not finite.
    /// `damping` times the mean square of all inputs is added to each one's own.
    pub fn new(columns: usize, moments: &[f32], damping: f64) -> Option<Self> {
        if columns == 0 || moments.len() != columns * columns {
            return None;
        }
        let mean = (0..columns)
            .map(|k| f64::from(moments[k * columns + k]))
            .sum::<f64>()
            / columns as f64;
        if !(mean.is_finite() && mean > 0.0) {
            return None;
        }
        let mut h: Vec<f64> = moments.iter().map(|x| f64::from(*x) / mean).collect();
        for k in 0..columns {
            h[k * columns + k] += damping;
        }
        let importance = (0..columns).map(|k| h[k * columns + k] as f32).collect();
        let inverse = inverse(columns, &mut h)?;
        // H⁻¹ = L Lᵀ from its end gives the upper triangle that rounding from the start needs.
        let upper = upper_factor(columns, inverse)?;
        let mut passed = vec![0.0; columns * columns];
        for k in 0..columns {
            let diagonal = upper[k * columns + k];
            for j in k + 1..columns {
                passed[k * columns + j] = (upper[k * columns + j] / diagonal) as f32;
            }
        }
        passed.iter().all(|x| x.is_finite()).then_some(Self {
            columns,
            importance,
            passed,
        })
    }

    /// Inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `[columns]`
    pub(crate) fn importance(&self) -> &[f32] {
        &self.importance
    }

    /// Changes the weights after `k` for what was done wrong at `k`.
    pub(crate) fn pass_on(&self, isa: Isa, row: &mut [f32], k: usize, error: f32) {
        let passed = &self.passed[k * self.columns..(k + 1) * self.columns];
        isa.run(Subtract {
            from: &mut row[k + 1..],
            passed: &passed[k + 1..],
            error,
        });
    }
}

struct Subtract<'a> {
    from: &'a mut [f32],
    passed: &'a [f32],
    error: f32,
}

impl Kernel for Subtract<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (weight, share) in self.from.iter_mut().zip(self.passed) {
            *weight -= self.error * share;
        }
    }
}

/// The lower triangle L of `h = L Lᵀ`, in place.
fn lower_factor(n: usize, h: &mut [f64]) -> Option<()> {
    for i in 0..n {
        let (above, row) = h.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..][..=j];
            let dot: f64 = row[..j].iter().zip(other).map(|(a, b)| a * b).sum();
            row[j] = (row[j] - dot) / other[j];
        }
        let square: f64 = row[..i].iter().map(|a| a * a).sum();
        let rest = row[i] - square;
        if !(rest > 0.0 && rest.is_finite()) {
            return None;
        }
        row[i] = rest.sqrt();
    }
    Some(())
}

/// The inverse of a symmetric positive matrix, which is used up.
fn inverse(n: usize, h: &mut [f64]) -> Option<Vec<f64>> {
    lower_factor(n, h)?;
    // Column c of L⁻¹, kept as row c: m[c][i] = (L⁻¹)[i][c].
    let mut m = vec![0.0; n * n];
    for c in 0..n {
        let column = &mut m[c * n..(c + 1) * n];
        column[c] = 1.0 / h[c * n + c];
        for i in c + 1..n {
            let row = &h[i * n..][..=i];
            let dot: f64 = row[c..i].iter().zip(&column[c..i]).map(|(a, b)| a * b).sum();
            column[i] = -dot / row[i];
        }
    }
    // H⁻¹ = L⁻ᵀ L⁻¹
    let mut result = vec![0.0; n * n];
    for a in 0..n {
        for b in a..n {
            let (x, y) = (&m[a * n + b..(a + 1) * n], &m[b * n + b..(b + 1) * n]);
            let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
            result[a * n + b] = dot;
            result[b * n + a] = dot;
        }
    }
    Some(result)
}

/// The upper triangle U of `a = Uᵀ U`.
fn upper_factor(n: usize, mut a: Vec<f64>) -> Option<Vec<f64>> {
    lower_factor(n, &mut a)?;
    let mut upper = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            upper[j * n + i] = a[i * n + j];
        }
    }
    Some(upper)
}
