//! Prefill on tiles: a chunk's products, each number as the sum of two bf16.
//!
//! x = h + l with h the nearest bf16 to x and l that to the rest; of the four products of two such sums the one of
//! the two rests, some 2⁻¹⁷ of the whole, is left out. So nothing of the delta rule is rounded to bf16, and three
//! products on tiles still take a fraction of one on vectors. What is solved row after row stays on vectors.

use std::mem::MaybeUninit;

use super::chunk::{BLOCK, Buffers, Chunk};
use super::layer::HeadTask;
use super::state::{CHUNK, Delta, MAX_DIM};
use crate::dense::{From, PANEL, Sums};
use crate::math::exp;
use crate::pairs::{PairKernel, Pairs};
use crate::simd::Simd;
use crate::tiles::{MacroTile, ROW, ROWS, TileKernel, Tiles};
use crate::{Cpu, Isa};

/// Numbers that a tile multiplies.
const COLUMNS: usize = ROW / 2;
/// Rows of a left operand from one tile along its sums to the next: a tile may begin at the last of a chunk's rows,
/// and at a power of two tiles would share few sets of the first-level cache.
const STRIDE: usize = CHUNK + ROWS;
/// The same where the rows are a key's elements.
const WIDE: usize = MAX_DIM + ROWS;

impl Delta {
    /// Whether given tokens are computed on tiles: a matter of the processor and the sizes alone.
    pub(super) fn on_tiles(&self, cpu: &Cpu) -> bool {
        let whole = |size: usize| size.is_multiple_of(COLUMNS);
        cpu.isa.has_tiles() && cpu.isa.has_pairs() && whole(self.key_dim) && whole(self.padded())
    }
}

/// A head's given tokens.
pub(super) struct TiledHead<'a> {
    pub(super) task: HeadTask<'a>,
    /// The first token's place in the sequence.
    pub(super) start: usize,
}

impl TileKernel for TiledHead<'_> {
    #[inline]
    fn run<T: Tiles>(self, isa: Isa, tiles: T) {
        isa.run_pairs(WithPairs { head: self, tiles });
    }
}

struct WithPairs<'a, T> {
    head: TiledHead<'a>,
    tiles: T,
}

/// Both parts of numbers: the nearest bf16, and what it leaves.
type Both<const N: usize> = [Aligned<N>; 2];

#[repr(C, align(64))]
struct Aligned<const N: usize>([u16; N]);

#[repr(C, align(64))]
struct Room {
    /// Rows of k, q or the triangular matrices. `[columns / 32][STRIDE][32]`
    left: Both<{ MAX_DIM * STRIDE }>,
    /// kᵀ, weighted. `[2][WIDE][32]`
    wide: Both<{ 2 * WIDE * COLUMNS }>,
    /// S. `[panels][key_dim / 2][16][2]`
    state: Both<{ MAX_DIM * MAX_DIM }>,
    /// kᵀ. `[4][key_dim / 2][16][2]`
    keys: Both<{ CHUNK * MAX_DIM }>,
    /// d. `[panels][32][16][2]`
    d: Both<{ CHUNK * MAX_DIM }>,
    /// A macro-tile's sums. `[2][32][16]`
    sums: [[[f32; PANEL]; 2 * ROWS]; 2],
}

/// Where both parts of an operand begin.
#[derive(Clone, Copy)]
struct Split {
    high: *mut u16,
    low: *mut u16,
}

impl Split {
    fn of<const N: usize>(both: *mut Both<N>) -> Self {
        let start = both.cast::<Aligned<N>>();
        Self {
            high: start.cast(),
            low: start.wrapping_add(1).cast(),
        }
    }

    #[inline(always)]
    fn add(self, count: usize) -> Self {
        Self {
            high: self.high.wrapping_add(count),
            low: self.low.wrapping_add(count),
        }
    }

    /// Writes 16 numbers one behind the other.
    ///
    /// # Safety
    /// `from` has 16 numbers, and there is room for as many.
    #[inline(always)]
    unsafe fn write<D: Pairs>(self, d: D, from: *const f32) {
        let mut rest = [0.0; PANEL];
        // SAFETY: the caller's.
        unsafe {
            d.round(from, self.high);
            d.residual(from, rest.as_mut_ptr());
            d.round(rest.as_ptr(), self.low);
        }
    }

