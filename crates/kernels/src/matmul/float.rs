//! Products with bf16 and f32 weights.
//!
//! Each output element is one chain of multiply-adds over k from 0 up. It does not matter how many
//! rows or panels share the loop, nor that a long k is taken in blocks (the partial sums rest in the
//! output as f32, unchanged): the same numbers are added in the same order, so the bits are the same.

use super::Piece;
use crate::matrix::PANEL;
use crate::memory::Plain;
use crate::simd::{Kernel, Simd};

/// Rows whose inputs stay in the second-level cache while panels pass by.
pub(super) const ROW_BLOCK: usize = 20 * ROWS;
/// Bytes of a panel that stay in the first-level cache while rows pass by.
const PANEL_BLOCK: usize = 16 << 10;
/// Rows of a tile.
const ROWS: usize = 6;

/// Element type of the weights.
pub(super) trait Weight: Plain {
    /// Columns that lie together for each output.
    const STEP: usize;

    /// Column `PART` of a step: `LANES` outputs, which begin at `from`.
    ///
    /// # Safety
    /// `from` must be valid for reading `STEP · LANES` elements.
    unsafe fn load<S: Simd, const PART: usize>(s: S, from: *const Self) -> S::V;
}

impl Weight for f32 {
    const STEP: usize = 1;

    #[inline(always)]
    unsafe fn load<S: Simd, const PART: usize>(s: S, from: *const Self) -> S::V {
        // SAFETY: the caller's.
        unsafe { s.load(from) }
    }
}

/// bf16 bits.
impl Weight for u16 {
    const STEP: usize = 2;

    #[inline(always)]
    unsafe fn load<S: Simd, const PART: usize>(s: S, from: *const Self) -> S::V {
        // SAFETY: the caller's. The half that is not used costs nothing.
        unsafe { s.load_interleaved(from)[PART] }
    }
}

pub(super) struct Float<'a, B> {
    pub(super) piece: Piece,
    /// `[rows, k]`
    pub(super) input: *const f32,
    /// `[panels][k / STEP][16][STEP]`
    pub(super) weights: &'a [B],
}

/// A tile's operands.
#[derive(Clone, Copy)]
struct Tile<B> {
    /// Columns to go through, a multiple of STEP unless they are the last.
    columns: usize,
    /// First row, first column.
    input: *const f32,
    input_stride: usize,
    /// First panel, first column.
    weights: *const B,
    panel_stride: usize,
    out: *mut f32,
    out_stride: usize,
}

/// Column `k + PART` of all rows and panels.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn column<S: Simd, B: Weight, const R: usize, const P: usize, const PART: usize>(
    s: S,
    tile: Tile<B>,
    k: usize,
    sums: &mut [[[S::V; 2]; P]; R],
) {
    let vectors = PANEL / S::LANES;
    let mut w = [[s.splat(0.0); 2]; P];
    // SAFETY: the caller's.
    unsafe {
        for p in 0..P {
            for v in 0..vectors {
                let from = p * tile.panel_stride + k * PANEL + v * S::LANES * B::STEP;
                w[p][v] = B::load::<S, PART>(s, tile.weights.add(from));
            }
        }
        for r in 0..R {
            let x = s.splat(*tile.input.add(r * tile.input_stride + k + PART));
            for p in 0..P {
                for v in 0..vectors {
                    sums[r][p][v] = s.mul_add(x, w[p][v], sums[r][p][v]);
                }
            }
        }
    }
}

/// `R` rows times `P` panels, added to `out`.
///
/// # Safety
/// All operands must be valid for those rows, columns and panels; `out` is written by no one else.
#[inline(always)]
unsafe fn tile<S: Simd, B: Weight, const R: usize, const P: usize>(s: S, tile: Tile<B>) {
    // A panel is one or two vectors.
    let vectors = PANEL / S::LANES;
    let mut sums = [[[s.splat(0.0); 2]; P]; R];
    // SAFETY: the caller's.
    unsafe {
        for r in 0..R {
            for p in 0..P {
                for v in 0..vectors {
                    sums[r][p][v] = s.load(tile.out.add(r * tile.out_stride + p * PANEL + v * S::LANES));
                }
            }
        }
        let whole = tile.columns / B::STEP * B::STEP;
        let mut k = 0;
        while k < whole {
            column::<S, B, R, P, 0>(s, tile, k, &mut sums);
            if B::STEP == 2 {
                column::<S, B, R, P, 1>(s, tile, k, &mut sums);
            }
            k += B::STEP;
        }
        if whole < tile.columns {
            column::<S, B, R, P, 0>(s, tile, whole, &mut sums);
        }
        for r in 0..R {
            for p in 0..P {
                for v in 0..vectors {
                    let to = tile.out.add(r * tile.out_stride + p * PANEL + v * S::LANES);
                    s.store(to, sums[r][p][v]);
                }
            }
        }
    }
}

