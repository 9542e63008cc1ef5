//! The dense feed-forward part: `down(silu(gate(x)) ⊙ up(x))` with inner width I.

use crate::Buffer;
use crate::ops::rows;
use crate::pass::Pass;
use crate::weights::{Matrix, Weights};

/// Three matrices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SwiGlu {
    /// `[I, H]`
    gate: Matrix,
    /// `[I, H]`
    up: Matrix,
    /// `[H, I]`
    down: Matrix,
}

/// What `backward` needs beside the input.
pub(crate) struct Saved {
    /// `[T, I]`
    gate: Buffer,
    /// `[T, I]`
    up: Buffer,
    /// `[T, I]`
    inner: Buffer,
}

impl SwiGlu {
    pub(crate) fn new(weights: &mut Weights, prefix: &str, hidden: usize, inner: usize) -> Self {
        let mut matrix =
            |name: &str, rows, columns| weights.matrix(&format!("{prefix}.{name}.weight"), rows, columns);
        Self {
            gate: matrix("gate_proj", inner, hidden),
            up: matrix("up_proj", inner, hidden),
            down: matrix("down_proj", hidden, inner),
        }
    }

    /// `x`: `[T, H]`; adds to `y`, `[T, H]`, or sets it.
    pub(crate) fn forward(&self, pass: &mut Pass<'_>, x: &[f32], y: &mut [f32], add: bool) -> Saved {
        let gate = pass.linear(self.gate, x);
        let up = pass.linear(self.up, x);
        let mut inner = pass.take(gate.len());
        rows::swiglu(pass.isa(), &gate, &up, &mut inner);
        pass.forward(self.down, &inner, y, add);
        Saved { gate, up, inner }
    }

    /// Adds to `dx`.
    pub(crate) fn backward(&self, pass: &mut Pass<'_>, x: &[f32], saved: Saved, dy: &[f32], dx: &mut [f32]) {
        let Saved {
            mut gate,
            mut up,
            inner,
        } = saved;
        let mut dinner = pass.take(inner.len());
        pass.backward(self.down, &inner, dy, &mut dinner, false);
        rows::swiglu_back(pass.isa(), &mut gate, &mut up, &dinner);
        pass.backward(self.gate, x, &gate, dx, true);
        pass.backward(self.up, x, &up, dx, true);
    }
}
