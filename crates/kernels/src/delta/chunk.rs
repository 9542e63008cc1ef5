//! Prefill: a chunk's tokens as a few small products.

use std::mem::MaybeUninit;

use super::layer::HeadIo;
use super::state::{CHUNK, Kept, MAX_DIM};
use crate::dense::{From, PANEL, Panels, Rows, Sums, product};
use crate::math::exp;
use crate::simd::Simd;

/// Rows of the triangular system that are solved as one block.
pub(super) const BLOCK: usize = PANEL;

/// One head's part of a run.
pub(crate) struct Prefill<'a> {
    pub(crate) io: HeadIo<'a>,
    /// S, `[panels][key_dim][16]`
    pub(crate) state: *mut f32,
    /// The unfinished chunk, as [`Delta::chunk_len`](super::Delta::chunk_len) says.
    pub(crate) chunk: Kept,
}

/// Tokens between one whose inputs are asked for and the one that is computed.
const AHEAD: usize = 4;

/// A chunk in work. Rows are the chunk's tokens.
#[repr(C)]
pub(super) struct Buffers {
    /// `[64, key_dim]`
    q: [f32; CHUNK * MAX_DIM],
    /// `[64, key_dim]`
    k: [f32; CHUNK * MAX_DIM],
    /// kᵀ in panels of 16 tokens, `[4][key_dim][16]`.
    kt: [f32; CHUNK * MAX_DIM],
    /// `[panels][64][16]`
    d: [f32; CHUNK * MAX_DIM],
    /// S₀ᵀk. `[64, padded]`
    seen: [f32; CHUNK * MAX_DIM],
    /// v, then o. `[64, padded]`
    o: [f32; CHUNK * MAX_DIM],
    /// `-β_i e^{G_i−G_j} k_i·k_j` below the diagonal. `[64, 64]`
    keys: [f32; CHUNK * CHUNK],
    /// `e^{G_i−G_j} q_i·k_j` up to the diagonal. `[64, 64]`
    queries: [f32; CHUNK * CHUNK],
    /// G
    sums: [f32; CHUNK],
    /// e^G
    past: [f32; CHUNK],
    beta: [f32; CHUNK],
}

impl Prefill<'_> {
    /// Feeds `tokens` tokens, of which `start` is the first one's place in the sequence, behind
    /// `pending` tokens of an unfinished chunk.
    ///
    /// # Safety
    /// The run has these tokens, and no one else uses this head's memory.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd>(&self, s: S, start: usize, pending: usize, tokens: usize) {
        if tokens == 0 {
            return;
        }
        let mut buffers = MaybeUninit::<Buffers>::uninit();
        // SAFETY: the caller's. `clear` writes what is read before it is computed.
        unsafe {
            let chunk = Chunk::new(self, &mut buffers);
            chunk.clear();
            chunk.load(pending);
            for row in 0..pending {
                chunk.transpose(row);
            }
            let (mut place, mut token) = (pending, 0);
            while token < tokens {
                let room = CHUNK - (start + token) % CHUNK;
                let count = room.min(tokens - token);
                chunk.feed(s, token, place, place + count);
                place += count;
                token += count;
                if count == room {
                    chunk.fold(s, place);
                    place = 0;
                }
            }
            chunk.store(place);
        }
    }

    /// Makes an unfinished chunk of `pending` tokens part of the state.
    ///
    /// # Safety
    /// No one else uses this head's memory.
    #[inline(always)]
    pub(crate) unsafe fn fold<S: Simd>(&self, s: S, pending: usize) {
        let mut buffers = MaybeUninit::<Buffers>::uninit();
        // SAFETY: as in `run`. Of the chunk only the rows that are loaded are read.
        unsafe {
            let chunk = Chunk::new(self, &mut buffers);
            chunk.load(pending);
            chunk.fold(s, pending);
        }
    }
}

/// Pointers into `Buffers`, and the head's memory.
pub(super) struct Chunk<'a> {
    pub(super) head: &'a Prefill<'a>,
    pub(super) key_dim: usize,
    pub(super) padded: usize,
    pub(super) q: *mut f32,
    pub(super) k: *mut f32,
    pub(super) kt: *mut f32,
    pub(super) d: *mut f32,
    pub(super) seen: *mut f32,
    pub(super) o: *mut f32,
    pub(super) keys: *mut f32,
    pub(super) queries: *mut f32,
    pub(super) sums: *mut f32,
    pub(super) past: *mut f32,
    pub(super) beta: *mut f32,
}

