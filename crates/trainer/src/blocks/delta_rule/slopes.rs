//! What a chunk's squares and rows give to β and to the sums of log decays.

use super::CHUNK;
use super::rows::some;
use crate::ops::functions::{dot, total};
use crate::ops::vectorised;

/// Columns that are taken at once.
const LANES: usize = 16;

vectorised! {
    /// `dkeys` (of w⊙K) becomes that of K; w's own goes to dG.
    fn kept_back(
        keys: &'a [f32],
        stride: usize,
        weights: &'a [f32],
        dkeys: &'a mut [f32],
        dsums: &'a mut [f32],
    ) {
        let width = dkeys.len() / weights.len();
        let mut all = 0.0;
        for (row, (dkeys, weight)) in dkeys.chunks_exact_mut(width).zip(weights).enumerate() {
            let slope = weight * dot(dkeys, &keys[row * stride..][..width]);
            dsums[row] -= slope;
            all += slope;
            for dk in dkeys.iter_mut() {
                *dk *= weight;
            }
        }
        dsums[weights.len() - 1] += all;
    }

    /// In: −dA and dP. Out: gradients of the overlaps `kᵢ·kⱼ` and `qᵢ·kⱼ`.
    fn squares_back(
        betas: &'a [f32],
        given: [&'a [f32]; 3],
        dsystem: &'a mut [f32],
        dread: &'a mut [f32],
        dsums: &'a mut [f32],
        dbetas: &'a mut [f32],
    ) {
        let tokens = betas.len();
        let [keys, queries, decay] = given;
        let mut columns = [0.0f32; CHUNK];
        for row in 0..tokens {
            let beta = betas[row];
            // The system has nothing on the diagonal, and decay nothing behind it: what comes from there is zero.
            dsystem[row * tokens + row] = 0.0;
            let (mut own, mut dbeta) = ([0.0f32; LANES], [0.0f32; LANES]);
            for first in (0..tokens).step_by(LANES) {
                let line = row * tokens + first..row * tokens + tokens.min(first + LANES);
                if first > row {
                    dsystem[line.clone()].fill(0.0);
                    dread[line].fill(0.0);
                    continue;
                }
                let (da, dp) = (&mut dsystem[line.clone()], &mut dread[line.clone()]);
                let (keys, queries) = (some::<LANES>(&keys[line.clone()]), some::<LANES>(&queries[line.clone()]));
                let decay: [f32; LANES] = some(&decay[line.clone()]);
                let (mut system, mut read) = (some::<LANES>(da), some::<LANES>(dp));
                let columns = &mut columns[first..][..LANES];
                for lane in 0..LANES {
                    let slope = -system[lane] * decay[lane];
                    dbeta[lane] += slope * keys[lane];
                    system[lane] = slope * beta;
                    read[lane] *= decay[lane];
                    let exponent = system[lane] * keys[lane] + read[lane] * queries[lane];
                    own[lane] += exponent;
                    columns[lane] += exponent;
                }
                da.copy_from_slice(&system[..da.len()]);
                dp.copy_from_slice(&read[..dp.len()]);
            }
            dsums[row] += total(&own);
            dbetas[row] = total(&dbeta);
        }
        for (dsum, column) in dsums.iter_mut().zip(columns) {
            *dsum -= column;
        }
    }

    /// In: dR. Out: dU in its place, dV, and what β and G get.
    fn rows_back(
        given: [&'a [f32]; 4],
        strides: [usize; 3],
        betas: &'a [f32],
        gammas: &'a [f32],
        dright: &'a mut [f32],
        dvalues: &'a mut [f32],
        dsums: &'a mut [f32],
        dbetas: &'a mut [f32],
    ) {
        let [values, recalled, read, dout] = given;
        let [value_stride, width, out_stride] = strides;
        for (row, dright) in dright.chunks_exact_mut(width).enumerate() {
            let (beta, gamma) = (betas[row], gammas[row]);
            let own = row * width..(row + 1) * width;
            let (u, read) = (&recalled[own.clone()], &read[own]);
            let value = &values[row * value_stride..][..width];
            let slope = dot(read, &dout[row * out_stride..][..width]);
            let (with_value, with_recalled) = (dot(dright, value), dot(dright, u));
            dbetas[row] += with_value - gamma * with_recalled;
            dsums[row] += gamma * (slope - beta * with_recalled);
            for (dr, dv) in dright.iter_mut().zip(&mut dvalues[row * value_stride..]) {
                *dv = beta * *dr;
                *dr *= -beta * gamma;
            }
        }
    }

    /// A log decay counts in the sums of all tokens from its own on.
    fn decays_back(dsums: &'a [f32], ddecays: &'a mut [f32]) {
        let mut sum = 0.0;
        for (dsum, ddecay) in dsums.iter().zip(ddecays).rev() {
            sum += dsum;
            *ddecay = sum;
        }
    }
}
