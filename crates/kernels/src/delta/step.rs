//! Steps: token by token, the state read once and written once.

use super::layer::HeadIo;
use super::state::MAX_DIM;
use crate::dense::PANEL;
use crate::math::exp;
use crate::simd::{MAX_LANES, Simd};

/// One head's steps.
pub(crate) struct Step<'a> {
    pub(crate) io: HeadIo<'a>,
    /// S, `[panels][key_dim][16]`
    pub(crate) state: *mut f32,
}

impl Step<'_> {
    /// # Safety
    /// The run has that many tokens, and no one else uses this head's state.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd>(&self, s: S, tokens: usize) {
        let sizes = self.io.layer.sizes;
        let (mut q, mut k) = ([0.0; MAX_DIM], [0.0; MAX_DIM]);
        let (mut v, mut o) = ([0.0; MAX_DIM], [0.0; MAX_DIM]);
        let panels = sizes.padded() / PANEL;
        for token in 0..tokens {
            // SAFETY: the caller's; the buffers hold the widest head.
            unsafe {
                self.io
                    .read(s, token, q.as_mut_ptr(), k.as_mut_ptr(), v.as_mut_ptr());
                let (g, beta) = self.io.gates(token);
                let mut alike = s.splat(0.0);
                for i in (0..sizes.key_dim).step_by(S::LANES) {
                    let n = S::LANES.min(sizes.key_dim - i);
                    let (q, k) = (
                        s.load_part(q.as_ptr().add(i), n),
                        s.load_part(k.as_ptr().add(i), n),
                    );
                    alike = s.mul_add(q, k, alike);
                }
                let step = Columns {
                    key_dim: sizes.key_dim,
                    q: q.as_ptr(),
                    k: k.as_ptr(),
                    alike: s.sum(alike),
                    decay: s.to_array(exp(s, s.splat(g)))[0],
                    beta,
                };
                let mut panel = 0;
                while panel < panels {
                    let state = self.state.add(panel * sizes.key_dim * PANEL);
                    let (v, o) = (v.as_ptr().add(panel * PANEL), o.as_mut_ptr().add(panel * PANEL));
                    panel += match (S::LANES < MAX_LANES, panels - panel) {
                        (true, 2..) => {
                            step.run::<S, 4>(s, state, v, o);
                            2
                        }
                        (false, 4..) => {
                            step.run::<S, 4>(s, state, v, o);
                            4
                        }
                        (true, _) => {
                            step.run::<S, 2>(s, state, v, o);
                            1
                        }
                        (false, _) => {
                            step.run::<S, 1>(s, state, v, o);
                            1
                        }
                    };
                }
                self.io.write(s, token, o.as_ptr());
            }
        }
    }
}

/// A token, for some columns of S.
struct Columns {
    key_dim: usize,
    q: *const f32,
    k: *const f32,
    /// q·k
    alike: f32,
    /// e^g
    decay: f32,
    beta: f32,
}

impl Columns {
    /// `C` vectors of columns: `S ← e^g S + k dᵀ` and `o = e^g Sᵀq + (q·k) d`, S read for Sᵀk and Sᵀq
    /// at once; it is still in the first-level cache when it is written.
    ///
    /// # Safety
    /// `state` has these panels, `v` and `o` these columns.
    #[inline(always)]
    unsafe fn run<S: Simd, const C: usize>(&self, s: S, state: *mut f32, v: *const f32, o: *mut f32) {
        let column = |c: usize| {
            let lane = c * S::LANES;
            state.wrapping_add(lane / PANEL * self.key_dim * PANEL + lane % PANEL)
        };
        let mut columns = [state; C];
        for (c, to) in columns.iter_mut().enumerate() {
            *to = column(c);
        }
        // SAFETY: the caller's.
        unsafe {
            let (mut seen, mut past) = ([s.splat(0.0); C], [s.splat(0.0); C]);
            for row in 0..self.key_dim {
                let (q, k) = (s.splat(*self.q.add(row)), s.splat(*self.k.add(row)));
                for c in 0..C {
                    let x = s.load(columns[c].add(row * PANEL));
                    seen[c] = s.mul_add(k, x, seen[c]);
                    past[c] = s.mul_add(q, x, past[c]);
                }
            }
            let (decay, beta) = (s.splat(self.decay), s.splat(self.beta));
            let mut d = [s.splat(0.0); C];
            for c in 0..C {
                let v = s.load(v.add(c * S::LANES));
                d[c] = s.mul(beta, s.sub(v, s.mul(decay, seen[c])));
                let past = s.mul(decay, past[c]);
                s.store(o.add(c * S::LANES), s.mul_add(s.splat(self.alike), d[c], past));
            }
            for row in 0..self.key_dim {
                let k = s.splat(*self.k.add(row));
                for c in 0..C {
                    let at = columns[c].add(row * PANEL);
                    s.store(at, s.mul_add(k, d[c], s.mul(decay, s.load(at))));
                }
            }
        }
    }
}
