//! The norm after the delta rule: `y = w · o / √(mean(o²) + ε) · silu(z)`, statistics per head, norm first.

use crate::Buffer;
use crate::ops::functions::{PARTS, dot, sigmoid, silu, total};
use crate::ops::vectorised;
use crate::parameters::ParameterId;
use crate::pass::Pass;

/// A norm over rows of the weight's length B, the value head's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatedNorm {
    pub(crate) weight: ParameterId,
    pub(crate) eps: f32,
}

/// The inputs, and the reciprocal of the length per row.
pub(crate) struct Saved {
    /// `[rows, B]`
    o: Buffer,
    /// `[rows, B]`
    z: Buffer,
    /// `[rows]`
    scale: Buffer,
}

impl GatedNorm {
    /// `o`, `z`: `[rows, B]` → `[rows, B]`
    pub(crate) fn forward(&self, pass: &mut Pass<'_>, o: Buffer, z: Buffer) -> (Buffer, Saved) {
        let weight = pass.values(self.weight);
        let mut y = pass.take(o.len());
        let mut scale = pass.take(o.len() / weight.len());
        normalise(pass.isa(), &o, &z, weight, self.eps, &mut y, &mut scale);
        (y, Saved { o, z, scale })
    }

    /// Gives `(do, dz)`.
    pub(crate) fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dy: &[f32]) -> (Buffer, Buffer) {
        let weight = pass.values(self.weight);
        let Saved { mut o, mut z, scale } = saved;
        let isa = pass.isa();
        back(
            isa,
            &mut o,
            &mut z,
            &scale,
            weight,
            dy,
            pass.gradient(self.weight),
        );
        (o, z)
    }
}

vectorised! {
    fn normalise(
        o: &'a [f32],
        z: &'a [f32],
        weight: &'a [f32],
        eps: f32,
        y: &'a mut [f32],
        scale: &'a mut [f32],
    ) {
        let width = weight.len();
        let rows = o.chunks_exact(width).zip(z.chunks_exact(width));
        for (((o, z), y), scale) in rows.zip(y.chunks_exact_mut(width)).zip(scale) {
            *scale = 1.0 / (dot(o, o) / width as f32 + eps).sqrt();
            for (((y, o), z), w) in y.iter_mut().zip(o).zip(z).zip(weight) {
                *y = w * (o * *scale) * silu(*z);
            }
        }
    }

    /// The gradients take the places of `o` and `z`. With `n = o·r` and `e = dy·silu(z)·w`:
    /// `do = r·(e − n·mean(e·n))`, `dz = dy·w·n·silu′(z)`, `dw = Σ dy·silu(z)·n`.
    fn back(
        o: &'a mut [f32],
        z: &'a mut [f32],
        scale: &'a [f32],
        weight: &'a [f32],
        dy: &'a [f32],
        dw: &'a mut [f32],
    ) {
        let width = weight.len();
        let rows = o.chunks_exact_mut(width).zip(z.chunks_exact_mut(width));
        for (((o, z), dy), r) in rows.zip(dy.chunks_exact(width)).zip(scale) {
            let r = *r;
            let mut sum = 0.0;
            let mut parts = [0.0f32; PARTS];
            let chunks = o.chunks(PARTS).zip(z.chunks(PARTS)).zip(dy.chunks(PARTS).zip(weight.chunks(PARTS)));
            for ((o, z), (dy, w)) in chunks {
                for ((((part, o), z), dy), w) in parts.iter_mut().zip(o).zip(z).zip(dy).zip(w) {
                    *part = dy * silu(*z) * w * o * r;
                }
                sum += total(&parts[..o.len()]);
            }
            let mean = sum / width as f32;
            for ((((o, z), dy), w), dw) in o.iter_mut().zip(z.iter_mut()).zip(dy).zip(weight).zip(dw.iter_mut()) {
                let n = *o * r;
                let s = sigmoid(*z);
                let open = *z * s;
                *dw += dy * open * n;
                *o = r * (dy * open * w - n * mean);
                *z = dy * w * n * (s + open * (1.0 - s));
            }
        }
    }
}
