//! RMS norm with a zero-centred weight: `y = x / √(mean(x²) + ε) · (1 + w)`.

use crate::Buffer;
use crate::ops::functions::dot;
use crate::ops::vectorised;
use crate::parameters::ParameterId;
use crate::pass::Pass;

/// A norm over rows of the weight's length W.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RmsNorm {
    pub(crate) weight: ParameterId,
    pub(crate) eps: f32,
}

/// The input, and the reciprocal of its length per row.
pub(crate) struct Saved {
    /// `[rows, W]`
    x: Buffer,
    /// `[rows]`
    scale: Buffer,
}

impl RmsNorm {
    /// `x`: `[rows, W]` → `[rows, W]`
    pub(crate) fn forward(&self, pass: &mut Pass<'_>, x: &[f32]) -> (Buffer, Saved) {
        let weight = pass.values(self.weight);
        let mut y = pass.take(x.len());
        let mut scale = pass.take(x.len() / weight.len());
        normalise(pass.isa(), x, weight, self.eps, &mut y, &mut scale);
        let x = pass.copy(x);
        (y, Saved { x, scale })
    }

    /// Adds to `dx`.
    pub(crate) fn backward(&self, pass: &mut Pass<'_>, saved: &Saved, dy: &[f32], dx: &mut [f32]) {
        let weight = pass.values(self.weight);
        let isa = pass.isa();
        back(
            isa,
            &saved.x,
            &saved.scale,
            weight,
            dy,
            dx,
            pass.gradient(self.weight),
        );
    }
}

vectorised! {
    fn normalise(x: &'a [f32], weight: &'a [f32], eps: f32, y: &'a mut [f32], scale: &'a mut [f32]) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width));
        for ((x, y), scale) in rows.zip(scale) {
            *scale = 1.0 / (dot(x, x) / width as f32 + eps).sqrt();
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * *scale * (1.0 + w);
            }
        }
    }

    /// With `n = x·r` and `e = dy·(1 + w)`: `dx = r·(e − n·mean(e·n))`, `dw = Σ dy·n`.
    fn back(
        x: &'a [f32],
        scale: &'a [f32],
        weight: &'a [f32],
        dy: &'a [f32],
        dx: &'a mut [f32],
        dw: &'a mut [f32],
    ) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for (((x, dy), dx), r) in rows.zip(dx.chunks_exact_mut(width)).zip(scale) {
            let r = *r;
            let mut sums = [0.0f32; 16];
            let ((xs, x_rest), (dys, dy_rest), (ws, w_rest)) =
                (x.as_chunks::<16>(), dy.as_chunks::<16>(), weight.as_chunks::<16>());
            for ((x, dy), w) in xs.iter().zip(dys).zip(ws) {
                for lane in 0..16 {
                    sums[lane] += x[lane] * dy[lane] * (1.0 + w[lane]);
                }
            }
            let mut sum: f32 = sums.iter().sum();
            for ((x, dy), w) in x_rest.iter().zip(dy_rest).zip(w_rest) {
                sum += x * dy * (1.0 + w);
            }
            let mean = sum * r * r / width as f32;
            for ((((dx, x), dy), w), dw) in dx.iter_mut().zip(x).zip(dy).zip(weight).zip(dw.iter_mut()) {
                *dx += r * (dy * (1.0 + w) - x * mean);
                *dw += dy * x * r;
            }
        }
    }
}