impl<'a> Chunk<'a> {
    pub(super) fn new(head: &'a Prefill<'a>, buffers: &'a mut MaybeUninit<Buffers>) -> Self {
        let sizes = head.io.layer.sizes;
        let b = buffers.as_mut_ptr();
        // SAFETY: places inside one allocation, nothing is read.
        unsafe {
            Self {
                head,
                key_dim: sizes.key_dim,
                padded: sizes.padded(),
                q: (&raw mut (*b).q).cast(),
                k: (&raw mut (*b).k).cast(),
                kt: (&raw mut (*b).kt).cast(),
                d: (&raw mut (*b).d).cast(),
                seen: (&raw mut (*b).seen).cast(),
                o: (&raw mut (*b).o).cast(),
                keys: (&raw mut (*b).keys).cast(),
                queries: (&raw mut (*b).queries).cast(),
                sums: (&raw mut (*b).sums).cast(),
                past: (&raw mut (*b).past).cast(),
                beta: (&raw mut (*b).beta).cast(),
            }
        }
    }

    /// Zeros where a block of 16 rows is read beyond the rows that are there.
    #[inline(always)]
    pub(super) unsafe fn clear(&self) {
        // SAFETY: the buffers are that large.
        unsafe {
            self.kt.write_bytes(0, CHUNK * self.key_dim);
            self.d.write_bytes(0, CHUNK * self.padded);
            self.sums.write_bytes(0, CHUNK);
        }
    }

    /// Reads an unfinished chunk.
    #[inline(always)]
    pub(super) unsafe fn load(&self, pending: usize) {
        let (key_dim, kept) = (self.key_dim, self.head.chunk);
        // SAFETY: `pending` rows of the chunk are written, and the buffers hold a whole one.
        unsafe {
            for row in 0..pending {
                let (k, d) = (kept.k(row), kept.d(row));
                k.copy_to_nonoverlapping(self.k.add(row * key_dim), key_dim);
                for panel in 0..self.padded / PANEL {
                    let to = self.d.add((panel * CHUNK + row) * PANEL);
                    d.add(panel * PANEL).copy_to_nonoverlapping(to, PANEL);
                }
            }
            kept.sums().copy_to_nonoverlapping(self.sums, pending);
        }
    }

    /// Writes it back.
    #[inline(always)]
    pub(super) unsafe fn store(&self, pending: usize) {
        if pending == 0 {
            return;
        }
        let (key_dim, kept) = (self.key_dim, self.head.chunk);
        // SAFETY: a chunk in memory has 64 rows.
        unsafe {
            for row in 0..pending {
                let (k, d) = (kept.k(row), kept.d(row));
                self.k.add(row * key_dim).copy_to_nonoverlapping(k, key_dim);
                for panel in 0..self.padded / PANEL {
                    let from = self.d.add((panel * CHUNK + row) * PANEL);
                    from.copy_to_nonoverlapping(d.add(panel * PANEL), PANEL);
                }
            }
            self.sums.copy_to_nonoverlapping(kept.sums(), pending);
        }
    }

    /// Copies a row of k into kᵀ.
    #[inline(always)]
    pub(super) unsafe fn transpose(&self, row: usize) {
        // SAFETY: k has this row, kᵀ its column.
        unsafe {
            let from = self.k.add(row * self.key_dim);
            let to = self.kt.add(row / PANEL * self.key_dim * PANEL + row % PANEL);
            for i in 0..self.key_dim {
                *to.add(i * PANEL) = *from.add(i);
            }
        }
    }

