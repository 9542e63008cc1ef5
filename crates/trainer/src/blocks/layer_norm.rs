//! Layer norm of the vision tower: `y = (x − mean) / √(variance + ε) · w + b`.

use crate::Buffer;
use crate::ops::functions::{dot, total};
use crate::ops::vectorised;
use crate::parameters::ParameterId;
use crate::pass::Pass;

const EPS: f32 = 1e-6;

/// A norm over rows of the weight's length W.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerNorm {
    pub(crate) weight: ParameterId,
    pub(crate) bias: ParameterId,
}

/// What was normalised, and the reciprocal of its deviation per row.
pub(crate) struct Saved {
    /// `(x − mean) / √(variance + ε)`, `[rows, W]`
    normal: Buffer,
    /// `[rows]`
    scale: Buffer,
}

impl LayerNorm {
    /// `x`: `[rows, W]` → `[rows, W]`
    pub(crate) fn forward(&self, pass: &mut Pass<'_>, x: &[f32]) -> (Buffer, Saved) {
        let (weight, bias) = (pass.values(self.weight), pass.values(self.bias));
        let mut y = pass.take(x.len());
        let mut normal = pass.take(x.len());
        let mut scale = pass.take(x.len() / weight.len());
        normalise(pass.isa(), x, weight, bias, &mut y, &mut normal, &mut scale);
        (y, Saved { normal, scale })
    }

    /// Adds to `dx`.
    pub(crate) fn backward(&self, pass: &mut Pass<'_>, saved: &Saved, dy: &[f32], dx: &mut [f32]) {
        let weight = pass.values(self.weight);
        let isa = pass.isa();
        crate::ops::rows::sum_rows(isa, pass.gradient(self.bias), dy);
        let dw = pass.gradient(self.weight);
        back(isa, &saved.normal, &saved.scale, weight, dy, dx, dw);
    }
}

vectorised! {
    fn normalise(
        x: &'a [f32],
        weight: &'a [f32],
        bias: &'a [f32],
        y: &'a mut [f32],
        normal: &'a mut [f32],
        scale: &'a mut [f32],
    ) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width));
        for (((x, y), n), scale) in rows.zip(normal.chunks_exact_mut(width)).zip(scale) {
            let mean = total(x) / width as f32;
            for (n, x) in n.iter_mut().zip(x) {
                *n = x - mean;
            }
            *scale = 1.0 / (dot(n, n) / width as f32 + EPS).sqrt();
            for (((y, n), w), b) in y.iter_mut().zip(n).zip(weight).zip(bias) {
                *n *= *scale;
                *y = *n * w + b;
            }
        }
    }

    /// With `e = dy·w`: `dx = r·(e − mean(e) − n·mean(e·n))`, `dw = Σ dy·n`.
    fn back(
        normal: &'a [f32],
        scale: &'a [f32],
        weight: &'a [f32],
        dy: &'a [f32],
        dx: &'a mut [f32],
        dw: &'a mut [f32],
    ) {
        let width = weight.len();
        let rows = normal.chunks_exact(width).zip(dy.chunks_exact(width));
        for (((n, dy), dx), r) in rows.zip(dx.chunks_exact_mut(width)).zip(scale) {
            let r = *r;
            let (mut plain, mut along) = ([0.0f32; 16], [0.0f32; 16]);
            let ((ns, n_rest), (dys, dy_rest), (ws, w_rest)) =
                (n.as_chunks::<16>(), dy.as_chunks::<16>(), weight.as_chunks::<16>());
            for ((n, dy), w) in ns.iter().zip(dys).zip(ws) {
                for lane in 0..16 {
                    let e = dy[lane] * w[lane];
                    plain[lane] += e;
                    along[lane] += e * n[lane];
                }
            }
            let (mut mean, mut mean_along): (f32, f32) = (plain.iter().sum(), along.iter().sum());
            for ((n, dy), w) in n_rest.iter().zip(dy_rest).zip(w_rest) {
                mean += dy * w;
                mean_along += dy * w * n;
            }
            mean /= width as f32;
            mean_along /= width as f32;
            for ((((dx, n), dy), w), dw) in dx.iter_mut().zip(n).zip(dy).zip(weight).zip(dw.iter_mut()) {
                *dx += r * (dy * w - mean - n * mean_along);
                *dw += dy * n;
            }
        }
    }
}
