//! Products on tiles of operands that both change.

use super::View;
use super::left::Sums;
use super::right::{Panels, round_part};
use crate::Isa;
use crate::matrix::PANEL;
use crate::memory::Lines;
use crate::pairs::{PairKernel, Pairs};
use crate::tiles::{MacroTile, ROW, ROWS, Strip, TILE, TileKernel, Tiles};

/// Numbers that a tile multiplies.
const COLUMNS: usize = ROW / 2;
/// Rows of a macro-tile.
const BLOCK: usize = 2 * ROWS;
/// Blocks of rows, and tiles along K, at a time: they stay in the first-level cache while panels pass by, each of which is
/// read from the second-level cache once for all these rows.
const BLOCKS: usize = 2;
const STEPS: usize = 8;

/// Rows rounded to bf16, `[blocks of 32 rows][tiles along K][32][32]`.
#[derive(Default)]
pub(super) struct TileRows {
    lines: Lines,
    /// Blocks of rows, and tiles along K.
    sizes: [usize; 2],
}

impl TileRows {
    /// Rounds `matrix`, `[rows, k]`. What is missing of a last tile along K is zero; rows that are not there are
    /// whatever they were.
    pub(super) fn round(&mut self, isa: Isa, matrix: View<'_>, [rows, k]: [usize; 2]) {
        let (blocks, steps) = (rows.div_ceil(BLOCK), k.div_ceil(COLUMNS));
        self.sizes = [blocks, steps];
        self.lines.grow(blocks * steps * 2 * TILE);
        let out = self.lines.start_mut::<[u16; 2]>();
        let sizes = [rows, k];
        if matrix.column_stride == 1 {
            isa.run_pairs(Along {
                matrix: matrix.data,
                sizes,
                stride: matrix.row_stride,
                out,
            });
        } else {
            isa.run_pairs(Across {
                matrix: matrix.data,
                sizes,
                stride: matrix.column_stride,
                out,
            });
        }
    }
}

/// Pairs before row `row` of its tile number `step` along K, of `steps`.
#[inline(always)]
fn place(row: usize, step: usize, steps: usize) -> usize {
    (row / BLOCK * steps + step) * BLOCK * PANEL + row % BLOCK * PANEL
}

/// Rows that lie as they are multiplied.
struct Along<'a> {
    /// `[rows, k]`, rows `stride` apart.
    matrix: &'a [f32],
    sizes: [usize; 2],
    stride: usize,
    /// Room for whole blocks.
    out: *mut [u16; 2],
}

impl PairKernel for Along<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let [rows, k] = self.sizes;
        let steps = k.div_ceil(COLUMNS);
        for row in 0..rows {
            let from = &self.matrix[row * self.stride..][..k];
            for (step, from) in from.chunks(COLUMNS).enumerate() {
                // SAFETY: there is room for this row's tiles.
                let to = unsafe { &mut *self.out.add(place(row, step, steps)).cast::<[[u16; 2]; PANEL]>() };
                round_part(d, from, to);
            }
        }
    }
}

/// Rows that lie transposed: paired, then turned tile by tile.
struct Across<'a> {
    /// `[k, rows]`, `stride` from one k to the next.
    matrix: &'a [f32],
    sizes: [usize; 2],
    stride: usize,
    /// Room for whole blocks.
    out: *mut [u16; 2],
}

impl PairKernel for Across<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let [rows, k] = self.sizes;
        let steps = k.div_ceil(COLUMNS);
        for step in 0..steps {
            let first = step * COLUMNS;
            for row in (0..rows).step_by(PANEL) {
                // SAFETY: there is room for whole blocks, and a block holds whole tiles.
                let to = unsafe { self.out.add(place(row, step, steps)) };
                if first + COLUMNS <= k && row + PANEL <= rows {
                    let from =
                        &self.matrix[first * self.stride + row..][..(COLUMNS - 1) * self.stride + PANEL];
                    // SAFETY: as above; 32 lines of 16 numbers are there.
                    unsafe { turn(d, from.as_ptr(), self.stride, to) };
                    continue;
                }
                let mut room = [0.0; COLUMNS * PANEL];
                let width = PANEL.min(rows - row);
                for (line, room) in room.chunks_exact_mut(PANEL).enumerate().take(k - first) {
                    let from = &self.matrix[(first + line) * self.stride + row..][..width];
                    room[..width].copy_from_slice(from);
                }
                // SAFETY: as above.
                unsafe { turn(d, room.as_ptr(), PANEL, to) };
            }
        }
    }
}

/// 32 lines of 16 numbers, `stride` apart, become 16 rows of 32.
///
/// # Safety
/// They are there, and there is room for a tile.
#[inline(always)]
unsafe fn turn<D: Pairs>(d: D, from: *const f32, stride: usize, to: *mut [u16; 2]) {
    let mut paired = [[0u16; 2]; PANEL * PANEL];
    // SAFETY: the caller's.
    unsafe {
        for pair in 0..PANEL {
            let (even, odd) = (from.add(2 * pair * stride), from.add((2 * pair + 1) * stride));
            d.interleave(even, odd, paired.as_mut_ptr().add(pair * PANEL));
        }
        d.transpose(paired.as_ptr(), to, PANEL);
    }
}

/// `out (+)= left · right`.
pub(super) struct TiledProduct<'a> {
    rows: usize,
    columns: usize,
    steps: usize,
    left: *const u8,
    right: &'a [[u16; 2]],
    sums: Sums<'a>,
}