    /// Reads the run's tokens from `token` on as rows `from..to` of the chunk: q, k, kᵀ, v, G, e^G and β.
    #[inline(always)]
    pub(super) unsafe fn read<S: Simd>(&self, s: S, token: usize, from: usize, to: usize) {
        let (key_dim, padded) = (self.key_dim, self.padded);
        let io = &self.head.io;
        // SAFETY: all buffers have 64 rows.
        unsafe {
            for row in from..to {
                let (q, k, v) = (
                    self.q.add(row * key_dim),
                    self.k.add(row * key_dim),
                    self.o.add(row * padded),
                );
                if row + AHEAD < to {
                    io.ask(s, token + row + AHEAD - from);
                }
                io.read(s, token + row - from, q, k, v);
                self.transpose(row);
                let (g, beta) = io.gates(token + row - from);
                let before = if row == 0 { 0.0 } else { *self.sums.add(row - 1) };
                *self.sums.add(row) = before + g;
                *self.beta.add(row) = beta;
            }
            for i in (0..CHUNK).step_by(S::LANES) {
                s.store(self.past.add(i), exp(s, s.load(self.sums.add(i))));
            }
        }
    }

    /// Feeds the run's tokens from `token` on as rows `from..to` of the chunk, and writes their output.
    #[inline(always)]
    unsafe fn feed<S: Simd>(&self, s: S, token: usize, from: usize, to: usize) {
        let (key_dim, padded, rows) = (self.key_dim, self.padded, to - from);
        let panels = padded / PANEL;
        let io = &self.head.io;
        // SAFETY: all operands have 64 rows and these widths, and what is read was written: rows
        // below `to`, zeros and earlier chunks' finite numbers elsewhere.
        unsafe {
            self.read(s, token, from, to);
            let state = Panels {
                start: self.head.state.cast_const(),
                panel_stride: key_dim * PANEL,
            };
            let d = Panels {
                start: self.d.cast_const(),
                panel_stride: CHUNK * PANEL,
            };
            let left = |start: *const f32, stride: usize| Rows {
                start,
                row_stride: stride,
                k_stride: 1,
            };
            let wide = |start: *mut f32| Sums {
                start: start.wrapping_add(from * padded),
                row_stride: padded,
                panel_stride: PANEL,
            };
            let k = left(self.k.add(from * key_dim), key_dim);
            product(s, rows, key_dim, panels, k, state, From::Zero, wide(self.seen));
            for row in from..to {
                self.start_row(s, row);
            }
            let q = left(self.q.add(from * key_dim), key_dim);
            product(s, rows, key_dim, panels, q, state, From::Zero, wide(self.o));
            for block in from / BLOCK..to.div_ceil(BLOCK) {
                let (first, last) = (from.max(block * BLOCK), to.min((block + 1) * BLOCK));
                let rows = last - first;
                self.compare(s, block, first, last);
                // What earlier blocks give to d of this one, then its own rows after one another.
                let earlier = left(self.keys.add(first * CHUNK), CHUNK);
                let sums = |row: usize| Sums {
                    start: self.d.wrapping_add(row * PANEL),
                    row_stride: PANEL,
                    panel_stride: CHUNK * PANEL,
                };
                product(
                    s,
                    rows,
                    block * BLOCK,
                    panels,
                    earlier,
                    d,
                    From::There,
                    sums(first),
                );
                let start = block * BLOCK;
                self.solve(s, block, first, last);
                let queries = left(self.queries.add(first * CHUNK), CHUNK);
                let o = Sums {
                    start: self.o.add(first * padded),
                    row_stride: padded,
                    panel_stride: PANEL,
                };
                let past = From::Scaled(self.past.add(first));
                product(s, rows, start + BLOCK, panels, queries, d, past, o);
            }
            for row in from..to {
                io.write(s, token + row - from, self.o.add(row * padded));
            }
        }
    }

    /// What rows `first..last` of a block give to one another's d.
    #[inline(always)]
    pub(super) unsafe fn solve<S: Simd>(&self, s: S, block: usize, first: usize, last: usize) {
        let (start, panels) = (block * BLOCK, self.padded / PANEL);
        // SAFETY: these rows are there.
        unsafe {
            let own = Panels {
                start: self.d.cast_const().add(start * PANEL),
                panel_stride: CHUNK * PANEL,
            };
            for row in first.max(start + 1)..last {
                let keys = Rows {
                    start: self.keys.add(row * CHUNK + start),
                    row_stride: CHUNK,
                    k_stride: 1,
                };
                let sums = Sums {
                    start: self.d.wrapping_add(row * PANEL),
                    row_stride: PANEL,
                    panel_stride: CHUNK * PANEL,
                };
                product(s, 1, row - start, panels, keys, own, From::There, sums);
            }
        }
    }

