//! Products of bf16 weights with inputs rounded to bf16, on tiles.
//!
//! However few the rows are: a tile's sum is rounded otherwise than a chain of pair products, and a row must get
//! the same bits whatever shares the call. A sum takes 32 columns after another, from the first to the last.

use std::mem::MaybeUninit;

use super::super::Piece;
use crate::matrix::PANEL;
use crate::memory::Lines;
use crate::pairs::{PairKernel, Pairs};
use crate::pool::Share;
use crate::simd::{Kernel, Simd};
use crate::tiles::{MACRO_ROWS, MacroTile, ROW, ROWS, RowStrips, Strip, TILE, TileKernel, Tiles};
use crate::{Cpu, Isa};

/// Columns that a tile multiplies.
const COLUMNS: usize = ROW / 2;
/// Rows at a time, whose inputs of [`STEPS`] tiles stay in the second-level cache.
pub(in super::super) const ROW_BLOCK: usize = 512;
/// Panels whose sums are kept together: 128 KiB.
const PANELS: usize = 4;
/// The same where all rows are one macro-tile: the time goes into reading weights then, and memory is read fastest
/// straight on. Of a tile of rows, one panel.
const PANELS_OF_FEW: usize = 2;
/// Tiles along K at a time: two panels' tiles stay in the first-level cache while rows pass by.
const STEPS: usize = 8;

/// Rows rounded to bf16, as tiles read them: `[tiles along K][rows][32]`, zeros behind the last column. So rows lie
/// 64 bytes from one another whatever the matrix's width, and any 16 of them are a tile.
#[derive(Clone, Copy)]
pub(in super::super) struct PairRows {
    start: *const u8,
    /// All rows.
    count: usize,
    /// The piece's first one.
    first: usize,
}

impl PairRows {
    /// From row `row` on.
    pub(in super::super) fn from(self, row: usize) -> Self {
        Self {
            first: self.first + row,
            ..self
        }
    }
}

pub(in super::super) struct TiledPairs<'a> {
    pub(in super::super) piece: Piece,
    pub(in super::super) input: PairRows,
    /// `[panels][k / 2][16][2]`
    pub(in super::super) weights: &'a [u16],
}

impl TileKernel for TiledPairs<'_> {
    #[inline]
    fn run<T: Tiles>(self, isa: Isa, tiles: T) {
        isa.run(WithVectors { product: self, tiles });
    }
}

/// Tiles, and the vectors that move sums.
struct WithVectors<'a, T> {
    product: TiledPairs<'a>,
    tiles: T,
}

/// A tile with zeros where a panel has no more columns.
#[repr(C, align(64))]
struct LastTile([[u8; ROW]; ROWS]);

impl<T: Tiles> Kernel for WithVectors<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (all_rows, panels) = (self.product.piece.rows, self.product.piece.panels.clone());
        let steps = self.product.piece.k.div_ceil(COLUMNS);
        // `[panels][rows][16]`, without zeroing what few rows do not use.
        let mut room = MaybeUninit::<Room>::uninit();
        let room = room.as_mut_ptr().cast::<f32>();
        if all_rows == 1 {
            // SAFETY: as below.
            return unsafe { self.one_row(room) };
        }
        for row in (0..all_rows).step_by(ROW_BLOCK) {
            let rows = ROW_BLOCK.min(all_rows - row);
            // A tile writes 16 rows, however few are left.
            let size = rows.next_multiple_of(ROWS) * PANEL;
            let (together, at_once) = if rows <= ROWS {
                (1, steps)
            } else if rows <= MACRO_ROWS {
                (PANELS_OF_FEW, steps)
            } else {
                (PANELS, STEPS)
            };
            for first in panels.clone().step_by(together) {
                let last = panels.end.min(first + together);
                // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels;
                // `room` is written before it is read.
                unsafe {
                    let piece = &self.product.piece;
                    if piece.accumulate {
                        // With what a last tile has beyond the rows and panels.
                        room.write_bytes(0, (PANELS + 1) * size);
                        piece.read_all(first..last, row, rows, room, size);
                    }
                    for step in (0..steps).step_by(at_once.max(1)) {
                        let count = at_once.min(steps - step);
                        for panel in (first..last).step_by(2) {
                            let sums = room.add((panel - first) * size);
                            let panels = (last - panel).min(2);
                            self.two_panels(s, panel, panels, step, count, row, rows, sums);
                        }
                    }
                    piece.write_all(first..last, row, rows, room, size);
                }
            }
        }
    }
}

