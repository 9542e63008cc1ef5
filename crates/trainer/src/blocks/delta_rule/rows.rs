//! What a chunk does beside matrix products: decays, the triangular system, rows times factors.

use super::CHUNK;
use crate::ops::functions::exp;
use crate::ops::vectorised;

vectorised! {
    /// G, Γ and w, and D with zeros above the diagonal.
    fn gates(decays: &'a [f32], gates: &'a mut [f32], square: &'a mut [f32]) {
        let tokens = decays.len();
        let (sums, rest) = gates.split_at_mut(CHUNK);
        let (gammas, weights) = rest.split_at_mut(CHUNK);
        let mut sum = 0.0;
        for (sum_there, decay) in sums.iter_mut().zip(decays) {
            sum += decay;
            *sum_there = sum;
        }
        for ((gamma, weight), g) in gammas.iter_mut().zip(weights).zip(&sums[..tokens]) {
            *gamma = exp(*g);
            *weight = exp(sum - g);
        }
        for (row, line) in square.chunks_exact_mut(tokens).enumerate() {
            let own = sums[row];
            for (d, g) in line[..=row].iter_mut().zip(&*sums) {
                *d = exp(own - g);
            }
            line[row + 1..].fill(0.0);
        }
    }

    /// `R = β⊙(v − Γ⊙U)`
    fn right_side(
        values: &'a [f32],
        stride: usize,
        recalled: &'a [f32],
        betas: &'a [f32],
        gates: &'a [f32],
        out: &'a mut [f32],
    ) {
        let width = out.len() / betas.len();
        let rows = out.chunks_exact_mut(width).zip(recalled.chunks_exact(width));
        for (row, ((out, u), (beta, gamma))) in rows.zip(betas.iter().zip(&gates[CHUNK..])).enumerate() {
            for ((out, u), v) in out.iter_mut().zip(u).zip(&values[row * stride..]) {
                *out = beta * (v - gamma * u);
            }
        }
    }

    /// A; what stands on and above the diagonal is not used.
    fn system(betas: &'a [f32], overlap: &'a [f32], decay: &'a [f32], out: &'a mut [f32]) {
        let tokens = betas.len();
        let rows = out.chunks_exact_mut(tokens).zip(overlap.chunks_exact(tokens));
        for ((out, overlap), (decay, beta)) in rows.zip(decay.chunks_exact(tokens).zip(betas)) {
            for ((out, overlap), decay) in out.iter_mut().zip(overlap).zip(decay) {
                *out = beta * overlap * decay;
            }
        }
    }

    /// `(I + A)·X = R`, from the first row on, in place.
    fn solve(system: &'a [f32], tokens: usize, width: usize, x: &'a mut [f32]) {
        for row in 1..tokens {
            let (before, own) = x.split_at_mut(row * width);
            let own = &mut own[..width];
            for (a, earlier) in system[row * tokens..][..row].iter().zip(before.chunks_exact(width)) {
                for (x, earlier) in own.iter_mut().zip(earlier) {
                    *x -= a * earlier;
                }
            }
        }
    }

    /// `(I + A)ᵀ·X = R`, from the last row on, in place.
    fn solve_across(system: &'a [f32], tokens: usize, width: usize, x: &'a mut [f32]) {
        for row in (1..tokens).rev() {
            let (before, own) = x.split_at_mut(row * width);
            let own = &own[..width];
            for (a, earlier) in system[row * tokens..][..row].iter().zip(before.chunks_exact_mut(width)) {
                for (earlier, x) in earlier.iter_mut().zip(own) {
                    *earlier -= a * x;
                }
            }
        }
    }

    /// Rows `stride` apart, times a factor each.
    fn scale_rows(x: &'a mut [f32], stride: usize, width: usize, factors: &'a [f32]) {
        for (row, factor) in factors.iter().enumerate() {
            for x in &mut x[row * stride..][..width] {
                *x *= factor;
            }
        }
    }

    /// Rows `stride` apart, times a factor each, side by side.
    fn scaled_copy(x: &'a [f32], stride: usize, factors: &'a [f32], out: &'a mut [f32]) {
        let width = out.len() / factors.len();
        for (row, (out, factor)) in out.chunks_exact_mut(width).zip(factors).enumerate() {
            for (out, x) in out.iter_mut().zip(&x[row * stride..]) {
                *out = factor * x;
            }
        }
    }

    /// Adds rows to others that are `stride` apart.
    fn add_rows(x: &'a [f32], width: usize, out: &'a mut [f32], stride: usize) {
        for (row, x) in x.chunks_exact(width).enumerate() {
            for (out, x) in out[row * stride..].iter_mut().zip(x) {
                *out += x;
            }
        }
    }

    fn scale(x: &'a mut [f32], factor: f32) {
        for x in x.iter_mut() {
            *x *= factor;
        }
    }

    fn times(x: &'a mut [f32], y: &'a [f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x *= y;
        }
    }

    fn scaled_overlap(x: &'a [f32], y: &'a [f32], out: &'a mut [f32]) {
        for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
            *out = x * y;
        }
    }
}
