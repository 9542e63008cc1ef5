//! Steps: one token, the state walked once.

use super::chunk::{L2_EPS, MAX_DIM};
use super::state::{Delta, DeltaInput, Head};
use crate::Cpu;
use crate::math::exp;
use crate::norm::squares;
use crate::pool::Share;
use crate::simd::{Kernel, Simd};

impl Cpu {
    /// Feeds one token to a state without an unfinished chunk.
    ///
    /// - `state`: [`Delta::state_len`] elements
    /// - `out`: `[value_heads, value_dim]`
    ///
    /// # Panics
    /// When sizes do not fit together, or a head is wider than [`Delta::MAX_DIM`].
    pub fn delta_step(&self, delta: Delta, state: &mut [f32], input: DeltaInput<'_>, out: &mut [f32]) {
        assert_eq!(delta.check(state, input, out), 1, "one token");
        let out = Share(out.as_mut_ptr());
        // The state is read twice and written once.
        let operations = 4 * delta.value_heads * delta.key_dim * delta.value_dim;
        self.pieces(state, delta.head_len(), operations, |head, state| {
            self.isa.run(Step {
                delta,
                head,
                state: Head::split(&delta, state),
                input,
                out,
            });
        });
    }
}

struct Step<'a> {
    delta: Delta,
    head: usize,
    state: Head<'a>,
    input: DeltaInput<'a>,
    /// `[value_heads, value_dim]`
    out: Share<f32>,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            delta,
            head,
            state,
            input,
            out,
        } = self;
        let Delta {
            key_heads,
            value_heads,
            key_dim,
            value_dim,
        } = delta;
        let padded = delta.padded();
        let key_head = head / (value_heads / key_heads);
        let query = &input.qkv[key_head * key_dim..][..key_dim];
        let key = &input.qkv[(key_heads + key_head) * key_dim..][..key_dim];
        let value = &input.qkv[2 * key_heads * key_dim + head * value_dim..][..value_dim];
        let (mut q, mut k) = ([0.0; MAX_DIM], [0.0; MAX_DIM]);
        let scale = 1.0 / (squares(s, query, 0.0) + L2_EPS).sqrt() / (key_dim as f32).sqrt();
        for (to, x) in q.iter_mut().zip(query) {
            *to = x * scale;
        }
        let scale = 1.0 / (squares(s, key, 0.0) + L2_EPS).sqrt();
        for (to, x) in k.iter_mut().zip(key) {
            *to = x * scale;
        }
        let decay = exp(s, s.splat(input.g[head]));
        let beta = s.splat(input.beta[head]);
        let mut i = 0;
        while i < value_dim {
            // Two vectors of columns, whose part of S stays in the first-level cache between the passes.
            // SAFETY: S is [key_dim, padded], padded a multiple of 2 · LANES; `out` has this head's row.
            unsafe {
                let columns = state.s.as_mut_ptr().add(i);
                let mut seen = [s.splat(0.0); 2];
                for row in 0..key_dim {
                    let from = columns.add(row * padded);
                    let k = s.splat(k[row]);
                    seen[0] = s.mul_add(k, s.load(from), seen[0]);
                    seen[1] = s.mul_add(k, s.load(from.add(S::LANES)), seen[1]);
                }
                let count = [0, 1].map(|half| value_dim.saturating_sub(i + half * S::LANES).min(S::LANES));
                let mut d = [s.splat(0.0); 2];
                for half in 0..2 {
                    let at = (i + half * S::LANES).min(value_dim);
                    let value = s.load_part(value.as_ptr().add(at), count[half]);
                    d[half] = s.mul(beta, s.sub(value, s.mul(decay, seen[half])));
                }
                let mut o = [s.splat(0.0); 2];
                for row in 0..key_dim {
                    let at = columns.add(row * padded);
                    let (q, k) = (s.splat(q[row]), s.splat(k[row]));
                    for half in 0..2 {
                        let at = at.add(half * S::LANES);
                        let new = s.mul_add(k, d[half], s.mul(decay, s.load(at)));
                        s.store(at, new);
                        o[half] = s.mul_add(q, new, o[half]);
                    }
                }
                for half in 0..2 {
                    let at = (i + half * S::LANES).min(value_dim);
                    s.store_part(out.get().add(head * value_dim + at), o[half], count[half]);
                }
            }
            i += 2 * S::LANES;
        }
    }
}
