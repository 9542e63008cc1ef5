//! Steps: token by token, the state read once and seldom written.
//!
//! A token's (k, d, G) is kept beside the state like those of an unfinished chunk, and what it adds to later
//! tokens' sums is added to what they find in the state. Only after some tokens all of them become part of the
//! state at once: that reads less than half as much memory as writing every token's.

use super::chunk::Prefill;
use super::state::{CHUNK, Delta, MAX_DIM};
use crate::dense::PANEL;
use crate::math::exp;
use crate::simd::{MAX_LANES, Simd};

/// Tokens that are kept beside the state at most.
const MOST: usize = Delta::STEPS;

/// Tokens kept beside the state after the one at `place`, before which `pending` were. Where they become part of
/// the state depends on the sequence alone.
pub(crate) fn pending_after(pending: usize, place: usize) -> usize {
    let kept = if pending < MOST { pending + 1 } else { 1 };
    if kept == MOST || (place + 1).is_multiple_of(CHUNK) {
        0
    } else {
        kept
    }
}

/// One head's steps.
pub(crate) struct Step<'a>(pub(crate) Prefill<'a>);

/// A token's inputs.
struct Token {
    q: [f32; MAX_DIM],
    v: [f32; MAX_DIM],
    o: [f32; MAX_DIM],
}

impl Step<'_> {
    /// Feeds `tokens` tokens, of which `start` is the first one's place in the sequence, behind `pending` tokens
    /// of an unfinished chunk. `next_head` says whether the state behind this one is wanted next.
    ///
    /// # Safety
    /// The run has these tokens, and no one else uses this head's memory.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd>(
        &self,
        s: S,
        start: usize,
        mut pending: usize,
        tokens: usize,
        next_head: bool,
    ) {
        let mut buffers = Token {
            q: [0.0; MAX_DIM],
            v: [0.0; MAX_DIM],
            o: [0.0; MAX_DIM],
        };
        for token in 0..tokens {
            // SAFETY: the caller's; a chunk has room for more rows than these.
            unsafe {
                if pending >= MOST {
                    self.0.fold(s, pending);
                    pending = 0;
                }
                self.token(s, token, pending, &mut buffers, next_head);
                let left = pending_after(pending, start + token);
                if left == 0 {
                    self.0.fold(s, pending + 1);
                }
                pending = left;
            }
        }
    }

    /// A token that becomes row `row`, below [`MOST`], of the chunk.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    #[inline(always)]
    unsafe fn token<S: Simd>(&self, s: S, token: usize, row: usize, buffers: &mut Token, next_head: bool) {
        let Prefill { io, state, chunk } = &self.0;
        let sizes = io.layer.sizes;
        let key_dim = sizes.key_dim;
        let (q, v, o) = (
            buffers.q.as_mut_ptr(),
            buffers.v.as_mut_ptr(),
            buffers.o.as_mut_ptr(),
        );
        let k = chunk.k(row);
        // SAFETY: the caller's; the buffers hold the widest head.
        unsafe {
            io.read(s, token, q, k, v);
            let (g, beta) = io.gates(token);
            let sums = chunk.sums();
            let before = if row == 0 { 0.0 } else { *sums.add(row - 1) };
            *sums.add(row) = before + g;
            let mut columns = Sums {
                key_dim,
                q,
                k,
                alike: dot(s, q, k, key_dim),
                decay: s.to_array(exp(s, s.splat(before + g)))[0],
                beta,
                kept: row,
                d: [std::ptr::null(); MOST],
                seen: [0.0; MOST],
                past: [0.0; MOST],
            };
            for j in 0..row {
                let weight = s.to_array(exp(s, s.splat(before + g - *sums.add(j))))[0];
                columns.d[j] = chunk.d(j);
                columns.seen[j] = weight * dot(s, k, chunk.k(j), key_dim);
                columns.past[j] = weight * dot(s, q, chunk.k(j), key_dim);
            }
            let (panels, d) = (sizes.padded() / PANEL, chunk.d(row));
            for panel in 0..panels {
                let columns = Panel {
                    token: &columns,
                    state: state.add(panel * key_dim * PANEL),
                    at: panel * PANEL,
                    ahead: next_head || panel + 1 < panels,
                };
                if S::LANES < MAX_LANES {
                    columns.run::<S, 2>(s, v, d, o);
                } else {
                    columns.run::<S, 1>(s, v, d, o);
                }
            }
            io.write(s, token, o);
        }
    }
}

