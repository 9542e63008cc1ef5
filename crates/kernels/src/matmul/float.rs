//! Products with bf16 and f32 weights.
//!
//! Each output element is one chain of multiply-adds over k from 0 up. It does not matter how many
//! rows or panels share the loop, nor that a long k is taken in blocks (the partial sums rest in the
//! output as f32, unchanged), nor that weights are made f32 for many rows at once: the same numbers are added in the
//! same order, so the bits are the same.

use std::mem::MaybeUninit;

use super::Piece;
use crate::matrix::PANEL;
use crate::memory::Plain;
use crate::simd::{Kernel, Simd};

/// Rows whose inputs stay in the second-level cache while panels pass by.
pub(super) const ROW_BLOCK: usize = 20 * ROWS;
/// Rows of a tile: with two vectors of a panel, their sums leave room for the operands in 16 registers.
const ROWS: usize = 6;
/// Panels of a tile where a panel is one vector: there are 32 registers then, and an input is read once for all.
const PANELS: usize = 4;
/// Columns that stay in the first-level cache while rows pass by: of [`PANELS`] panels, and of one.
const COLUMNS: [usize; 2] = [128, 384];
/// f32 weights of so many columns.
const ROOM: usize = PANEL
    * if COLUMNS[0] * PANELS > COLUMNS[1] {
        COLUMNS[0] * PANELS
    } else {
        COLUMNS[1]
    };
/// Rows from which on it pays to make f32 of a block of weights first.
const WIDEN_FROM: usize = 24;

/// Element type of the weights.
pub(super) trait Weight: Plain {
    /// Columns that lie together for each output.
    const STEP: usize;

    /// `columns` columns of a panel as f32, `[columns][16]`, for each whole step; with `turned` a step's last column
    /// first. Only of those whose steps have two.
    ///
    /// # Safety
    /// There are so many columns, or one more, and there is room for them.
    unsafe fn widen<S: Simd>(s: S, from: *const Self, columns: usize, turned: bool, to: *mut f32);

    /// Column `PART` of a step: `LANES` outputs, which begin at `from`.
    ///
    /// # Safety
    /// `from` must be valid for reading `STEP · LANES` elements.
    unsafe fn load<S: Simd, const PART: usize>(s: S, from: *const Self) -> S::V;
}

impl Weight for f32 {
    const STEP: usize = 1;