    /// `d_i = β_i (v_i − e^{G_i} S₀ᵀk_i)`
    #[inline(always)]
    pub(super) unsafe fn start_row<S: Simd>(&self, s: S, row: usize) {
        // SAFETY: the row is there.
        unsafe {
            let (past, beta) = (s.splat(*self.past.add(row)), s.splat(*self.beta.add(row)));
            let at = row * self.padded;
            for i in (0..self.padded).step_by(S::LANES) {
                let seen = s.mul(past, s.load(self.seen.add(at + i)));
                let x = s.mul(beta, s.sub(s.load(self.o.add(at + i)), seen));
                s.store(self.d.add((i / PANEL * CHUNK + row) * PANEL + i % PANEL), x);
            }
        }
    }

    /// The two triangular matrices' rows `first..last`, which lie in one block.
    #[inline(always)]
    unsafe fn compare<S: Simd>(&self, s: S, block: usize, first: usize, last: usize) {
        // SAFETY: these rows of q and k are there, and kᵀ up to the block's end.
        unsafe {
            let kt = Panels {
                start: self.kt.cast_const(),
                panel_stride: self.key_dim * PANEL,
            };
            for (from, to) in [(self.k, self.keys), (self.q, self.queries)] {
                let rows = Rows {
                    start: from.add(first * self.key_dim),
                    row_stride: self.key_dim,
                    k_stride: 1,
                };
                let sums = Sums {
                    start: to.add(first * CHUNK),
                    row_stride: CHUNK,
                    panel_stride: PANEL,
                };
                product(
                    s,
                    last - first,
                    self.key_dim,
                    block + 1,
                    rows,
                    kt,
                    From::Zero,
                    sums,
                );
            }
            self.weigh(s, block, first, last);
        }
    }

    /// Products of k and of q with k become the triangular matrices.
    #[inline(always)]
    pub(super) unsafe fn weigh<S: Simd>(&self, s: S, block: usize, first: usize, last: usize) {
        let columns = (block + 1) * BLOCK;
        // SAFETY: these rows of the matrices are there.
        unsafe {
            for row in first..last {
                let (keys, queries) = (self.keys.add(row * CHUNK), self.queries.add(row * CHUNK));
                let (here, minus_beta) = (s.splat(*self.sums.add(row)), s.splat(-*self.beta.add(row)));
                for j in (0..columns).step_by(S::LANES) {
                    let weight = exp(s, s.sub(here, s.load(self.sums.add(j))));
                    let key = s.mul(s.mul(minus_beta, weight), s.load(keys.add(j)));
                    s.store(keys.add(j), key);
                    s.store(queries.add(j), s.mul(weight, s.load(queries.add(j))));
                }
                keys.add(row).write_bytes(0, columns - row);
                queries.add(row + 1).write_bytes(0, columns - row - 1);
            }
        }
    }

    /// `S ← e^{G_n} S + Σ_i e^{G_n−G_i} k_i d_iᵀ` over the first `count` tokens; k is used up.
    #[inline(always)]
    pub(super) unsafe fn fold<S: Simd>(&self, s: S, count: usize) {
        // SAFETY: these rows are there.
        unsafe {
            let end = *self.sums.add(count - 1);
            for row in 0..count {
                let weight = exp(s, s.splat(end - *self.sums.add(row)));
                let k = self.k.add(row * self.key_dim);
                for i in (0..self.key_dim).step_by(S::LANES) {
                    let n = S::LANES.min(self.key_dim - i);
                    s.store_part(k.add(i), s.mul(weight, s.load_part(k.add(i), n)), n);
                }
            }
            let left = Rows {
                start: self.k,
                row_stride: 1,
                k_stride: self.key_dim,
            };
            let d = Panels {
                start: self.d.cast_const(),
                panel_stride: CHUNK * PANEL,
            };
            let sums = Sums {
                start: self.head.state,
                row_stride: PANEL,
                panel_stride: self.key_dim * PANEL,
            };
            let past = From::ScaledAll(s.to_array(exp(s, s.splat(end)))[0]);
            product(s, self.key_dim, count, self.padded / PANEL, left, d, past, sums);
        }
    }
}
