//! The short causal convolution, one filter per channel, and SiLU: nothing reaches across documents.

use std::ops::Range;

use crate::Buffer;
use crate::ops::functions::{silu, silu_slope};
use crate::ops::vectorised;
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
            filter(pass.isa(), &u[own.clone()], &taps, &mut out[own.clone()]);
            activate(pass.isa(), &mut out[own]);
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
        let (isa, taps) = (pass.isa(), self.by_tap(pass));
        let mut before = pass.take(u.len());
        let mut dtaps = pass.zeros(TAPS * self.channels);
        for document in documents {
            let own = document.start * self.channels..document.end * self.channels;
            let (u, before, dout) = (&u[own.clone()], &mut before[own.clone()], &mut dout[own]);
            filter(isa, u, &taps, before);
            activate_back(isa, before, dout);
            // `before` is now the gradient of what went into the activation.
            filter_back(isa, u, &taps, before, dout, &mut dtaps);
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

vectorised! {
    /// `out[t] = Σ taps[i]·u[t − 3 + i]`, zeros before the first token.
    fn filter(u: &'a [f32], taps: &'a [f32], out: &'a mut [f32]) {
        let channels = taps.len() / TAPS;
        for (token, out) in out.chunks_exact_mut(channels).enumerate() {
            out.fill(0.0);
            for back in 0..TAPS.min(token + 1) {
                let u = &u[(token - back) * channels..][..channels];
                let taps = &taps[(TAPS - 1 - back) * channels..][..channels];
                for ((out, u), w) in out.iter_mut().zip(u).zip(taps) {
                    *out += u * w;
                }
            }
        }
    }

    fn activate(x: &'a mut [f32]) {
        for x in x.iter_mut() {
            *x = silu(*x);
        }
    }

    /// `before` becomes its gradient.
    fn activate_back(before: &'a mut [f32], dout: &'a [f32]) {
        for (x, dout) in before.iter_mut().zip(dout) {
            *x = dout * silu_slope(*x);
        }
    }

    /// Sets `du` and adds to `dtaps`.
    fn filter_back(
        u: &'a [f32],
        taps: &'a [f32],
        dout: &'a [f32],
        du: &'a mut [f32],
        dtaps: &'a mut [f32],
    ) {
        let channels = taps.len() / TAPS;
        let tokens = u.len() / channels;
        for (token, du) in du.chunks_exact_mut(channels).enumerate() {
            du.fill(0.0);
            let u = &u[token * channels..][..channels];
            for ahead in 0..TAPS.min(tokens - token) {
                let dout = &dout[(token + ahead) * channels..][..channels];
                let at = (TAPS - 1 - ahead) * channels;
                let (taps, dtaps) = (&taps[at..][..channels], &mut dtaps[at..][..channels]);
                for ((((du, dout), u), w), dw) in du.iter_mut().zip(dout).zip(u).zip(taps).zip(dtaps) {
                    *du += dout * w;
                    *dw += dout * u;
                }
            }
        }
    }
}
