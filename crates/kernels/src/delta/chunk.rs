//! Prefill: tokens of one chunk, 16 at a time.

use super::state::{Delta, DeltaInput, Head};
use crate::Cpu;
use crate::math::exp;
use crate::norm::squares;
use crate::pool::Share;
use crate::simd::{Kernel, Simd};
use crate::tile::{Left, Output, Right, few_rows_times_panels, rows_times_panel};

/// Tokens in a chunk.
pub(crate) const CHUNK: usize = 64;
/// Tokens taken at once, so that their buffers fit on the stack and in the first-level cache.
const BLOCK: usize = 16;
/// Widest head that those buffers hold.
pub(crate) const MAX_DIM: usize = 256;
/// Added to a sum of squares before its root, as the official implementation does.
pub(crate) const L2_EPS: f32 = 1e-6;

impl Cpu {
    /// Feeds tokens of one chunk, behind `pending` earlier ones of the same chunk. `finished` says
    /// that the chunk ends with them: it is folded into the state, and nothing is pending any more.
    ///
    /// - `state`: [`Delta::state_len`] elements
    /// - `out`: `[tokens, value_heads, value_dim]`
    ///
    /// # Panics
    /// When sizes do not fit together, more than 64 tokens would be pending, or a head is wider
    /// than [`Delta::MAX_DIM`].
    pub fn delta_prefill(
        &self,
        delta: Delta,
        state: &mut [f32],
        pending: usize,
        finished: bool,
        input: DeltaInput<'_>,
        out: &mut [f32],
    ) {
        let tokens = delta.check(state, input, out);
        assert!(pending + tokens <= CHUNK, "a chunk has {CHUNK} tokens");
        let out = Share(out.as_mut_ptr());
        let operations = tokens * delta.value_heads * delta.key_dim * delta.value_dim * 3;
        self.pieces(state, delta.head_len(), operations, |head, state| {
            let mut state = Head::split(&delta, state);
            let mut done = 0;
            while done < tokens {
                let rows = BLOCK.min(tokens - done);
                let first = pending + done;
                let state = &mut state;
                self.isa.run(Block {
                    delta,
                    head,
                    state,
                    first,
                    from: done,
                    rows,
                    input,
                    out,
                });
                done += rows;
            }
            if finished {
                self.isa.run(Fold {
                    delta,
                    state: &mut state,
                    count: pending + tokens,
                });
            }
        });
    }

    /// Folds an unfinished chunk of `pending` tokens into the state.
    ///
    /// # Panics
    /// When `state` is not of that size or `pending` is more than 64.
    pub fn delta_fold(&self, delta: Delta, state: &mut [f32], pending: usize) {
        assert!(state.len() == delta.state_len() && pending <= CHUNK);
        let operations = pending * delta.value_heads * delta.key_dim * delta.value_dim;
        self.pieces(state, delta.head_len(), operations, |_, state| {
            self.isa.run(Fold {
                delta,
                state: &mut Head::split(&delta, state),
                count: pending,
            });
        });
    }
}

struct Block<'a, 'b> {
    delta: Delta,
    head: usize,
    state: &'a mut Head<'b>,
    /// Place of the first token in the chunk.
    first: usize,
    /// Place of the first token in the input.
    from: usize,
    /// Tokens, at most `BLOCK`.
    rows: usize,
    input: DeltaInput<'a>,
    /// `[tokens, value_heads, value_dim]`
    out: Share<f32>,
}

