//! Small loops that several blocks share.

use super::functions::{gelu_erf, gelu_erf_slope, gelu_tanh, gelu_tanh_slope, sigmoid, silu};
use super::vectorised;

vectorised! {
    /// `out += x`
    fn add(out: &'a mut [f32], x: &'a [f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out += x;
        }
    }

    /// `x *= factor`
    fn scale(x: &'a mut [f32], factor: f32) {
        for x in x.iter_mut() {
            *x *= factor;
        }
    }

    /// Adds one row to every row of `out`.
    fn add_bias(out: &'a mut [f32], bias: &'a [f32]) {
        for row in out.chunks_exact_mut(bias.len()) {
            for (out, bias) in row.iter_mut().zip(bias) {
                *out += bias;
            }
        }
    }

    /// Adds the sum of all rows to `out`.
    fn sum_rows(out: &'a mut [f32], rows: &'a [f32]) {
        for row in rows.chunks_exact(out.len()) {
            for (out, x) in out.iter_mut().zip(row) {
                *out += x;
            }
        }
    }

    /// `out = silu(gate) ⊙ up`
    fn swiglu(gate: &'a [f32], up: &'a [f32], out: &'a mut [f32]) {
        for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
            *out = silu(*gate) * up;
        }
    }

    /// Gradients of [`swiglu`], which take the places of `gate` and `up`.
    fn swiglu_back(gate: &'a mut [f32], up: &'a mut [f32], dout: &'a [f32]) {
        for ((gate, up), dout) in gate.iter_mut().zip(up).zip(dout) {
            let (g, u) = (*gate, *up);
            let s = sigmoid(g);
            let open = g * s;
            *gate = dout * u * (s + open * (1.0 - s));
            *up = dout * open;
        }
    }

    /// `out = gelu(x)` by tanh.
    fn gelu(x: &'a [f32], out: &'a mut [f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = gelu_tanh(*x);
        }
    }

    /// `x` becomes its own gradient from `dout`, that of `gelu(x)`.
    fn gelu_back(x: &'a mut [f32], dout: &'a [f32]) {
        for (x, dout) in x.iter_mut().zip(dout) {
            *x = dout * gelu_tanh_slope(*x);
        }
    }

    /// `out = gelu(x)` by the error function.
    fn gelu_exact(x: &'a [f32], out: &'a mut [f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = gelu_erf(*x);
        }
    }

    /// As [`gelu_back`], of [`gelu_exact`].
    fn gelu_exact_back(x: &'a mut [f32], dout: &'a [f32]) {
        for (x, dout) in x.iter_mut().zip(dout) {
            *x = dout * gelu_erf_slope(*x);
        }
    }
}