/// Sums of some panels, and of one that is multiplied for want of a second.
#[repr(C, align(64))]
struct Room([f32; (PANELS + 1) * ROW_BLOCK * PANEL]);

impl<T: Tiles> WithVectors<'_, T> {
    /// The only row times all panels.
    ///
    /// # Safety
    /// The row and the panels must be the piece's; there is room for [`Room`].
    unsafe fn one_row(&self, room: *mut f32) {
        let TiledPairs {
            piece,
            input,
            weights,
        } = &self.product;
        let pairs = piece.k.div_ceil(2);
        let (whole, left) = (pairs / ROWS, pairs % ROWS);
        let input_step = input.count * ROW;
        // SAFETY: the caller's. A tile that is not whole is copied, with zeros behind.
        unsafe {
            let input = input.start.add(input.first * ROW);
            for first in piece.panels.clone().step_by(ROW_BLOCK) {
                let last = piece.panels.end.min(first + ROW_BLOCK);
                if piece.accumulate {
                    // With what the last panel has beyond the columns.
                    room.write_bytes(0, (last - first) * PANEL);
                }
                piece.read_all(first..last, 0, 1, room, PANEL);
                let panel = |panel: usize| weights.as_ptr().add(panel * pairs * PANEL * 2).cast::<u8>();
                let strips = RowStrips {
                    input,
                    input_step,
                    panels: panel(first),
                    steps: whole,
                    gap: left * ROW,
                    count: last - first,
                    sums: room.cast(),
                };
                self.tiles.bf16_row(strips);
                for number in if left > 0 { first..last } else { 0..0 } {
                    let mut tile = LastTile([[0; ROW]; ROWS]);
                    let from = panel(number).add(whole * TILE);
                    from.copy_to_nonoverlapping(tile.0.as_mut_ptr().cast(), left * ROW);
                    self.tiles.bf16_row(RowStrips {
                        input: input.add(whole * input_step),
                        panels: tile.0.as_ptr().cast(),
                        steps: 1,
                        count: 1,
                        sums: room.add((number - first) * PANEL).cast(),
                        ..strips
                    });
                }
                piece.write_all(first..last, 0, 1, room, PANEL);
            }
        }
    }

    /// Adds rows `row..row + rows` times `count` tiles of one or two panels to `sums`, `[panels][rows][16]`.
    ///
    /// # Safety
    /// The rows, tiles and panels must be the piece's; there is room for two panels' sums, whole tiles of them.
    #[inline(always)]
    unsafe fn two_panels<S: Simd>(
        &self,
        s: S,
        panel: usize,
        panels: usize,
        step: usize,
        count: usize,
        row: usize,
        rows: usize,
        sums: *mut f32,
    ) {
        let TiledPairs {
            piece,
            input,
            weights,
        } = &self.product;
        let pairs = piece.k.div_ceil(2);
        let size = rows.next_multiple_of(ROWS) * PANEL;
        // SAFETY: the caller's. A tile that is not whole is copied, with zeros behind.
        unsafe {
            let from = |panel: usize, step: usize| {
                let start = (panel * pairs + step * ROWS) * PANEL * 2;
                weights.as_ptr().wrapping_add(start).cast::<u8>()
            };
            let second = panel + panels - 1;
            let whole = count.min(pairs / ROWS - step.min(pairs / ROWS));
            let tile = |start: usize| MacroTile {
                input: input
                    .start
                    .add((step * input.count + input.first + row + start) * ROW),
                input_stride: ROW,
                input_step: input.count * ROW,
                panels: [[from(panel, step), from(second, step)]; 2],
                runs: 1,
                steps: whole,
                sums: [
                    sums.add(start * PANEL).cast(),
                    sums.add(size + start * PANEL).cast(),
                ],
                sums_stride: ROW,
                two: rows - start > ROWS,
                add: step > 0 || piece.accumulate,
            };
            if rows <= ROWS && panels == 1 {
                let tile = tile(0);
                let strip = Strip {
                    input: tile.input,
                    input_stride: tile.input_stride,
                    input_step: tile.input_step,
                    panel: tile.panels[0][0],
                    ask: true,
                    steps: whole,
                    sums: tile.sums[0],
                    add: tile.add,
                };
                self.tiles.bf16_strip(strip);
            } else {
                // What these panels have next, a share of it beside each macro-tile.
                let next = [panel, second].map(|panel| from(panel, step + count));
                let groups = rows.div_ceil(MACRO_ROWS);
                let share = if groups > 1 {
                    (whole * ROWS).div_ceil(groups)
                } else {
                    0
                };
                for (group, start) in (0..rows).step_by(MACRO_ROWS).enumerate() {
                    for line in group * share..(group + 1) * share {
                        for next in next {
                            s.prefetch_later(next.wrapping_add(line * ROW));
                        }
                    }
                    self.tiles.bf16(tile(start));
                }
            }
            if whole < count {
                let mut last = [const { LastTile([[0; ROW]; ROWS]) }; 2];
                let left = pairs % ROWS;
                for (last, panel) in last.iter_mut().zip([panel, second]) {
                    let to = last.0.as_mut_ptr().cast::<u8>();
                    from(panel, step + whole).copy_to_nonoverlapping(to, left * ROW);
                }
                for start in (0..rows).step_by(MACRO_ROWS) {
                    let tile = tile(start);
                    self.tiles.bf16(MacroTile {
                        input: tile.input.add(whole * tile.input_step),
                        panels: [[last[0].0.as_ptr().cast(), last[1].0.as_ptr().cast()]; 2],
                        steps: 1,
                        add: whole > 0 || tile.add,
                        ..tile
                    });
                }
            }
        }
    }
}