impl Kernel for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            delta,
            head,
            state,
            first,
            from,
            rows,
            input,
            out,
        } = self;
        let (key_dim, value_dim, padded) = (delta.key_dim, delta.value_dim, delta.padded());
        let width = 2 * S::LANES;
        let end = first + rows;
        let heads = delta.value_heads;
        // `[rows, key_dim]`, `[rows, padded]`, `[rows, CHUNK]`
        let mut q = [0.0; BLOCK * MAX_DIM];
        let mut wide = [0.0; BLOCK * MAX_DIM];
        let mut products = [0.0; BLOCK * CHUNK];

        let key_head = head / (heads / delta.key_heads);
        let token = |row: usize| &input.qkv[(from + row) * delta.qkv_len()..][..delta.qkv_len()];
        let queries = |row: usize| &token(row)[key_head * key_dim..][..key_dim];
        let keys = |row: usize| &token(row)[(delta.key_heads + key_head) * key_dim..][..key_dim];
        let values =
            |row: usize| &token(row)[2 * delta.key_heads * key_dim + head * value_dim..][..value_dim];
        for row in 0..rows {
            let (query, key) = (queries(row), keys(row));
            let scale = 1.0 / (squares(s, query, 0.0) + L2_EPS).sqrt() / (key_dim as f32).sqrt();
            for (to, x) in q[row * key_dim..].iter_mut().zip(query) {
                *to = x * scale;
            }
            let scale = 1.0 / (squares(s, key, 0.0) + L2_EPS).sqrt();
            for (i, x) in key.iter().enumerate() {
                state.kt[i * CHUNK + first + row] = x * scale;
            }
            let before = if first + row == 0 {
                0.0
            } else {
                state.sums[first + row - 1]
            };
            state.sums[first + row] = before + input.g[(from + row) * heads + head];
        }

        let panels = padded / width;
        let key_panels = end.div_ceil(width);
        let s_right = Right {
            start: state.s.as_ptr(),
            panel_stride: width,
            k_stride: padded,
        };
        let kt_right = Right {
            start: state.kt.as_ptr(),
            panel_stride: width,
            k_stride: CHUNK,
        };
        // SAFETY: S is [key_dim, padded], kᵀ [key_dim, CHUNK], d [CHUNK, padded], G [CHUNK]; the
        // buffers hold BLOCK rows of at most MAX_DIM (checked by `Delta::check`).
        unsafe {
            // S₀ᵀk and k·k.
            let k_left = Left {
                start: state.kt.as_ptr().add(first),
                row_stride: 1,
                k_stride: CHUNK,
            };
            for panel in 0..panels {
                let start = wide.as_mut_ptr().add(panel * width);
                let to = Output {
                    start,
                    row_stride: padded,
                    accumulate: false,
                };
                rows_times_panel(s, rows, key_dim, k_left, s_right.at(panel, 0), to);
            }
            for panel in 0..key_panels {
                let start = products.as_mut_ptr().add(panel * width);
                let to = Output {
                    start,
                    row_stride: CHUNK,
                    accumulate: false,
                };
                rows_times_panel(s, rows, key_dim, k_left, kt_right.at(panel, 0), to);
            }
            // d, token after token.
            for row in 0..rows {
                let place = first + row;
                let beta = input.beta[(from + row) * heads + head];
                decay(
                    s,
                    state.sums,
                    place,
                    -beta,
                    place,
                    &mut products[row * CHUNK..][..CHUNK],
                );
                let past = exp(s, s.splat(state.sums[place]));
                let d = state.d.as_mut_ptr().add(place * padded);
                let (value, seen) = (values(row), wide.as_ptr().add(row * padded));
                let mut i = 0;
                while i < value_dim {
                    let n = S::LANES.min(value_dim - i);
                    let seen = s.mul(past, s.load(seen.add(i)));
                    let x = s.sub(s.load_part(value.as_ptr().add(i), n), seen);
                    s.store(d.add(i), s.mul(s.splat(beta), x));
                    i += S::LANES;
                }
                let left = Left {
                    start: products.as_ptr().add(row * CHUNK),
                    row_stride: CHUNK,
                    k_stride: 1,
                };
                let right = Right {
                    start: state.d.as_ptr(),
                    panel_stride: width,
                    k_stride: padded,
                };
                let to = Output {
                    start: d,
                    row_stride: padded,
                    accumulate: true,
                };
                few_rows_times_panels(s, 1, panels, place, left, right, to);
            }
            // o.
            let q_left = Left {
                start: q.as_ptr(),
                row_stride: key_dim,
                k_stride: 1,
            };
            for panel in 0..panels {
                let start = wide.as_mut_ptr().add(panel * width);
                let to = Output {
                    start,
                    row_stride: padded,
                    accumulate: false,
                };
                rows_times_panel(s, rows, key_dim, q_left, s_right.at(panel, 0), to);
            }
            for panel in 0..key_panels {
                let start = products.as_mut_ptr().add(panel * width);
                let to = Output {
                    start,
                    row_stride: CHUNK,
                    accumulate: false,
                };
                rows_times_panel(s, rows, key_dim, q_left, kt_right.at(panel, 0), to);
            }
            for row in 0..rows {
                let place = first + row;
                decay(
                    s,
                    state.sums,
                    place,
                    1.0,
                    place + 1,
                    &mut products[row * CHUNK..][..CHUNK],
                );
                scale(s, &mut wide[row * padded..][..padded], state.sums[place]);
            }
            let left = Left {
                start: products.as_ptr(),
                row_stride: CHUNK,
                k_stride: 1,
            };
            for panel in 0..panels {
                let start = wide.as_mut_ptr().add(panel * width);
                let to = Output {
                    start,
                    row_stride: padded,
                    accumulate: true,
                };
                let right = Right {
                    start: state.d.as_ptr().add(panel * width),
                    panel_stride: width,
                    k_stride: padded,
                };
                rows_times_panel(s, rows, end, left, right, to);
            }
            for row in 0..rows {
                let to = out.get().add(((from + row) * heads + head) * value_dim);
                wide.as_ptr()
                    .add(row * padded)
                    .copy_to_nonoverlapping(to, value_dim);
            }
        }
    }
}

