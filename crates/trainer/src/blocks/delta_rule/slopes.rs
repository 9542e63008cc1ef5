//! What a chunk's squares and rows give to β and to the sums of log decays.

use super::CHUNK;
use crate::ops::functions::{dot, total};
use crate::ops::vectorised;

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
            let line = row * tokens..row * tokens + row + 1;
            let (keys, queries, decay) = (&keys[line.clone()], &queries[line.clone()], &decay[line.clone()]);
            let after = row * tokens + row + 1..(row + 1) * tokens;
            let beta = betas[row];
            let (mut own, mut dbeta) = ([0.0f32; 16], [0.0f32; 16]);
            // The system has nothing on the diagonal.
            dsystem[row * tokens + row] = 0.0;
            let lines = dsystem[line.clone()].chunks_mut(16).zip(dread[line].chunks_mut(16));
            let given = keys.chunks(16).zip(queries.chunks(16)).zip(decay.chunks(16));
            for ((lines, given), columns) in lines.zip(given).zip(columns.chunks_mut(16)) {
                let ((dsystem, dread), ((keys, queries), decay)) = (lines, given);
                for lane in 0..dsystem.len() {
                    let da = -dsystem[lane] * decay[lane];
                    let dp = dread[lane] * decay[lane];
                    dbeta[lane] += da * keys[lane];
                    dsystem[lane] = da * beta;
                    dread[lane] = dp;
                    let exponent = da * beta * keys[lane] + dp * queries[lane];
                    own[lane] += exponent;
                    columns[lane] += exponent;
                }
            }
            dsystem[after.clone()].fill(0.0);
            dread[after].fill(0.0);
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
