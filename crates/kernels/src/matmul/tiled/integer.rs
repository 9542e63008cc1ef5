//! Integer products of many rows.
//!
//! Two tiles of rows times two panels share what they read, in four tiles of sums. A few panels at a
//! time take all rows; of these, blocks of 256 columns, whose inputs stay in the second-level cache;
//! of these, two panels, whose block stays in the first-level cache while rows go by.

use std::mem::MaybeUninit;

use super::super::integer::{Block, Integer};
use crate::Isa;
use crate::dot::{Dot, DotKernel};
use crate::matrix::PANEL;
use crate::quant::{BLOCK, SPAN, SPANS};
use crate::tiles::{MacroTile, ROW, ROWS, TILE, TileKernel, Tiles};

/// Rows at a time: what unpacking a block of q4 costs is then small beside what is done with it.
pub(in super::super) const ROW_BLOCK: usize = 512;
/// Rows from which on tiles are used. By counting cycles, not measured: a block of a panel costs some
/// 64 cycles on tiles for up to 16 rows, and some 32 for each row with AVX-512 VNNI; unpacking q4
/// costs tiles another 100 or so. The results are the same bits.
pub(in super::super) const FROM_ROWS: usize = 5;
/// Panels whose sums are kept together: 128 KiB.
const PANELS: usize = 4;

/// A macro-tile's sums of each span of a block: of both panels, 32 rows. All of a block's products come before any
/// sum is read: what a tile has stored cannot be read at once.
#[repr(C, align(64))]
struct Sums([[[[i32; PANEL]; 2 * ROWS]; 2]; SPANS]);

/// Two panels' blocks in int8.
#[repr(C, align(64))]
struct Unpacked([[i8; BLOCK * PANEL]; 2]);

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
        let spans = product.spans(block);
        let mut scales = [d.totals(); 2];
        for i in 0..count {
            // SAFETY: the caller's.
            scales[i] = unsafe { d.scales(product.scales(panel + i, block)) };
        }
        let mut found = Sums([[[[0; PANEL]; 2 * ROWS]; 2]; SPANS]);
        for start in (0..rows).step_by(2 * ROWS) {
            let here = (rows - start).min(2 * ROWS);
            // SAFETY: the caller's; a span is a tile.
            unsafe {
                let input = product.input.span::<1>(block, 0, product.first + row + start);
                for span in 0..spans {
                    self.tiles.int8(MacroTile {
                        input: input.values[0].add(span * SPAN).cast(),
                        input_stride: BLOCK,
                        input_step: SPAN,
                        panels: weights.map(|weights| weights.add(span * TILE)),
                        steps: 1,
                        sums: found.0[span].each_mut().map(|sums| sums.as_mut_ptr().cast()),
                        sums_stride: ROW,
                        two: here > ROWS,
                        add: false,
                    });
                }
                for i in 0..count {
                    let found = found.0.as_ptr().cast::<i32>().add(i * 2 * ROWS * PANEL);
                    let to = sums[(i * rows + start) * PANEL..].as_mut_ptr();
                    match spans {
                        SPANS => scale::<D, SPANS>(d, here, spans, found, input.scales[0], scales[i], to),
                        _ => scale::<D, 0>(d, here, spans, found, input.scales[0], scales[i], to),
                    }
                }
            }
        }
    }
}

/// Adds a panel's sums of `spans` spans to `rows` rows of `to`; `N` is their number where it is known, else 0.
///
/// # Safety
/// `found` has `[spans][2][32][16]` sums, `inputs` four scales for each row, `to` 16 numbers for each.
#[inline(always)]
unsafe fn scale<D: Dot, const N: usize>(
    d: D,
    rows: usize,
    spans: usize,
    found: *const i32,
    inputs: *const f32,
    scales: D::Totals,
    to: *mut f32,
) {
    let spans = if N > 0 { N } else { spans };
    for r in 0..rows {
        // SAFETY: the caller's.
        unsafe {
            let mut totals = d.totals();
            for span in 0..spans {
                let found = d.load(found.add((span * 4 * ROWS + r) * PANEL));
                totals = d.scaled(totals, found, *inputs.add(r * SPANS + span));
            }
            d.add_to(totals, scales, to.add(r * PANEL));
        }
    }
}
