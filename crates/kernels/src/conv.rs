//! The short depthwise causal convolution of DeltaNet, with SiLU.

use crate::Cpu;
use crate::math::silu;
use crate::simd::{Kernel, Simd};

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Channels, each on its own.
    pub channels: usize,
    /// Taps; the last one multiplies the current token.
    pub taps: usize,
    /// Distance between tokens in the input, at least `channels`.
    pub stride: usize,
}

impl Cpu {
    /// `out[t][c] = silu(Σ_i weight[i][c] · u[t - taps + 1 + i][c])`, and moves `history` on.
    ///
    /// - `input`: the first `channels` of every `stride` elements are u of a token
    /// - `history`: `[taps - 1, channels]`, u of the tokens before; zeros before a sequence
    /// - `weight`: `[taps, channels]`
    /// - `out`: `[tokens, channels]`
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn causal_conv_silu(
        &self,
        conv: Conv,
        input: &[f32],
        weight: &[f32],
        history: &mut [f32],
        out: &mut [f32],
    ) {
        let Conv {
            channels,
            taps,
            stride,
        } = conv;
        let tokens = out.len() / channels.max(1);
        assert!(taps > 0 && stride >= channels && out.len() == tokens * channels);
        assert!(weight.len() == taps * channels && history.len() == (taps - 1) * channels);
        assert!(tokens == 0 || input.len() >= (tokens - 1) * stride + channels);
        {
            let history = &*history;
            self.pieces(out, channels, tokens * channels * (taps + 8), |token, out| {
                self.isa.run(ConvToken {
                    conv,
                    token,
                    input,
                    weight,
                    history,
                    out,
                });
            });
        }
        // The last `taps - 1` of history and input together.
        let kept = taps - 1;
        if tokens < kept {
            history.copy_within(tokens * channels.., 0);
        }
        for row in kept.saturating_sub(tokens)..kept {
            let token = tokens + row - kept;
            history[row * channels..][..channels].copy_from_slice(&input[token * stride..][..channels]);
        }
    }
}

struct ConvToken<'a> {
    conv: Conv,
    token: usize,
    input: &'a [f32],
    weight: &'a [f32],
    history: &'a [f32],
    /// `[channels]`
    out: &'a mut [f32],
}

impl Kernel for ConvToken<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Conv {
            channels,
            taps,
            stride,
        } = self.conv;
        let mut c = 0;
        while c < channels {
            let n = S::LANES.min(channels - c);
            let mut sum = s.splat(0.0);
            for tap in 0..taps {
                // Rows of history come before rows of input.
                let row = self.token + tap;
                let from = if row < taps - 1 {
                    &self.history[row * channels + c..][..n]
                } else {
                    &self.input[(row + 1 - taps) * stride + c..][..n]
                };
                // SAFETY: the slices have n elements; weight has `taps · channels`.
                unsafe {
                    let weight = s.load_part(self.weight.as_ptr().add(tap * channels + c), n);
                    sum = s.mul_add(weight, s.load_part(from.as_ptr(), n), sum);
                }
            }
            // SAFETY: `out` has `channels` elements.
            unsafe { s.store_part(self.out.as_mut_ptr().add(c), silu(s, sum), n) };
            c += S::LANES;
        }
    }
}

#[cfg(test)]
#[path = "conv_tests.rs"]
mod tests;