    /// Writes 16 numbers of each of two rows, paired.
    ///
    /// # Safety
    /// Both have 16 numbers, and there is room for twice as many.
    #[inline(always)]
    unsafe fn pair<D: Pairs>(self, d: D, even: *const f32, odd: *const f32) {
        let mut rest = [[0.0; PANEL]; 2];
        // SAFETY: the caller's.
        unsafe {
            d.interleave(even, odd, self.high.cast());
            d.residual(even, rest[0].as_mut_ptr());
            d.residual(odd, rest[1].as_mut_ptr());
            d.interleave(rest[0].as_ptr(), rest[1].as_ptr(), self.low.cast());
        }
    }
}

/// The parts of a room.
#[derive(Clone, Copy)]
struct Places {
    left: Split,
    wide: Split,
    state: Split,
    keys: Split,
    d: Split,
    sums: *mut f32,
}

/// An operand's rows: `[steps][stride][32]`.
#[derive(Clone, Copy)]
struct Left {
    start: Split,
    stride: usize,
}

/// An operand's panels: `[panels][pairs][16][2]`.
#[derive(Clone, Copy)]
struct Right {
    start: Split,
    pairs: usize,
}

impl<T: Tiles> PairKernel for WithPairs<'_, T> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let Self {
            head: TiledHead { task, start },
            tiles,
        } = self;
        let (pending, tokens) = (task.work.pending, task.work.tokens);
        if tokens == 0 {
            return;
        }
        let mut buffers = MaybeUninit::<Buffers>::uninit();
        let mut room = MaybeUninit::<Room>::uninit();
        let room = room.as_mut_ptr();
        // SAFETY: places inside one allocation, nothing is read. The layer has checked the task. `clear` writes what
        // is read before it is computed; what tiles read beyond makes sums that nobody reads.
        unsafe {
            let places = Places {
                left: Split::of(&raw mut (*room).left),
                wide: Split::of(&raw mut (*room).wide),
                state: Split::of(&raw mut (*room).state),
                keys: Split::of(&raw mut (*room).keys),
                d: Split::of(&raw mut (*room).d),
                sums: (&raw mut (*room).sums).cast(),
            };
            let head = task.head();
            let chunk = Chunk::new(&head, &mut buffers);
            chunk.clear();
            // Tokens that are not there yet are multiplied by zeros.
            for part in [places.d.high, places.d.low] {
                part.write_bytes(0, CHUNK * chunk.padded);
            }
            chunk.load(pending);
            for row in 0..pending {
                chunk.transpose(row);
            }
            let work = Work {
                chunk: &chunk,
                d,
                tiles,
                room: places,
            };
            let (mut place, mut token) = (pending, 0);
            while token < tokens {
                let left = CHUNK - (start + token) % CHUNK;
                let count = left.min(tokens - token);
                work.feed(token, place, place + count);
                place += count;
                token += count;
                if count == left {
                    work.fold(place);
                    place = 0;
                }
            }
            chunk.store(place);
        }
    }
}

/// A chunk, and what computes it.
struct Work<'a, D, T> {
    chunk: &'a Chunk<'a>,
    d: D,
    tiles: T,
    room: Places,
}

