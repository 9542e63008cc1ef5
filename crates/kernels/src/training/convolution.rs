//! The short causal convolution with SiLU, and its gradients, over the tokens of one document.
//!
//! One pass each over what is read: a block of channels stays in registers while the tokens go by.

use super::Products;
use crate::math::{sigmoid, silu};
use crate::simd::{Kernel, Simd};

/// Taps of a filter; the last is for the token itself.
const TAPS: usize = 4;

impl Products {
    /// `out[t] = silu(Σ taps[i]·u[t − 3 + i])`, zeros before the first token. `u`, `out`: `[T, channels]`; `taps`:
    /// `[4, channels]`.
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn convolve(&self, u: &[f32], taps: &[f32], out: &mut [f32]) {
        let channels = channels(taps, u.len());
        assert_eq!(u.len(), out.len(), "as many numbers go out as come in");
        self.isa.run(Forward {
            u,
            taps,
            out,
            channels,
        });
    }

    /// Gradients of [`convolve`](Self::convolve): `slopes`, those of what it gave, become those of `u`; adds those of the
    /// taps to `dtaps`, `[4, channels]`.
    ///
    /// # Panics
    /// When the sizes do not fit together.
    pub fn convolve_back(&self, u: &[f32], taps: &[f32], slopes: &mut [f32], dtaps: &mut [f32]) {
        let channels = channels(taps, u.len());
        assert!(
            u.len() == slopes.len() && taps.len() == dtaps.len(),
            "gradients have the sizes of what they belong to"
        );
        self.isa.run(Backward {
            u,
            taps,
            slopes,
            dtaps,
            channels,
        });
    }
}

/// Channels of that many taps.
fn channels(taps: &[f32], numbers: usize) -> usize {
    let channels = taps.len() / TAPS;
    assert!(
        taps.len().is_multiple_of(TAPS) && numbers.is_multiple_of(channels.max(1)),
        "rows of {channels} channels"
    );
    channels
}

struct Forward<'a> {
    u: &'a [f32],
    taps: &'a [f32],
    out: &'a mut [f32],
    channels: usize,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            u,
            taps,
            out,
            channels,
        } = self;
        let mut channel = 0;
        while channel < channels {
            let count = S::LANES.min(channels - channel);
            let mut w = [s.splat(0.0); TAPS];
            for (tap, w) in w.iter_mut().enumerate() {
                // SAFETY: there are four rows of taps.
                *w = unsafe { s.load_part(taps.as_ptr().add(tap * channels + channel), count) };
            }
            let mut before = [s.splat(0.0); TAPS - 1];
            let mut at = channel;
            while at < u.len() {
                // SAFETY: `at` is at `channel` of a row, which has `count` channels from there on; so has `out`.
                unsafe {
                    let own = s.load_part(u.as_ptr().add(at), count);
                    let sum = filter(s, w, before, own);
                    s.store_part(out.as_mut_ptr().add(at), silu(s, sum), count);
                    before = [before[1], before[2], own];
                }
                at += channels;
            }
            channel += S::LANES;
        }
    }
}

/// What comes before the activation.
#[inline(always)]
fn filter<S: Simd>(s: S, w: [S::V; TAPS], before: [S::V; TAPS - 1], own: S::V) -> S::V {
    let sum = s.mul_add(w[1], before[1], s.mul(w[0], before[0]));
    s.mul_add(w[3], own, s.mul_add(w[2], before[2], sum))
}

struct Backward<'a> {
    u: &'a [f32],
    taps: &'a [f32],
    slopes: &'a mut [f32],
    dtaps: &'a mut [f32],
    channels: usize,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            u,
            taps,
            slopes,
            dtaps,
            channels,
        } = self;
        let zero = s.splat(0.0);
        let mut channel = 0;
        while channel < channels {
            let count = S::LANES.min(channels - channel);
            let (mut w, mut dw) = ([zero; TAPS], [zero; TAPS]);
            for tap in 0..TAPS {
                let place = tap * channels + channel;
                // SAFETY: there are four rows of taps, and of their gradients.
                unsafe {
                    w[tap] = s.load_part(taps.as_ptr().add(place), count);
                    dw[tap] = s.load_part(dtaps.as_ptr().add(place), count);
                }
            }
            let mut before = [zero; TAPS - 1];
            // What the last three tokens' gradients are so far.
            let mut open = [zero; TAPS - 1];
            let mut at = channel;
            while at < u.len() {
                // SAFETY: `at` is at `channel` of a row, which has `count` channels from there on; so have the slopes,
                // and three rows before it there is a row where three tokens have gone by.
                unsafe {
                    let own = s.load_part(u.as_ptr().add(at), count);
                    let dout = s.load_part(slopes.as_ptr().add(at), count);
                    let slope = s.mul(dout, silu_slope(s, filter(s, w, before, own)));
                    for tap in 0..TAPS - 1 {
                        dw[tap] = s.mul_add(slope, before[tap], dw[tap]);
                    }
                    dw[3] = s.mul_add(slope, own, dw[3]);
                    if at >= 3 * channels + channel {
                        let done = s.mul_add(slope, w[0], open[0]);
                        s.store_part(slopes.as_mut_ptr().add(at - 3 * channels), done, count);
                    }
                    open = [
                        s.mul_add(slope, w[1], open[1]),
                        s.mul_add(slope, w[2], open[2]),
                        s.mul(slope, w[3]),
                    ];
                    before = [before[1], before[2], own];
                }
                at += channels;
            }
            for (back, open) in (1..TAPS).rev().zip(open) {
                if at >= back * channels + channel {
                    // SAFETY: `at` is one row past the last now, and as many rows before it are there.
                    unsafe { s.store_part(slopes.as_mut_ptr().add(at - back * channels), open, count) };
                }
            }
            for (tap, dw) in dw.into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { s.store_part(dtaps.as_mut_ptr().add(tap * channels + channel), dw, count) };
            }
            channel += S::LANES;
        }
    }
}

/// The derivative of [`silu`].
#[inline(always)]
fn silu_slope<S: Simd>(s: S, x: S::V) -> S::V {
    let (one, open) = (s.splat(1.0), sigmoid(s, x));
    s.mul(open, s.mul_add(x, s.sub(one, open), one))
}
