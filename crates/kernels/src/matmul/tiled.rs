//! Products of many rows on matrix tiles.
//!
//! Two tiles of rows times two panels share what they read, in four tiles of sums. A few panels at a
//! time take all rows; of these, blocks of 256 columns, whose inputs stay in the second-level cache;
//! of these, two panels, whose block stays in the first-level cache while rows go by.

use std::mem::MaybeUninit;

use super::integer::{Block, Integer};
use crate::Isa;
use crate::dot::{Dot, DotKernel};
use crate::matrix::PANEL;
use crate::quant::{BLOCK, SPANS};
use crate::tiles::{MacroTile, ROW, ROWS, TILE, TileKernel, Tiles};

/// Rows at a time: what unpacking a block of q4 costs is then small beside what is done with it.
pub(super) const ROW_BLOCK: usize = 512;
/// Rows from which on tiles are used. By counting cycles, not measured: a block of a panel costs some
/// 64 cycles on tiles for up to 16 rows, and some 32 for each row with AVX-512 VNNI; unpacking q4
/// costs tiles another 100 or so. The results are the same bits.
pub(super) const FROM_ROWS: usize = 5;
/// Panels whose sums are kept together: 128 KiB.
const PANELS: usize = 4;

/// A macro-tile's sums: 32 rows of two panels.
#[repr(C, align(64))]
struct Sums([[i32; 2 * PANEL]; 2 * ROWS]);

/// Two panels' blocks in int8.
#[repr(C, align(64))]
struct Unpacked([[i8; BLOCK * PANEL]; 2]);

/// Integer products on tiles.
pub(super) struct TiledInteger<'a>(pub(super) Integer<'a>);

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
        let mut room = MaybeUninit::<[f32; PANELS * ROW_BLOCK * PANEL]>::uninit();
        let room = room.as_mut_ptr().cast::<f32>();
        let mut unpacked = Unpacked([[0; BLOCK * PANEL]; 2]);
        for row in (0..all_rows).step_by(ROW_BLOCK) {
            let rows = ROW_BLOCK.min(all_rows - row);
            for first in panels.clone().step_by(PANELS) {
                let last = panels.end.min(first + PANELS);
                let size = rows * PANEL;
                // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its
                // panels; `room` is written before it is read.
                unsafe {
                    room.write_bytes(0, (last - first) * size);
                    let sums = std::slice::from_raw_parts_mut(room, (last - first) * size);
                    for (panel, sums) in (first..last).zip(sums.chunks_mut(size)) {
                        self.product.piece.read(panel, row, sums);
                    }
                    for block in 0..self.product.input.blocks() {
                        for panel in (first..last).step_by(2) {
                            let count = (last - panel).min(2);
                            let sums = &mut sums[(panel - first) * size..][..count * size];
                            self.two_panels(d, panel, count, block, row, sums, &mut unpacked);
                        }
                    }
                    for (panel, sums) in (first..last).zip(sums.chunks(size)) {
                        self.product.piece.write(panel, row, sums);
                    }
                }
            }
        }
    }
}

impl<T: Tiles> WithDot<'_, T> {
    /// Adds rows from `row` on times a block of one or two panels to `sums`, `[count][rows][16]`.
    ///
    /// # Safety
    /// The rows and panels must be the piece's, the block one of the matrix, and behind the last row
    /// of the inputs there must be 15 more.
    #[inline(always)]
    unsafe fn two_panels<D: Dot>(
        &self,
        d: D,
        panel: usize,
        count: usize,
        block: usize,
        row: usize,
        sums: &mut [f32],
        unpacked: &mut Unpacked,
    ) {
        let product = &self.product;
        let width = product.input.width(block);
        let rows = sums.len() / count / PANEL;
        let mut weights = [std::ptr::null::<u8>(); 2];
        for i in 0..count {
            weights[i] = match product.block(panel + i, block) {
                Block::Q8 { values } => values.cast(),
                Block::Q4 { nibbles, factors } => {
                    let to = unpacked.0[i].as_mut_ptr();
                    // SAFETY: the caller's; there is room for a block.
                    unsafe { d.q4_int8(nibbles, factors, width / 4, to) };
                    to.cast_const().cast()
                }
                Block::Unpacked { bytes, .. } => bytes,
            };
        }
        if count == 1 {
            // A panel without a neighbour is multiplied twice.
            weights[1] = weights[0];
        }
        let mut found = Sums([[0; 2 * PANEL]; 2 * ROWS]);
        for start in (0..rows).step_by(2 * ROWS) {
            let here = (rows - start).min(2 * ROWS);
            let mut totals = [[d.totals(); 2 * ROWS]; 2];
            for span in 0..product.spans(block) {
                // SAFETY: the caller's; a span is a tile.
                unsafe {
                    let input = product.input.span::<1>(block, span, product.first + row + start);
                    self.tiles.int8(MacroTile {
                        input: input.values[0].cast(),
                        input_stride: BLOCK,
                        panels: weights.map(|weights| weights.add(span * TILE)),
                        steps: 1,
                        sums: found.0.as_mut_ptr().cast(),
                        sums_stride: 2 * ROW,
                        two: here > ROWS,
                    });
                    for i in 0..count {
                        for r in 0..here {
                            let found = d.load(found.0[r][i * PANEL..].as_ptr());
                            let scale = *input.scales[0].add(r * SPANS);
                            totals[i][r] = d.scaled(totals[i][r], found, scale);
                        }
                    }
                }
            }
            for i in 0..count {
                let scales = product.scales(panel + i, block);
                for r in 0..here {
                    let sums = sums[(i * rows + start + r) * PANEL..][..PANEL].as_mut_ptr();
                    // SAFETY: 16 scales, and 16 sums.
                    unsafe { d.add_to(totals[i][r], scales, sums) };
                }
            }
        }
    }
}