impl Cpu {
    /// Rounds `[rows, k]` to bf16, to nearest even.
    pub(in super::super) fn round_for_tiles(&self, input: &[f32], k: usize, to: &mut Lines) -> PairRows {
        let (rows, steps) = (input.len() / k.max(1), k.div_ceil(COLUMNS));
        // A tile reads 16 rows, however few are left.
        to.grow((steps * rows + ROWS) * ROW);
        let out = Share(to.start_mut::<u16>());
        let round = |tile: usize| {
            let first = tile * ROWS;
            self.isa.run_pairs(Round {
                input: &input[first * k..],
                k,
                rows: ROWS.min(rows - first),
                // SAFETY: each row has its own places, which lie in the buffer.
                out: unsafe { out.get().add(first * COLUMNS) },
                step: rows * COLUMNS,
            });
        };
        let tasks = rows.div_ceil(ROWS);
        if rows * k * 2 < self.share_from {
            (0..tasks).for_each(round);
        } else {
            self.pool.run(tasks, round);
        }
        PairRows {
            start: to.start(),
            count: rows,
            first: 0,
        }
    }
}

/// Some rows to round.
struct Round<'a> {
    /// `[rows, k]`
    input: &'a [f32],
    k: usize,
    rows: usize,
    /// Where the first row's first columns go.
    out: *mut u16,
    /// Numbers from a tile to the next one along K.
    step: usize,
}

impl PairKernel for Round<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let whole = self.k / PANEL * PANEL;
        for (row, input) in self.input.chunks_exact(self.k).take(self.rows).enumerate() {
            // SAFETY: the maker's.
            let place = |column: usize| unsafe {
                self.out
                    .add(column / COLUMNS * self.step + row * COLUMNS + column % COLUMNS)
            };
            // SAFETY: 16 numbers at a time, and what is left with zeros up to a tile's end.
            unsafe {
                for column in (0..whole).step_by(PANEL) {
                    d.round(input.as_ptr().add(column), place(column));
                }
                if whole < self.k.next_multiple_of(COLUMNS) {
                    let mut rest = [0.0; COLUMNS];
                    rest[..self.k - whole].copy_from_slice(&input[whole..]);
                    for column in (whole..self.k.next_multiple_of(COLUMNS)).step_by(PANEL) {
                        d.round(rest.as_ptr().add(column - whole), place(column));
                    }
                }
            }
        }
    }
}