/// `products[j] ← factor · e^{G_place − G_j} · products[j]` for j below `count`, 0 for the others.
#[inline(always)]
fn decay<S: Simd>(s: S, sums: &[f32], place: usize, factor: f32, count: usize, products: &mut [f32]) {
    let here = s.splat(sums[place]);
    let mut j = 0;
    while j < count {
        // SAFETY: both slices have CHUNK elements, a multiple of LANES, and count <= CHUNK.
        unsafe {
            let weight = exp(s, s.sub(here, s.load(sums.as_ptr().add(j))));
            let product = s.load(products.as_ptr().add(j));
            s.store(
                products.as_mut_ptr().add(j),
                s.mul(s.mul(s.splat(factor), weight), product),
            );
        }
        j += S::LANES;
    }
    products[count..].fill(0.0);
}

/// `row ← e^log · row`; a multiple of LANES long.
#[inline(always)]
fn scale<S: Simd>(s: S, row: &mut [f32], log: f32) {
    let factor = exp(s, s.splat(log));
    let mut i = 0;
    while i < row.len() {
        // SAFETY: the length is a multiple of LANES.
        unsafe {
            let x = s.mul(factor, s.load(row.as_ptr().add(i)));
            s.store(row.as_mut_ptr().add(i), x);
        };
        i += S::LANES;
    }
}

/// `S ← e^{G_n} S + Σ_i e^{G_n−G_i} k_i d_iᵀ` over the first `count` tokens of the chunk.
struct Fold<'a, 'b> {
    delta: Delta,
    state: &'a mut Head<'b>,
    count: usize,
}

impl Kernel for Fold<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { delta, state, count } = self;
        let (padded, width) = (delta.padded(), 2 * S::LANES);
        let Some(last) = count.checked_sub(1) else { return };
        let mut weights = [1.0; CHUNK];
        decay(s, state.sums, last, 1.0, count, &mut weights);
        for row in state.kt.chunks_exact_mut(CHUNK) {
            for (x, weight) in row.iter_mut().zip(&weights) {
                *x *= weight;
            }
        }
        scale(s, state.s, state.sums[last]);
        let left = Left {
            start: state.kt.as_ptr(),
            row_stride: CHUNK,
            k_stride: 1,
        };
        for panel in 0..padded / width {
            // SAFETY: S is [key_dim, padded], kᵀ [key_dim, CHUNK], d [CHUNK, padded].
            unsafe {
                let start = state.s.as_mut_ptr().add(panel * width);
                let to = Output {
                    start,
                    row_stride: padded,
                    accumulate: true,
                };
                let right = Right {
                    start: state.d.as_ptr().add(panel * width),
                    panel_stride: width,
                    k_stride: padded,
                };
                rows_times_panel(s, delta.key_dim, count, left, right, to);
            }
        }
    }
}