/// `Σ a_i b_i`
///
/// # Safety
/// Both have `len` elements.
#[inline(always)]
unsafe fn dot<S: Simd>(s: S, a: *const f32, b: *const f32, len: usize) -> f32 {
    let mut sum = s.splat(0.0);
    let mut i = 0;
    while i < len {
        let n = S::LANES.min(len - i);
        // SAFETY: the caller's.
        sum = unsafe { s.mul_add(s.load_part(a.add(i), n), s.load_part(b.add(i), n), sum) };
        i += S::LANES;
    }
    s.sum(sum)
}

/// What all columns of a token's sums are made with.
struct Sums {
    key_dim: usize,
    q: *const f32,
    k: *const f32,
    /// q·k
    alike: f32,
    /// e^G
    decay: f32,
    beta: f32,
    /// Earlier tokens of the chunk.
    kept: usize,
    /// Their d.
    d: [*const f32; MOST],
    /// Their `e^{G−G_j} k·k_j`.
    seen: [f32; MOST],
    /// Their `e^{G−G_j} q·k_j`.
    past: [f32; MOST],
}

/// A token, for a panel's columns of S.
struct Panel<'a> {
    token: &'a Sums,
    /// `[key_dim][16]`
    state: *const f32,
    /// The panel's first column.
    at: usize,
    /// Whether what lies behind the panel is wanted next. It is asked for a panel ahead: so one thread reads
    /// half as much again from memory as where the processor follows by itself (Zen 4).
    ahead: bool,
}

impl Panel<'_> {
    /// The panel's `C` vectors of columns: `d = β (v − e^G Sᵀk − Σ_j e^{G−G_j} (k·k_j) d_j)` and
    /// `o = e^G Sᵀq + Σ_j e^{G−G_j} (q·k_j) d_j + (q·k) d`, S read for Sᵀk and Sᵀq at once.
    ///
    /// # Safety
    /// `v`, `d` and `o` have these columns.
    #[inline(always)]
    unsafe fn run<S: Simd, const C: usize>(&self, s: S, v: *const f32, d: *mut f32, o: *mut f32) {
        let Sums {
            key_dim, q, k, kept, ..
        } = *self.token;
        // SAFETY: the caller's.
        unsafe {
            let (mut seen, mut past) = ([s.splat(0.0); C], [s.splat(0.0); C]);
            for row in 0..key_dim {
                let from = self.state.add(row * PANEL);
                if self.ahead {
                    s.prefetch(from.wrapping_add(key_dim * PANEL));
                }
                let (q, k) = (s.splat(*q.add(row)), s.splat(*k.add(row)));
                for c in 0..C {
                    let x = s.load(from.add(c * S::LANES));
                    seen[c] = s.mul_add(k, x, seen[c]);
                    past[c] = s.mul_add(q, x, past[c]);
                }
            }
            let decay = s.splat(self.token.decay);
            for c in 0..C {
                seen[c] = s.mul(decay, seen[c]);
                past[c] = s.mul(decay, past[c]);
            }
            for j in 0..kept {
                let (to_seen, to_past) = (s.splat(self.token.seen[j]), s.splat(self.token.past[j]));
                for c in 0..C {
                    let earlier = s.load(self.token.d[j].add(self.at + c * S::LANES));
                    seen[c] = s.mul_add(to_seen, earlier, seen[c]);
                    past[c] = s.mul_add(to_past, earlier, past[c]);
                }
            }
            let (alike, beta) = (s.splat(self.token.alike), s.splat(self.token.beta));
            for c in 0..C {
                let column = self.at + c * S::LANES;
                let own = s.mul(beta, s.sub(s.load(v.add(column)), seen[c]));
                s.store(d.add(column), own);
                s.store(o.add(column), s.mul_add(alike, own, past[c]));
            }
        }
    }
}
