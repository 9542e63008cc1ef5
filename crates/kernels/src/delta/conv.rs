//! The short depthwise causal convolution with SiLU, for the channels of one head of one token.

use crate::math::silu;
use crate::simd::Simd;

/// Inputs of the tokens of one run: rows of the projection, and before them those of the history.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    pub(crate) channels: usize,
    pub(crate) taps: usize,
    /// `[taps - 1, channels]`, the row of each token where its place in the sequence says.
    pub(crate) history: *const f32,
    /// Place in the sequence of the run's first token.
    pub(crate) start: usize,
    /// The run's first row.
    pub(crate) rows: *const f32,
    /// Distance between rows.
    pub(crate) stride: usize,
}

impl Inputs {
    /// The row that tap `tap` of token `token` reads.
    #[inline(always)]
    fn row(&self, token: usize, tap: usize) -> *const f32 {
        let row = token + tap;
        match row.checked_sub(self.taps - 1) {
            None => {
                let row = (self.start + row) % (self.taps - 1);
                self.history.wrapping_add(row * self.channels)
            }
            Some(row) => self.rows.wrapping_add(row * self.stride),
        }
    }
}

/// `to[c] = silu(Σ_i weight[i][c] · u[token - taps + 1 + i][c])` for `width` channels from `channel` on;
/// `weight` is `[taps, channels]`.
///
/// # Safety
/// The token's rows, the weights and `to` must have these channels.
#[inline(always)]
pub(crate) unsafe fn convolve<S: Simd>(
    s: S,
    inputs: &Inputs,
    weight: *const f32,
    token: usize,
    channel: usize,
    width: usize,
    to: *mut f32,
) {
    if inputs.taps == 4 {
        // Loops, no closures: they are not always inlined.
        let mut rows = [weight; 4];
        let mut weights = [weight; 4];
        for tap in 0..4 {
            rows[tap] = inputs.row(token, tap).wrapping_add(channel);
            weights[tap] = weight.wrapping_add(tap * inputs.channels + channel);
        }
        let whole = width / S::LANES * S::LANES;
        let mut c = 0;
        while c < whole {
            // SAFETY: the caller's.
            unsafe {
                let mut sum = s.mul(s.load(weights[0].add(c)), s.load(rows[0].add(c)));
                for tap in 1..4 {
                    sum = s.mul_add(s.load(weights[tap].add(c)), s.load(rows[tap].add(c)), sum);
                }
                s.store(to.add(c), silu(s, sum));
            }
            c += S::LANES;
        }
        if c == width {
            return;
        }
    }
    let mut c = if inputs.taps == 4 {
        width / S::LANES * S::LANES
    } else {
        0
    };
    while c < width {
        let n = S::LANES.min(width - c);
        let mut sum = s.splat(0.0);
        for tap in 0..inputs.taps {
            // SAFETY: the caller's.
            unsafe {
                let weight = s.load_part(weight.add(tap * inputs.channels + channel + c), n);
                sum = s.mul_add(
                    weight,
                    s.load_part(inputs.row(token, tap).add(channel + c), n),
                    sum,
                );
            }
        }
        // SAFETY: the caller's.
        unsafe { s.store_part(to.add(c), silu(s, sum), n) };
        c += S::LANES;
    }
}
