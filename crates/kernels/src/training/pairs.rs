//! Products of bf16 pairs whose operands both change: pairs stand over the numbers that are summed.

use super::right::Panels;
use crate::matrix::PANEL;
use crate::pairs::{PairKernel, Pairs};

/// Rows of a tile; divides [`PANEL`].
const ROWS: usize = 8;
/// Panels of a tile: with the rows, sums for 24 of 32 registers.
const TILE: usize = 3;
/// Pairs that are summed in one go: a tile's panels of them stay in the first-level cache.
const BLOCK: usize = 128;

/// The left operand: row r, pair i lies at `r / 16 · panel + r % 16 · row + i · pair`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) data: &'a [[u16; 2]],
    pub(super) panel: usize,
    pub(super) row: usize,
    pub(super) pair: usize,
}

/// `out (+)= left · right`.
pub(super) struct Product<'a> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) left: Left<'a>,
    pub(super) right: Panels<'a>,
    /// `[rows, columns]`, rows `stride` apart.
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) add: bool,
}

impl PairKernel for Product<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let (rows, columns, pairs) = (self.rows, self.columns, self.right.pairs);
        if rows == 0 || columns == 0 {
            return;
        }
        let panels = columns.div_ceil(PANEL);
        let last_row = (rows - 1) / PANEL * self.left.panel + (rows - 1) % PANEL * self.left.row;
        assert!(
            self.stride >= columns
                && self.out.len() >= (rows - 1) * self.stride + columns
                && self.right.data.len() >= panels * pairs * PANEL
                && (pairs == 0 || self.left.data.len() > last_row + (pairs - 1) * self.left.pair),
            "an operand is too small"
        );
        if pairs == 0 {
            if !self.add {
                for row in self.out.chunks_mut(self.stride).take(rows) {
                    row[..columns].fill(0.0);
                }
            }
            return;
        }
        for first in (0..pairs).step_by(BLOCK) {
            let count = BLOCK.min(pairs - first);
            let add = self.add || first > 0;
            let mut panel = 0;
            while panel < panels {
                // A panel that is not whole has sums of its own.
                let whole = columns / PANEL;
                let take = if panel < whole { TILE.min(whole - panel) } else { 1 };
                let mut row = 0;
                while row < rows {
                    let take_rows = ROWS.min(rows - row);
                    let at = row / PANEL * self.left.panel + row % PANEL * self.left.row;
                    let tile = Tile {
                        pairs: count,
                        left: self.left.data[at + first * self.left.pair..].as_ptr(),
                        left_row: self.left.row,
                        left_pair: self.left.pair,
                        right: self.right.data[(panel * pairs + first) * PANEL..].as_ptr(),
                        right_panel: pairs * PANEL,
                        out: self.out[row * self.stride + panel * PANEL..].as_mut_ptr(),
                        out_row: self.stride,
                        add,
                    };
                    // SAFETY: all elements of these rows and panels are there, as checked above; rows of a tile
                    // lie in one panel of the left operand, since its height divides a panel's.
                    unsafe {
                        if panel >= whole {
                            tile.narrow(d, take_rows, columns - panel * PANEL);
                        } else {
                            tile.wide(d, take_rows, take);
                        }
                    }
                    row += ROWS;
                }
                panel += take;
            }
        }
    }
}

/// A tile's operands.
#[derive(Clone, Copy)]
struct Tile {
    pairs: usize,
    left: *const [u16; 2],
    left_row: usize,
    left_pair: usize,
    right: *const [u16; 2],
    right_panel: usize,
    out: *mut f32,
    out_row: usize,
    add: bool,
}

impl Tile {
    /// # Safety
    /// The operands hold `rows` rows, at most [`ROWS`], and `panels` whole panels, at most [`TILE`].
    #[inline(always)]
    unsafe fn wide<D: Pairs>(self, d: D, rows: usize, panels: usize) {
        // SAFETY: the caller's.
        unsafe {
            match panels {
                TILE => self.some_rows::<D, TILE>(d, rows),
                2 => self.some_rows::<D, 2>(d, rows),
                _ => self.some_rows::<D, 1>(d, rows),
            }
        }
    }

    /// Fewer than all rows by fours, twos and ones.
    ///
    /// # Safety
    /// As for [`wide`](Self::wide), with `P` panels.
    #[inline(always)]
    unsafe fn some_rows<D: Pairs, const P: usize>(mut self, d: D, rows: usize) {
        // SAFETY: the caller's; rows that are done are passed over.
        unsafe {
            if rows == ROWS {
                self.sum::<D, ROWS, P>(d);
                return;
            }
            if rows & 4 > 0 {
                self.sum::<D, 4, P>(d);
                self.pass_over(4);
            }
            if rows & 2 > 0 {
                self.sum::<D, 2, P>(d);
                self.pass_over(2);
            }
            if rows & 1 > 0 {
                self.sum::<D, 1, P>(d);
            }
        }
    }

    #[inline(always)]
    fn pass_over(&mut self, rows: usize) {
        self.left = self.left.wrapping_add(rows * self.left_row);
        self.out = self.out.wrapping_add(rows * self.out_row);
    }

    /// # Safety
    /// The operands hold `rows` rows, `out` the first `width` columns of a panel.
    #[inline(always)]
    unsafe fn narrow<D: Pairs>(self, d: D, rows: usize, width: usize) {
        let mut sums = [0.0; ROWS * PANEL];
        // SAFETY: the caller's; `sums` holds a whole panel of all rows.
        unsafe {
            for row in 0..rows {
                if self.add {
                    let from = self.out.add(row * self.out_row);
                    from.copy_to_nonoverlapping(sums[row * PANEL..].as_mut_ptr(), width);
                }
            }
            let mut own = self;
            own.out = sums.as_mut_ptr();
            own.out_row = PANEL;
            own.wide(d, rows, 1);
            for row in 0..rows {
                let to = self.out.add(row * self.out_row);
                to.copy_from_nonoverlapping(sums[row * PANEL..].as_ptr(), width);
            }
        }
    }

    /// # Safety
    /// The operands hold `R` rows and `P` whole panels.
    #[inline(always)]
    unsafe fn sum<D: Pairs, const R: usize, const P: usize>(self, d: D) {
        let mut sums = [[d.zero(); P]; R];
        // SAFETY: the caller's.
        unsafe {
            if self.add {
                for r in 0..R {
                    for p in 0..P {
                        sums[r][p] = d.load(self.out.add(r * self.out_row + p * PANEL));
                    }
                }
            }
            for i in 0..self.pairs {
                let mut right = [d.weights(self.right.add(i * PANEL)); P];
                for p in 1..P {
                    right[p] = d.weights(self.right.add(p * self.right_panel + i * PANEL));
                }
                for r in 0..R {
                    let x = self.left.add(r * self.left_row + i * self.left_pair);
                    for p in 0..P {
                        sums[r][p] = d.add(sums[r][p], right[p], x);
                    }
                }
            }
            for r in 0..R {
                for p in 0..P {
                    d.store(self.out.add(r * self.out_row + p * PANEL), sums[r][p]);
                }
            }
        }
    }
}
