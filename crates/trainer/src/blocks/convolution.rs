//! The short causal convolution, one filter per channel, and SiLU: nothing reaches across documents.

use std::ops::Range;

use crate::Buffer;
use crate::parameters::ParameterId;
use crate::pass::Pass;

/// Taps of a filter; the last is for the token itself.
const TAPS: usize = 4;

/// Filters `[channels, 1, 4]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    pub(crate) weight: ParameterId,
    pub(crate) channels: usize,
}

impl Convolution {
    /// `u`: `[T, channels]` → `[T, channels]`
    pub(crate) fn forward(&self, pass: &mut Pass<'_>, documents: &[Range<usize>], u: &[f32]) -> Buffer {
        let taps = self.by_tap(pass);
        let mut out = pass.take(u.len());
        for document in documents {
            let own = document.start * self.channels..document.end * self.channels;
            pass.products().convolve(&u[own.clone()], &taps, &mut out[own]);
        }
        out
    }

    /// `dout` gives way to `du`.
    pub(crate) fn backward(
        &self,
        pass: &mut Pass<'_>,
        documents: &[Range<usize>],
        u: &[f32],
        mut dout: Buffer,
    ) -> Buffer {
        let taps = self.by_tap(pass);
        let mut dtaps = pass.zeros(TAPS * self.channels);
        for document in documents {
            let own = document.start * self.channels..document.end * self.channels;
            pass.products()
                .convolve_back(&u[own.clone()], &taps, &mut dout[own], &mut dtaps);
        }
        for (channel, dw) in pass.gradient(self.weight).chunks_exact_mut(TAPS).enumerate() {
            for (tap, dw) in dw.iter_mut().enumerate() {
                *dw += dtaps[tap * self.channels + channel];
            }
        }
        dout
    }

    /// `[4, channels]`
    fn by_tap(&self, pass: &Pass<'_>) -> Buffer {
        let mut taps = pass.take(TAPS * self.channels);
        for (channel, w) in pass.values(self.weight).chunks_exact(TAPS).enumerate() {
            for (tap, w) in w.iter().enumerate() {
                taps[tap * self.channels + channel] = *w;
            }
        }
        taps
    }
}