impl<B: Weight> Float<'_, B> {
    /// Any number of rows times `P` panels.
    ///
    /// # Safety
    /// As for [`tile`].
    #[inline(always)]
    unsafe fn rows<S: Simd, const P: usize>(s: S, rows: usize, from: Tile<B>) {
        let mut row = 0;
        while row < rows {
            // SAFETY: the caller's, for rows `row..rows`.
            unsafe {
                let from = Tile {
                    input: from.input.add(row * from.input_stride),
                    out: from.out.add(row * from.out_stride),
                    ..from
                };
                match rows - row {
                    1 => tile::<S, B, 1, P>(s, from),
                    2 => tile::<S, B, 2, P>(s, from),
                    3 => tile::<S, B, 3, P>(s, from),
                    4 => tile::<S, B, 4, P>(s, from),
                    5 => tile::<S, B, 5, P>(s, from),
                    _ => tile::<S, B, ROWS, P>(s, from),
                }
            }
            row += ROWS;
        }
    }

    /// One to three rows times some panels: several at once, because one panel's sums are too few to
    /// hide the latency of the additions, and because several streams read memory faster than one.
    ///
    /// # Safety
    /// As for [`tile`].
    #[inline(always)]
    unsafe fn few_rows<S: Simd>(s: S, rows: usize, panels: usize, from: Tile<B>) {
        let mut panel = 0;
        while panel < panels {
            // SAFETY: the caller's, for panels `panel..panels`.
            unsafe {
                let from = Tile {
                    weights: from.weights.add(panel * from.panel_stride),
                    out: from.out.add(panel * PANEL),
                    ..from
                };
                panel += match (rows, panels - panel) {
                    (1, 4..) => {
                        tile::<S, B, 1, 4>(s, from);
                        4
                    }
                    (2, 2..) => {
                        tile::<S, B, 2, 2>(s, from);
                        2
                    }
                    (3, 2..) => {
                        tile::<S, B, 3, 2>(s, from);
                        2
                    }
                    _ => {
                        Self::rows::<S, 1>(s, rows, from);
                        1
                    }
                };
            }
        }
    }
}

impl<B: Weight> Kernel for Float<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Piece {
            rows,
            n,
            k,
            panels,
            out,
            accumulate,
        } = self.piece;
        let panel_stride = k.next_multiple_of(B::STEP) * PANEL;
        let full = panels.end.min(n / PANEL);
        // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels.
        unsafe {
            if !accumulate {
                let width = n.min(panels.end * PANEL) - panels.start * PANEL;
                for row in 0..rows {
                    out.add(row * n + panels.start * PANEL).write_bytes(0, width);
                }
            }
            let at = |row: usize, panel: usize, column: usize| Tile {
                columns: k - column,
                input: self.input.add(row * k + column),
                input_stride: k,
                weights: self.weights.as_ptr().add(panel * panel_stride + column * PANEL),
                panel_stride,
                out: out.add(row * n + panel * PANEL),
                out_stride: n,
            };
            if panels.start < full && rows < 4 {
                Self::few_rows(s, rows, full - panels.start, at(0, panels.start, 0));
            } else if panels.start < full {
                let mut row = 0;
                while row < rows {
                    let block = ROW_BLOCK.min(rows - row);
                    let mut from = 0;
                    while from < k {
                        let columns = (PANEL_BLOCK / (PANEL * size_of::<B>())).min(k - from);
                        for panel in panels.start..full {
                            let tile = at(row, panel, from);
                            Self::rows::<S, 1>(s, block, Tile { columns, ..tile });
                        }
                        from += columns;
                    }
                    row += block;
                }
            }
            if full < panels.end {
                // The last panel has fewer columns: it is summed beside the output.
                let columns = n - full * PANEL;
                for row in 0..rows {
                    let mut sums = [0.0; PANEL];
                    let place = out.add(row * n + full * PANEL);
                    place.copy_to_nonoverlapping(sums.as_mut_ptr(), columns);
                    let out = sums.as_mut_ptr();
                    tile::<S, B, 1, 1>(
                        s,
                        Tile {
                            out,
                            ..at(row, full, 0)
                        },
                    );
                    sums.as_ptr().copy_to_nonoverlapping(place, columns);
                }
            }
        }
    }
}
