//! What a chunk does beside matrix products: decays, the triangular system, rows times factors.

use super::CHUNK;
use crate::ops::functions::exp;
use crate::ops::vectorised;

/// Rows and columns whose sums stay in registers while a triangular system is solved.
const ROWS: usize = 4;
const WIDTH: usize = 32;

/// The first numbers of what is left of a row, zeros behind the last.
#[inline(always)]
pub(super) fn some<const N: usize>(row: &[f32]) -> [f32; N] {
    if let Some(whole) = row.first_chunk() {
        return *whole;
    }
    let mut part = [0.0; N];
    part[..row.len()].copy_from_slice(row);
    part
}

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
        // Some rows at a time, so that what stands above them is read once for all of them.
        for first in (0..tokens).step_by(ROWS) {
            let count = ROWS.min(tokens - first);
            let (before, own) = x.split_at_mut(first * width);
            for start in (0..width).step_by(WIDTH) {
                let columns = WIDTH.min(width - start);
                let mut sums = [[0.0f32; WIDTH]; ROWS];
                for (own, sums) in own.chunks_exact(width).zip(&mut sums) {
                    *sums = some(&own[start..]);
                }
                for (column, earlier) in before.chunks_exact(width).enumerate() {
                    let x: [f32; WIDTH] = some(&earlier[start..]);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        // What is not there is not read below.
                        let a = system[(first + row).min(tokens - 1) * tokens + column];
                        for lane in 0..WIDTH {
                            sums[lane] -= a * x[lane];
                        }
                    }
                }
                for row in 0..count {
                    for earlier in 0..row {
                        let (done, sums) = sums.split_at_mut(row);
                        let a = system[(first + row) * tokens + first + earlier];
                        for lane in 0..WIDTH {
                            sums[0][lane] -= a * done[earlier][lane];
                        }
                    }
                    own[row * width + start..][..columns].copy_from_slice(&sums[row][..columns]);
                }
            }
        }
    }

    /// `(I + A)ᵀ·X = R`, from the last row on, in place.
    fn solve_across(system: &'a [f32], tokens: usize, width: usize, x: &'a mut [f32]) {
        for first in (0..tokens).step_by(ROWS).rev() {
            let count = ROWS.min(tokens - first);
            let (own, after) = x[first * width..].split_at_mut(count * width);
            for start in (0..width).step_by(WIDTH) {
                let columns = WIDTH.min(width - start);
                let mut sums = [[0.0f32; WIDTH]; ROWS];
                for (own, sums) in own.chunks_exact(width).zip(&mut sums) {
                    *sums = some(&own[start..]);
                }
                let later = after.chunks_exact(width).zip(system[(first + count) * tokens..].chunks_exact(tokens));
                for (later, line) in later {
                    let x: [f32; WIDTH] = some(&later[start..]);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let a = line[(first + row).min(tokens - 1)];
                        for lane in 0..WIDTH {
                            sums[lane] -= a * x[lane];
                        }
                    }
                }
                for row in (0..count).rev() {
                    for later in row + 1..count {
                        let (sums, done) = sums.split_at_mut(later);
                        let a = system[(first + later) * tokens + first + row];
                        for lane in 0..WIDTH {
                            sums[row][lane] -= a * done[0][lane];
                        }
                    }
                    own[row * width + start..][..columns].copy_from_slice(&sums[row][..columns]);
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