    #[inline(always)]
    unsafe fn widen<S: Simd>(_: S, _: *const Self, _: usize, _: bool, _: *mut f32) {}

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
    unsafe fn widen<S: Simd>(s: S, from: *const Self, columns: usize, turned: bool, to: *mut f32) {
        let (first, second) = if turned { (PANEL, 0) } else { (0, PANEL) };
        for pair in 0..columns.div_ceil(2) {
            for at in (0..PANEL).step_by(S::LANES) {
                // SAFETY: the caller's.
                unsafe {
                    let [even, odd] = s.load_interleaved(from.add(2 * (pair * PANEL + at)));
                    let to = to.add(2 * pair * PANEL + at);
                    s.store(to.add(first), even);
                    s.store(to.add(second), odd);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn load<S: Simd, const PART: usize>(s: S, from: *const Self) -> S::V {
        // SAFETY: the caller's. The half that is not used costs nothing.
        unsafe { s.load_interleaved(from)[PART] }
    }
}

pub(super) struct Float<'a, B> {
    pub(super) piece: Piece,
    /// `[rows, k]`; where `turned`, of whole steps.
    pub(super) input: *const f32,
    /// `[panels][k / STEP][16][STEP]`
    pub(super) weights: &'a [B],
    /// Whether a step's last column is added before its first, as products of pairs do, and inputs lie so.
    pub(super) turned: bool,
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
        } = self.piece.clone();
        let panel_stride = k.next_multiple_of(B::STEP) * PANEL;
        let width = if self.turned {
            k.next_multiple_of(B::STEP)
        } else {
            k
        };
        let full = panels.end.min(n / PANEL);
        let (together, most) = if S::LANES == PANEL {
            (PANELS, COLUMNS[0])
        } else {
            (1, COLUMNS[1])
        };
        let mut room = MaybeUninit::<Room>::uninit();
        let room = room.as_mut_ptr().cast::<f32>();
        // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels.
        unsafe {
            if !accumulate {
                let width = n.min(panels.end * PANEL) - panels.start * PANEL;
                for row in 0..rows {
                    out.add(row * n + panels.start * PANEL).write_bytes(0, width);
                }
            }
            let at = |row: usize, panel: usize, column: usize| Tile {
                columns: width - column,
                input: self.input.add(row * width + column),
                input_stride: width,
                weights: self.weights.as_ptr().add(panel * panel_stride + column * PANEL),
                panel_stride,
                out: out.add(row * n + panel * PANEL),
                out_stride: n,
            };
            if panels.start < full && rows < 4 && !self.turned {
                Self::few_rows(s, rows, full - panels.start, at(0, panels.start, 0));
            } else if panels.start < full {
                let mut row = 0;
                while row < rows {
                    let block = ROW_BLOCK.min(rows - row);
                    let is_widened = B::STEP == 2 && (self.turned || block >= WIDEN_FROM);
                    let mut from = 0;
                    while from < width {
                        let columns = most.min(width - from);
                        let mut panel = panels.start;
                        while panel < full {
                            let count = if full - panel >= together { together } else { 1 };
                            let tile = Tile {
                                columns,
                                ..at(row, panel, from)
                            };
                            if is_widened {
                                Self::widened(s, tile, count, self.turned, room, block);
                            } else if count == PANELS {
                                Self::rows::<S, PANELS>(s, block, tile);
                            } else {
                                Self::rows::<S, 1>(s, block, tile);
                            }
                            panel += count;
                        }
                        from += columns;
                    }
                    row += block;
                }
            }
            if full < panels.end {
                self.last_panel(s, at, full, [width, most], room);
            }
        }
    }
}

/// f32 weights.
#[repr(C, align(64))]
struct Room([f32; ROOM]);

impl<B: Weight> Float<'_, B> {
    /// Rows times `count` panels, 1 or [`PANELS`], whose weights become f32 in `room` first.
    ///
    /// # Safety
    /// As for [`tile`]; the room holds the tile's weights.
    #[inline(always)]
    unsafe fn widened<S: Simd>(s: S, from: Tile<B>, count: usize, turned: bool, room: *mut f32, rows: usize) {
        let stride = from.columns.next_multiple_of(B::STEP) * PANEL;
        // SAFETY: the caller's.
        unsafe {
            for panel in 0..count {
                let weights = from.weights.add(panel * from.panel_stride);
                B::widen(s, weights, from.columns, turned, room.add(panel * stride));
            }
            let tile = Tile {
                columns: from.columns,
                input: from.input,
                input_stride: from.input_stride,
                weights: room.cast_const(),
                panel_stride: stride,
                out: from.out,
                out_stride: from.out_stride,
            };
            if count == PANELS {
                Float::<f32>::rows::<S, PANELS>(s, rows, tile);
            } else {
                Float::<f32>::rows::<S, 1>(s, rows, tile);
            }
        }
    }

    /// The last panel, which has fewer columns: it is summed beside the output, some rows at once, because one row's
    /// sums are one chain of additions.
    ///
    /// # Safety
    /// As for [`tile`].
    #[inline(always)]
    unsafe fn last_panel<S: Simd>(
        &self,
        s: S,
        at: impl Fn(usize, usize, usize) -> Tile<B>,
        panel: usize,
        [width, most]: [usize; 2],
        room: *mut f32,
    ) {
        let (rows, n, out) = (self.piece.rows, self.piece.n, self.piece.out);
        let outputs = n - panel * PANEL;
        for row in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - row);
            let mut sums = [[0.0; PANEL]; ROWS];
            // SAFETY: the caller's.
            unsafe {
                let place = |r: usize| out.add((row + r) * n + panel * PANEL);
                for (r, sums) in sums[..count].iter_mut().enumerate() {
                    place(r).copy_to_nonoverlapping(sums.as_mut_ptr(), outputs);
                }
                for from in (0..width).step_by(most) {
                    let from = Tile {
                        columns: most.min(width - from),
                        out: sums.as_mut_ptr().cast(),
                        out_stride: PANEL,
                        ..at(row, panel, from)
                    };
                    if self.turned {
                        Self::widened(s, from, 1, true, room, count);
                    } else {
                        Self::rows::<S, 1>(s, count, from);
                    }
                }
                for (r, sums) in sums[..count].iter().enumerate() {
                    sums.as_ptr().copy_to_nonoverlapping(place(r), outputs);
                }
            }
        }
    }
}