impl<D: Pairs, T: Tiles> Work<'_, D, T> {
    /// As [`Chunk`]'s own: the run's tokens from `token` on are rows `from..to`, and their output is written.
    #[inline(always)]
    unsafe fn feed(&self, token: usize, from: usize, to: usize) {
        let Self { chunk, d, room, .. } = self;
        let s = d.vectors();
        let (key_dim, padded) = (chunk.key_dim, chunk.padded);
        let (rows, panels) = (to - from, padded / PANEL);
        // SAFETY: as there.
        unsafe {
            chunk.read(s, token, from, to);
            let state = self.panels(
                room.state,
                chunk.head.state,
                key_dim,
                key_dim,
                0..key_dim / 2,
                panels,
            );
            let key_panels = to.div_ceil(PANEL);
            let keys = self.panels(room.keys, chunk.kt, key_dim, key_dim, 0..key_dim / 2, key_panels);
            // Rows of a matrix as wide as that, from these on.
            let matrix = |start: *mut f32, width: usize| Sums {
                start: start.wrapping_add(from * width),
                row_stride: width,
                panel_stride: PANEL,
            };
            let steps = key_dim / COLUMNS;
            let left = self.rows(chunk.k, key_dim, key_dim, from, to);
            self.multiply(
                rows,
                steps,
                panels,
                left,
                state,
                From::Zero,
                matrix(chunk.seen, padded),
            );
            self.multiply(
                rows,
                steps,
                key_panels,
                left,
                keys,
                From::Zero,
                matrix(chunk.keys, CHUNK),
            );
            for row in from..to {
                chunk.start_row(s, row);
            }
            let left = self.rows(chunk.q, key_dim, key_dim, from, to);
            self.multiply(
                rows,
                steps,
                panels,
                left,
                state,
                From::Zero,
                matrix(chunk.o, padded),
            );
            self.multiply(
                rows,
                steps,
                key_panels,
                left,
                keys,
                From::Zero,
                matrix(chunk.queries, CHUNK),
            );
            // d of the rows before these, of a block that has more of them as well.
            let pairs = |block: usize| block * BLOCK / 2..(block + 1) * BLOCK / 2;
            let mut values = Right {
                start: room.d,
                pairs: CHUNK / 2,
            };
            for block in 0..from.div_ceil(BLOCK) {
                values = self.panels(room.d, chunk.d, CHUNK, CHUNK, pairs(block), panels);
            }
            for block in from / BLOCK..to.div_ceil(BLOCK) {
                let (first, last) = (from.max(block * BLOCK), to.min((block + 1) * BLOCK));
                let (rows, start) = (last - first, block * BLOCK);
                chunk.weigh(s, block, first, last);
                let sums = Sums {
                    start: chunk.d.wrapping_add(first * PANEL),
                    row_stride: PANEL,
                    panel_stride: CHUNK * PANEL,
                };
                if start > 0 {
                    let earlier = self.rows(chunk.keys, CHUNK, start, first, last);
                    let steps = start.div_ceil(COLUMNS);
                    self.multiply(rows, steps, panels, earlier, values, From::There, sums);
                }
                chunk.solve(s, block, first, last);
                values = self.panels(room.d, chunk.d, CHUNK, CHUNK, pairs(block), panels);
                let queries = self.rows(chunk.queries, CHUNK, start + BLOCK, first, last);
                let o = Sums {
                    start: chunk.o.add(first * padded),
                    row_stride: padded,
                    panel_stride: PANEL,
                };
                let past = From::Scaled(chunk.past.add(first));
                let steps = (start + BLOCK).div_ceil(COLUMNS);
                self.multiply(rows, steps, panels, queries, values, past, o);
            }
            for row in from..to {
                chunk
                    .head
                    .io
                    .write(s, token + row - from, chunk.o.add(row * padded));
            }
        }
    }

    /// As [`Chunk`]'s own, of a chunk that has just been fed.
    #[inline(always)]
    unsafe fn fold(&self, count: usize) {
        let Self { chunk, d, room, .. } = self;
        let s = d.vectors();
        let key_dim = chunk.key_dim;
        // SAFETY: as there.
        unsafe {
            let end = *chunk.sums.add(count - 1);
            let mut weights = [0.0; CHUNK];
            for row in (0..CHUNK).step_by(PANEL) {
                let weight = exp(s, s.sub(s.splat(end), s.load(chunk.sums.add(row))));
                s.store(weights[row..].as_mut_ptr(), weight);
            }
            weights[count..].fill(0.0);
            for panel in 0..CHUNK / PANEL {
                let weight = s.load(weights[panel * PANEL..].as_ptr());
                let to = room
                    .wide
                    .add(panel * PANEL / COLUMNS * WIDE * COLUMNS + panel * PANEL % COLUMNS);
                for i in 0..key_dim {
                    let mut weighted = [0.0; PANEL];
                    let from = chunk.kt.add((panel * key_dim + i) * PANEL);
                    s.store(weighted.as_mut_ptr(), s.mul(weight, s.load(from)));
                    to.add(i * COLUMNS).write(*d, weighted.as_ptr());
                }
            }
            let left = Left {
                start: room.wide,
                stride: WIDE,
            };
            let right = Right {
                start: room.d,
                pairs: CHUNK / 2,
            };
            let sums = Sums {
                start: chunk.head.state,
                row_stride: PANEL,
                panel_stride: key_dim * PANEL,
            };
            let past = From::ScaledAll(s.to_array(exp(s, s.splat(end)))[0]);
            let steps = CHUNK / COLUMNS;
            self.multiply(key_dim, steps, chunk.padded / PANEL, left, right, past, sums);
        }
    }

    /// Rows `from..to` of `[rows][width]`, their first `columns`, with zeros up to a whole tile, as a left operand
    /// that begins at row `from`.
    #[inline(always)]
    unsafe fn rows(&self, start: *const f32, width: usize, columns: usize, from: usize, to: usize) -> Left {
        let left = self.room.left;
        let zeros = [0.0; PANEL];
        // SAFETY: the caller's: these rows are there, and a chunk's rows fit the room.
        unsafe {
            for row in from..to {
                for column in (0..columns.next_multiple_of(COLUMNS)).step_by(PANEL) {
                    let numbers = if column < columns {
                        start.add(row * width + column)
                    } else {
                        zeros.as_ptr()
                    };
                    let at = (column / COLUMNS * STRIDE + row) * COLUMNS + column % COLUMNS;
                    left.add(at).write(self.d, numbers);
                }
            }
        }
        Left {
            start: left.add(from * COLUMNS),
            stride: STRIDE,
        }
    }

    /// Pairs of `panels` panels `[panels][rows][16]`, as a right operand of `all` rows.
    #[inline(always)]
    unsafe fn panels(
        &self,
        to: Split,
        from: *const f32,
        rows: usize,
        all: usize,
        pairs: std::ops::Range<usize>,
        panels: usize,
    ) -> Right {
        for panel in 0..panels {
            for pair in pairs.clone() {
                // SAFETY: the caller's: these rows are there, and the room has as many.
                unsafe {
                    let from = from.add((panel * rows + 2 * pair) * PANEL);
                    let to = to.add((panel * all / 2 + pair) * PANEL * 2);
                    to.pair(self.d, from, from.add(PANEL));
                }
            }
        }
        Right {
            start: to,
            pairs: all / 2,
        }
    }

    /// `sums (+)= left · right`, `steps` tiles along the sums.
    #[inline(always)]
    unsafe fn multiply(
        &self,
        rows: usize,
        steps: usize,
        panels: usize,
        left: Left,
        right: Right,
        from: From,
        sums: Sums,
    ) {
        let size = 2 * ROWS * PANEL;
        for panel in (0..panels).step_by(2) {
            // A panel without a neighbour is multiplied twice.
            let count = (panels - panel).min(2);
            let first = right.start.add(panel * right.pairs * PANEL * 2);
            let second = first.add((count - 1) * right.pairs * PANEL * 2);
            for row in (0..rows).step_by(2 * ROWS) {
                let here = (rows - row).min(2 * ROWS);
                let left_rows = left.start.add(row * COLUMNS);
                let product = |input: *mut u16, panels: [*mut u16; 2], add: bool| MacroTile {
                    input: input.cast_const().cast(),
                    input_stride: ROW,
                    input_step: left.stride * ROW,
                    panels: [[panels[0].cast_const().cast(), panels[1].cast_const().cast()]; 2],
                    runs: 1,
                    steps,
                    sums: [self.room.sums.cast(), self.room.sums.wrapping_add(size).cast()],
                    sums_stride: ROW,
                    two: here > ROWS,
                    add,
                };
                // SAFETY: the caller's.
                unsafe {
                    let high = [first.high, second.high];
                    self.tiles.bf16(product(left_rows.high, high, false));
                    self.tiles
                        .bf16(product(left_rows.high, [first.low, second.low], true));
                    self.tiles.bf16(product(left_rows.low, high, true));
                    self.put(here, count, panel, row, from, sums);
                }
            }
        }
    }

    /// Puts a macro-tile's sums where they belong.
    #[inline(always)]
    unsafe fn put(&self, rows: usize, panels: usize, panel: usize, row: usize, from: From, sums: Sums) {
        let s = self.d.vectors();
        for i in 0..panels {
            for r in 0..rows {
                // SAFETY: the caller's.
                unsafe {
                    let found = s.load(self.room.sums.add((i * 2 * ROWS + r) * PANEL));
                    let to = sums
                        .start
                        .add((row + r) * sums.row_stride + (panel + i) * sums.panel_stride);
                    let sum = match from {
                        From::Zero => found,
                        From::There => s.add(s.load(to), found),
                        From::Scaled(factors) => s.mul_add(s.load(to), s.splat(*factors.add(row + r)), found),
                        From::ScaledAll(factor) => s.mul_add(s.load(to), s.splat(factor), found),
                    };
                    s.store(to, sum);
                }
            }
        }
    }
}
