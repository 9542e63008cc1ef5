//! Integer products of many rows.
//!
//! Two tiles of rows times two panels share what they read, in four tiles of sums. A few panels at a
//! time take all rows; of these, blocks of 256 columns, whose inputs stay in the second-level cache;
//! of these, two panels, whose block stays in the first-level cache while rows go by.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::super::integer::{Block, Integer};
use crate::Isa;
use crate::dot::{Dot, DotKernel};
use crate::later::LINE;
use crate::matrix::PANEL;
use crate::quant::{BLOCK, SPAN};
use crate::tiles::{MACRO_ROWS, MacroTile, ROW, ROWS, Strip, TileKernel, Tiles};

/// Rows at a time: what unpacking a block of q4 costs is then small beside what is done with it.
pub(in super::super) const ROW_BLOCK: usize = 512;
/// Rows from which on tiles are used. Measured at 16, where they are faster than AVX-512 VNNI; by counting cycles
/// for fewer: up to 16 rows cost tiles as much as one does. The results are the same bits.
pub(super) const FROM_ROWS: usize = 5;
/// Panels whose sums are kept together: 128 KiB. Of at most a macro-tile of rows, one panel: the time goes into reading
/// weights then, and memory is read fastest straight on.
const PANELS: usize = 4;

/// A macro-tile's sums of a block: of both panels, 32 rows.
#[repr(C, align(64))]
struct Sums([[[i32; PANEL]; 2 * ROWS]; 2]);

/// Panels' blocks in int8.
#[repr(C, align(64))]
struct Unpacked([[i8; BLOCK * PANEL]; PANELS]);

/// Blocks that are asked for while others are multiplied.
struct Next {
    starts: [*const u8; PANELS],
    count: usize,
    /// Lines of each.
    lines: usize,
}

impl Next {
    #[inline(always)]
    fn ask<D: Dot>(&self, d: D, line: usize) {
        for start in &self.starts[..self.count] {
            d.ask_later(start.wrapping_add(line * LINE));
        }
    }
}

/// Integer products on tiles.
pub(in super::super) struct TiledInteger<'a>(pub(in super::super) Integer<'a>);

impl TileKernel for TiledInteger<'_> {
    #[inline]
    fn run<T: Tiles>(self, isa: Isa, tiles: T) {
        isa.run_dot(WithDot {
            product: self.0,
            tiles,
        });
    }
}

/// Tiles, and the vectors that unpack weights and scale sums.
struct WithDot<'a, T> {
    product: Integer<'a>,
    tiles: T,
}

impl<T: Tiles> DotKernel for WithDot<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, d: D) {
        let (all_rows, panels) = (self.product.piece.rows, self.product.piece.panels.clone());
        // `[panels][rows][16]`, without zeroing what few rows do not use.
        let mut room = MaybeUninit::<Room>::uninit();
        let room = room.as_mut_ptr().cast::<f32>();
        let mut unpacked = Unpacked([[0; BLOCK * PANEL]; PANELS]);
        let mut found = Sums([[[0; PANEL]; 2 * ROWS]; 2]);
        for row in (0..all_rows).step_by(ROW_BLOCK) {
            let rows = ROW_BLOCK.min(all_rows - row);
            let size = rows * PANEL;
            let together = if rows <= MACRO_ROWS { 1 } else { PANELS };
            for first in panels.clone().step_by(together) {
                let last = panels.end.min(first + together);
                // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its
                // panels; `room` is written before it is read.
                unsafe {
                    let piece = &self.product.piece;
                    piece.read_all(first..last, row, rows, room, size);
                    for block in 0..self.product.input.blocks() {
                        self.ask_for(d, first..last, block, row, rows);
                        self.block(d, first..last, block, row, rows, room, &mut unpacked, &mut found);
                    }
                    piece.write_all(first..last, row, rows, room, size);
                }
            }
        }
    }
}

/// Sums of some panels.
#[repr(C, align(64))]
struct Room([f32; PANELS * ROW_BLOCK * PANEL]);

