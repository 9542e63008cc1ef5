//! Functions of single elements, over rows.

use crate::Cpu;
use crate::math::{gelu_erf, gelu_tanh, sigmoid, silu};
use crate::simd::{Kernel, Simd};

/// Elements per piece of work.
const PIECE: usize = 1 << 14;

/// Which GELU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// The tanh form.
    Tanh,
    /// The definition by erf.
    Erf,
}

impl Cpu {
    /// SwiGLU's middle: rows `[gate | up]` of `2 · width` become `silu(gate) · up` of `width`.
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn silu_mul(&self, gate_up: &[f32], width: usize, out: &mut [f32]) {
        assert!(
            gate_up.len() == 2 * out.len() && out.len().is_multiple_of(width.max(1)),
            "rows of {width}"
        );
        let rows = (PIECE / width.clamp(1, PIECE)).max(1);
        let operations = out.len() * 8;
        self.pieces(out, rows * width, operations, |index, out| {
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let both = &gate_up[(index * rows + row) * 2 * width..][..2 * width];
                let (gate, up) = both.split_at(width);
                self.isa.run(Gated {
                    gate,
                    factor: up,
                    out,
                    silu: true,
                });
            }
        });
    }

    /// `x = x + bias` for each row of `bias.len()`, then `x = gelu(x)` where one is asked for.
    ///
    /// # Panics
    /// When `x` is not made of such rows.
    pub fn bias_gelu(&self, x: &mut [f32], bias: &[f32], gelu: Option<Gelu>) {
        let width = bias.len();
        assert!(x.len().is_multiple_of(width.max(1)), "rows of {width}");
        let rows = (PIECE / width.clamp(1, PIECE)).max(1);
        let operations = x.len() * 8;
        self.pieces(x, rows * width, operations, |_, x| {
            for x in x.chunks_exact_mut(width) {
                self.isa.run(BiasGelu { x, bias, gelu });
            }
        });
    }
}

/// `out = f(gate) · factor`, f sigmoid or SiLU; all of one length.
pub(crate) struct Gated<'a> {
    pub(crate) gate: &'a [f32],
    pub(crate) factor: &'a [f32],
    pub(crate) out: &'a mut [f32],
    pub(crate) silu: bool,
}

impl Kernel for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.out.len().min(self.gate.len()).min(self.factor.len());
        let mut i = 0;
        while i < len {
            let n = S::LANES.min(len - i);
            // SAFETY: all three slices have `len` elements.
            unsafe {
                let gate = s.load_part(self.gate.as_ptr().add(i), n);
                let factor = s.load_part(self.factor.as_ptr().add(i), n);
                let gate = if self.silu {
                    silu(s, gate)
                } else {
                    sigmoid(s, gate)
                };
                s.store_part(self.out.as_mut_ptr().add(i), s.mul(gate, factor), n);
            }
            i += S::LANES;
        }
    }
}

struct BiasGelu<'a> {
    x: &'a mut [f32],
    bias: &'a [f32],
    gelu: Option<Gelu>,
}

impl Kernel for BiasGelu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.x.len().min(self.bias.len());
        let mut i = 0;
        while i < len {
            let n = S::LANES.min(len - i);
            // SAFETY: both slices have `len` elements.
            unsafe {
                let x = s.load_part(self.x.as_ptr().add(i), n);
                let x = s.add(x, s.load_part(self.bias.as_ptr().add(i), n));
                let x = match self.gelu {
                    None => x,
                    Some(Gelu::Tanh) => gelu_tanh(s, x),
                    Some(Gelu::Erf) => gelu_erf(s, x),
                };
                s.store_part(self.x.as_mut_ptr().add(i), x, n);
            }
            i += S::LANES;
        }
    }
}

#[cfg(test)]
#[path = "elementwise_tests.rs"]
mod tests;
