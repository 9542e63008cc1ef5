//! Norms over rows. A row's sums run in lanes and are then added up, in one fixed order.

use crate::math::silu;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Isa};

impl Cpu {
    /// RMS norm of rows of `weight.len()`: `out = x / √(mean(x²) + eps) · weight`.
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn rms_norm(&self, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        let width = weight.len();
        assert!(
            x.len() == out.len() && x.len().is_multiple_of(width.max(1)),
            "rows of {width}"
        );
        let rows = rows_per_piece(width);
        self.pieces(out, rows * width, x.len(), |index, out| {
            let x = &x[index * rows * width..][..out.len()];
            for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                self.isa.run(RmsNorm { x, weight, eps, out });
            }
        });
    }

    /// Layer norm of rows of `weight.len()`: `out = (x - mean) / √(variance + eps) · weight + bias`.
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn layer_norm(&self, x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
        let width = weight.len();
        assert!(
            x.len() == out.len() && x.len().is_multiple_of(width.max(1)),
            "rows of {width}"
        );
        assert_eq!(bias.len(), width);
        let rows = rows_per_piece(width);
        self.pieces(out, rows * width, x.len(), |index, out| {
            let x = &x[index * rows * width..][..out.len()];
            for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                self.isa.run(LayerNorm {
                    x,
                    weight,
                    bias,
                    eps,
                    out,
                });
            }
        });
    }

    /// The gated norm of DeltaNet, in place: each row of `weight.len()` in `x` becomes
    /// `x / √(mean(x²) + eps) · weight · silu(gate)`. The gates of `heads` rows lie together at the
    /// start of every `gate_stride` elements of `gate`.
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn gated_rms_norm(
        &self,
        x: &mut [f32],
        weight: &[f32],
        eps: f32,
        gate: &[f32],
        heads: usize,
        gate_stride: usize,
    ) {
        let width = weight.len();
        let token = heads * width;
        let tokens = x.len() / token.max(1);
        assert!(
            x.len() == tokens * token && (tokens == 0 || gate.len() >= (tokens - 1) * gate_stride + token)
        );
        let operations = 4 * x.len();
        self.pieces(x, token, operations, |index, x| {
            let gate = &gate[index * gate_stride..][..token];
            for (x, gate) in x.chunks_exact_mut(width).zip(gate.chunks_exact(width)) {
                self.isa.run(GatedRmsNorm { x, weight, eps, gate });
            }
        });
    }
}

/// RMS norm of one row in place, for use inside other loops.
pub(crate) fn rms_norm_row(isa: Isa, row: &mut [f32], weight: &[f32], eps: f32) {
    isa.run(RmsNormInPlace { row, weight, eps });
}

fn rows_per_piece(width: usize) -> usize {
    (1 << 14) / width.clamp(1, 1 << 14)
}

/// `Σ (x - mean)²`
#[inline(always)]
pub(crate) fn squares<S: Simd>(s: S, x: &[f32], mean: f32) -> f32 {
    let mut sums = s.splat(0.0);
    let means = s.splat(mean);
    let whole = x.len() / S::LANES * S::LANES;
    let mut i = 0;
    while i < whole {
        // SAFETY: i + LANES <= len.
        let v = s.sub(unsafe { s.load(x.as_ptr().add(i)) }, means);
        sums = s.mul_add(v, v, sums);
        i += S::LANES;
    }
    let mut sum = s.sum(sums);
    for &v in &x[whole..] {
        let difference = v - mean;
        sum += difference * difference;
    }
    sum
}

struct RmsNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.weight.len();
        let scale = 1.0 / (squares(s, self.x, 0.0) / len as f32 + self.eps).sqrt();
        let scale = s.splat(scale);
        let mut i = 0;
        while i < len {
            let n = S::LANES.min(len - i);
            // SAFETY: all three slices have `len` elements.
            unsafe {
                let x = s.load_part(self.x.as_ptr().add(i), n);
                let weight = s.load_part(self.weight.as_ptr().add(i), n);
                s.store_part(self.out.as_mut_ptr().add(i), s.mul(s.mul(x, scale), weight), n);
            }
            i += S::LANES;
        }
    }
}

struct RmsNormInPlace<'a> {
    row: &'a mut [f32],
    weight: &'a [f32],
    eps: f32,
}

impl Kernel for RmsNormInPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.row.len().min(self.weight.len());
        let scale = s.splat(1.0 / (squares(s, self.row, 0.0) / len as f32 + self.eps).sqrt());
        let mut i = 0;
        while i < len {
            let n = S::LANES.min(len - i);
            // SAFETY: both slices have `len` elements.
            unsafe {
                let x = s.load_part(self.row.as_ptr().add(i), n);
                let weight = s.load_part(self.weight.as_ptr().add(i), n);
                s.store_part(self.row.as_mut_ptr().add(i), s.mul(s.mul(x, scale), weight), n);
            }
            i += S::LANES;
        }
    }
}

struct GatedRmsNorm<'a> {
    x: &'a mut [f32],
    weight: &'a [f32],
    eps: f32,
    gate: &'a [f32],
}

impl Kernel for GatedRmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.weight.len();
        let scale = s.splat(1.0 / (squares(s, self.x, 0.0) / len as f32 + self.eps).sqrt());
        let mut i = 0;
        while i < len {
            let n = S::LANES.min(len - i);
            // SAFETY: all three slices have `len` elements.
            unsafe {
                let x = s.load_part(self.x.as_ptr().add(i), n);
                let weight = s.load_part(self.weight.as_ptr().add(i), n);
                let gate = silu(s, s.load_part(self.gate.as_ptr().add(i), n));
                let y = s.mul(s.mul(s.mul(x, scale), weight), gate);
                s.store_part(self.x.as_mut_ptr().add(i), y, n);
            }
            i += S::LANES;
        }
    }
}

struct LayerNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.weight.len();
        let mut sums = s.splat(0.0);
        let mut i = 0;
        while i < len {
            // SAFETY: the slice has `len` elements.
            sums = s.add(sums, unsafe {
                s.load_part(self.x.as_ptr().add(i), S::LANES.min(len - i))
            });
            i += S::LANES;
        }
        let mean = s.sum(sums) / len as f32;
        let scale = s.splat(1.0 / (squares(s, self.x, mean) / len as f32 + self.eps).sqrt());
        let mut i = 0;
        while i < len {
            let n = S::LANES.min(len - i);
            // SAFETY: all four slices have `len` elements.
            unsafe {
                let x = s.sub(s.load_part(self.x.as_ptr().add(i), n), s.splat(mean));
                let weight = s.load_part(self.weight.as_ptr().add(i), n);
                let bias = s.load_part(self.bias.as_ptr().add(i), n);
                s.store_part(
                    self.out.as_mut_ptr().add(i),
                    s.mul_add(s.mul(x, scale), weight, bias),
                    n,
                );
            }
            i += S::LANES;
        }
    }
}

#[cfg(test)]
#[path = "norm_tests.rs"]
mod tests;