impl<T: Tiles> WithDot<'_, T> {
    /// Asks for what will be written: a block's share of the rows.
    #[inline(always)]
    fn ask_for<D: Dot>(&self, d: D, panels: Range<usize>, block: usize, row: usize, rows: usize) {
        let piece = &self.product.piece;
        let share = rows.div_ceil(self.product.input.blocks());
        for r in block * share..rows.min((block + 1) * share) {
            let start = piece.out.wrapping_add((row + r) * piece.n);
            for panel in panels.clone() {
                d.ask_later(start.wrapping_add(panel * PANEL));
            }
        }
    }

    /// What is read after a block of some panels: their next one, or the first one of the panels behind them.
    #[inline(always)]
    fn next(&self, panels: &Range<usize>, block: usize) -> Next {
        let product = &self.product;
        let (panel, block) = if block + 1 < product.input.blocks() {
            (panels.start, block + 1)
        } else {
            (panels.end, 0)
        };
        let count = panels.len().min(product.piece.panels.end.saturating_sub(panel));
        let mut next = Next {
            starts: [std::ptr::null(); PANELS],
            count,
            lines: 0,
        };
        for i in 0..count {
            let bytes = product.input.width(block) * PANEL;
            (next.starts[i], next.lines) = match product.block(panel + i, block) {
                Block::Q8 { values } => (values.cast(), bytes / LINE),
                Block::Q4 { nibbles, .. } => (nibbles, bytes / 2 / LINE),
                Block::Unpacked { bytes, .. } | Block::Split { bytes } => (bytes, 0),
            };
        }
        next
    }

    /// Adds rows `row..row + rows` times a block of up to [`PANELS`] panels to `sums`, `[panels][rows][16]`.
    ///
    /// # Safety
    /// The rows and panels must be the piece's, the block one of the matrix, and behind the last row
    /// of the inputs there must be 15 more.
    #[inline(always)]
    unsafe fn block<D: Dot>(
        &self,
        d: D,
        panels: Range<usize>,
        block: usize,
        row: usize,
        rows: usize,
        sums: *mut f32,
        unpacked: &mut Unpacked,
        found: &mut Sums,
    ) {
        let product = &self.product;
        let width = product.input.width(block);
        let count = panels.len();
        let mut weights = [std::ptr::null::<u8>(); PANELS];
        let mut scales = [d.totals(); PANELS];
        for i in 0..count {
            let panel = panels.start + i;
            weights[i] = match product.block(panel, block) {
                Block::Q8 { values } => values.cast(),
                Block::Q4 { nibbles, factors } => {
                    let to = unpacked.0[i].as_mut_ptr();
                    // SAFETY: the caller's; there is room for a block.
                    unsafe { d.q4_int8(nibbles, factors, width / 4, to) };
                    to.cast_const().cast()
                }
                Block::Unpacked { bytes, .. } | Block::Split { bytes } => bytes,
            };
            // SAFETY: the caller's.
            scales[i] = unsafe { d.scales(product.scales(panel, block)) };
        }
        if rows <= MACRO_ROWS {
            let from_memory = matches!(product.block(panels.start, block), Block::Q8 { .. });
            for start in (0..rows).step_by(ROWS) {
                // SAFETY: the caller's; a span is a tile.
                unsafe {
                    let input = product.input.block::<1>(block, product.first + row + start);
                    let found = found.0[0].as_mut_ptr();
                    self.tiles.int8_strip(Strip {
                        input: input.values[0].cast(),
                        input_stride: BLOCK,
                        input_step: SPAN,
                        panel: weights[0],
                        ask: from_memory && start == 0,
                        steps: product.spans(block),
                        sums: found.cast(),
                        add: false,
                    });
                    let (here, to) = ((rows - start).min(ROWS), sums.add(start * PANEL));
                    scale(d, here, found.cast(), input.scales[0], scales[0], to);
                }
            }
            return;
        }
        let next = self.next(&panels, block);
        let share = next.lines.div_ceil(rows.div_ceil(MACRO_ROWS));
        for (group, start) in (0..rows).step_by(MACRO_ROWS).enumerate() {
            let here = (rows - start).min(MACRO_ROWS);
            for line in group * share..(group + 1) * share {
                next.ask(d, line);
            }
            for pair in (0..count).step_by(2) {
                // A panel without a neighbour is multiplied twice.
                let second = (pair + 1).min(count - 1);
                // SAFETY: the caller's; a span is a tile.
                unsafe {
                    let input = product.input.block::<1>(block, product.first + row + start);
                    let [left, right] = &mut found.0;
                    self.tiles.int8(MacroTile {
                        input: input.values[0].cast(),
                        input_stride: BLOCK,
                        input_step: SPAN,
                        panels: [[weights[pair], weights[second]]; 2],
                        runs: 1,
                        steps: product.spans(block),
                        sums: [left.as_mut_ptr().cast(), right.as_mut_ptr().cast()],
                        sums_stride: ROW,
                        two: here > ROWS,
                        add: false,
                    });
                    for i in pair..=second {
                        let found = found.0[i - pair].as_ptr().cast();
                        let to = sums.add((i * rows + start) * PANEL);
                        scale(d, here, found, input.scales[0], scales[i], to);
                    }
                }
            }
        }
    }
}

/// Adds a panel's sums of a block to `rows` rows of `to`.
///
/// # Safety
/// `found` has 16 sums of each row, `inputs` a scale for each, `to` 16 numbers.
#[inline(always)]
unsafe fn scale<D: Dot>(
    d: D,
    rows: usize,
    found: *const i32,
    inputs: *const f32,
    scales: D::Totals,
    to: *mut f32,
) {
    for r in 0..rows {
        // SAFETY: the caller's.
        unsafe {
            let total = d.scaled(d.totals(), d.load(found.add(r * PANEL)), *inputs.add(r));
            d.add_to(total, scales, to.add(r * PANEL));
        }
    }
}