impl<'a> TiledProduct<'a> {
    pub(super) fn new(
        left: &'a TileRows,
        rows: usize,
        columns: usize,
        right: Panels<'a>,
        sums: Sums<'a>,
    ) -> Self {
        let [blocks, steps] = left.sizes;
        let needed = rows.saturating_sub(1) * sums.stride + columns;
        assert!(
            blocks == rows.div_ceil(BLOCK)
                && right.pairs == steps * ROWS
                && right.data.len() >= columns.div_ceil(PANEL) * right.pairs * PANEL
                && sums.stride >= columns
                && (rows == 0 || columns == 0 || sums.out.len() >= needed),
            "an operand is too small"
        );
        Self {
            rows,
            columns,
            steps,
            left: left.lines.start(),
            right: right.data,
            sums,
        }
    }
}

/// Sums of a macro-tile that is not whole.
#[repr(C, align(64))]
struct Room([[f32; 2 * PANEL]; BLOCK]);

impl TileKernel for TiledProduct<'_> {
    fn run<T: Tiles>(mut self, _: Isa, tiles: T) {
        if self.steps == 0 {
            if !self.sums.add {
                for row in self.sums.out.chunks_mut(self.sums.stride.max(1)).take(self.rows) {
                    row[..self.columns].fill(0.0);
                }
            }
            return;
        }
        let panels = self.columns.div_ceil(PANEL);
        for first in (0..self.rows).step_by(BLOCKS * BLOCK) {
            let last = self.rows.min(first + BLOCKS * BLOCK);
            for step in (0..self.steps).step_by(STEPS) {
                for panel in (0..panels).step_by(2) {
                    for row in (first..last).step_by(BLOCK) {
                        self.block(tiles, row, panel, step);
                    }
                }
            }
        }
    }
}

impl TiledProduct<'_> {
    /// Up to 32 rows and two panels over [`STEPS`] tiles along K.
    #[inline(always)]
    fn block<T: Tiles>(&mut self, tiles: T, row: usize, panel: usize, step: usize) {
        let rows = BLOCK.min(self.rows - row);
        if rows.is_multiple_of(ROWS) && (panel + 2) * PANEL <= self.columns {
            let steps = STEPS.min(self.steps - step);
            let stride = self.sums.stride;
            let out = self.sums.out[row * stride + panel * PANEL..].as_mut_ptr();
            let add = self.sums.add || step > 0;
            // SAFETY: `new` has checked the operands; two whole panels and 16 or 32 rows of sums are there.
            unsafe { tiles.bf16(self.tile([row, panel, step], steps, out, stride, add)) };
        } else if step == 0 {
            if rows.is_multiple_of(ROWS) && self.columns == PANEL && self.sums.stride == PANEL {
                self.strips(tiles, row, rows);
            } else {
                self.narrow(tiles, row, panel);
            }
        }
    }

    /// All of K for 16 or 32 rows and the only panel, whose sums lie one row behind the other: what low-rank additions
    /// are made of.
    #[inline(always)]
    fn strips<T: Tiles>(&mut self, tiles: T, row: usize, rows: usize) {
        for first in (0..rows).step_by(ROWS) {
            let sums = self.sums.out[(row + first) * PANEL..][..ROWS * PANEL].as_mut_ptr();
            // SAFETY: `new` has checked the operands; 16 rows of sums are there.
            unsafe {
                let block = self.left.add(row / BLOCK * self.steps * 2 * TILE);
                tiles.bf16_strip(Strip {
                    input: block.add(first / ROWS * TILE),
                    input_stride: ROW,
                    input_step: 2 * TILE,
                    panel: self.right.as_ptr().cast(),
                    ask: false,
                    steps: self.steps,
                    sums: sums.cast(),
                    add: self.sums.add,
                });
            }
        }
    }

    /// The macro-tile of a row, a panel and the one behind it (itself where it is the last), and `steps` tiles along K.
    ///
    /// # Safety
    /// They are there.
    #[inline(always)]
    unsafe fn tile(
        &self,
        [row, panel, step]: [usize; 3],
        steps: usize,
        out: *mut f32,
        stride: usize,
        add: bool,
    ) -> MacroTile {
        let last = self.columns.div_ceil(PANEL) - 1;
        // SAFETY: the caller's.
        unsafe {
            let from = |panel: usize| {
                let start = (panel.min(last) * self.steps + step) * ROWS * PANEL;
                self.right.as_ptr().add(start).cast::<u8>()
            };
            MacroTile {
                input: self.left.add((row / BLOCK * self.steps + step) * 2 * TILE),
                input_stride: ROW,
                input_step: 2 * TILE,
                panels: [[from(panel), from(panel + 1)]; 2],
                runs: 1,
                steps,
                sums: [out.cast(), out.add(PANEL).cast()],
                sums_stride: stride * size_of::<f32>(),
                two: self.rows - row > ROWS,
                add,
            }
        }
    }

    /// All of K for a macro-tile that is not whole.
    #[inline(always)]
    fn narrow<T: Tiles>(&mut self, tiles: T, row: usize, panel: usize) {
        let mut room = Room([[0.0; 2 * PANEL]; BLOCK]);
        let out = room.0.as_mut_ptr().cast();
        // SAFETY: `new` has checked the operands; the room holds a whole macro-tile.
        unsafe { tiles.bf16(self.tile([row, panel, 0], self.steps, out, 2 * PANEL, false)) };
        let width = (2 * PANEL).min(self.columns - panel * PANEL);
        for (i, from) in room.0.iter().enumerate().take(self.rows - row) {
            let to = &mut self.sums.out[(row + i) * self.sums.stride + panel * PANEL..][..width];
            for (to, from) in to.iter_mut().zip(from) {
                *to = if self.sums.add { *to + from } else { *from };
            }
        }
    }
}
