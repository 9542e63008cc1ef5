//! Products of bf16 pairs whose operands both change: pairs stand over the numbers that are summed.

use crate::Isa;
use crate::matrix::PANEL;
use crate::pairs::{PairKernel, Pairs, bf16_bits};

/// Rows of a tile; divides [`PANEL`].
const ROWS: usize = 8;
/// Panels of a tile: with the rows, sums for 24 of 32 registers.
const TILE: usize = 3;
/// Pairs that are summed in one go: a tile's panels of them stay in the first-level cache.
const BLOCK: usize = 128;

/// A matrix in pairs: `[panels][pairs][16]`, or rows of pairs.
#[derive(Default)]
pub(super) struct PairPanels {
    data: Vec<[u16; 2]>,
    /// Pairs that are summed over.
    pairs: usize,
}

/// The left operand: row r, pair i lies at `r / 16 · panel + r % 16 · row + i · pair`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    data: &'a [[u16; 2]],
    panel: usize,
    row: usize,
    pair: usize,
}

impl PairPanels {
    /// `weight`: `[outputs, inputs]` to panels of outputs, pairs of inputs.
    pub(super) fn transpose(&mut self, weight: &[f32], outputs: usize, inputs: usize) {
        let pairs = inputs / 2;
        self.make(outputs, pairs);
        for (output, row) in weight.chunks_exact(inputs).enumerate() {
            let start = output / PANEL * pairs * PANEL + output % PANEL;
            let (row, _) = row.as_chunks::<2>();
            for (i, pair) in row.iter().enumerate() {
                self.data[start + i * PANEL] = pair.map(bf16_bits);
            }
        }
    }

    /// `matrix`: `[rows, columns]` to panels of columns, pairs of rows; a last odd row is paired with zeros.
    pub(super) fn interleave(&mut self, isa: Isa, matrix: &[f32], rows: usize, columns: usize) {
        self.make(columns, rows.div_ceil(2));
        isa.run_pairs(Interleave {
            matrix: &matrix[..rows * columns],
            columns,
            pairs: self.pairs,
            out: &mut self.data,
        });
    }

    /// `matrix`: `[rows, 2 · pairs]`, rounded and in rows as it is.
    pub(super) fn rows(&mut self, isa: Isa, matrix: &[f32], rows: usize, columns: usize) {
        self.pairs = columns / 2;
        let length = rows * self.pairs;
        self.data.resize(length.max(self.data.len()), [0; 2]);
        isa.run_pairs(Round {
            matrix: &matrix[..rows * columns],
            out: &mut self.data[..length],
        });
    }

    /// Room for that many columns; what is missing of the last panel is zero.
    fn make(&mut self, columns: usize, pairs: usize) {
        self.pairs = pairs;
        let panels = columns.div_ceil(PANEL);
        let length = panels * pairs * PANEL;
        self.data.resize(length.max(self.data.len()), [0; 2]);
        if !columns.is_multiple_of(PANEL) {
            self.data[(panels - 1) * pairs * PANEL..length].fill([0; 2]);
        }
    }

    /// Panels as a left operand: each column is a row.
    pub(super) fn as_left(&self) -> Left<'_> {
        Left {
            data: &self.data,
            panel: self.pairs * PANEL,
            row: 1,
            pair: PANEL,
        }
    }

    /// Rows as a left operand.
    pub(super) fn as_rows(&self, columns: usize) -> Left<'_> {
        let pairs = columns / 2;
        Left {
            data: &self.data,
            panel: pairs * PANEL,
            row: pairs,
            pair: 1,
        }
    }
}

struct Round<'a> {
    matrix: &'a [f32],
    out: &'a mut [[u16; 2]],
}

impl PairKernel for Round<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let (whole, rest) = self.matrix.as_chunks::<PANEL>();
        let out = self.out.as_flattened_mut();
        let (out, out_rest) = out.as_chunks_mut::<PANEL>();
        for (from, to) in whole.iter().zip(out) {
            // SAFETY: both have 16 elements.
            unsafe { d.round(from.as_ptr(), to.as_mut_ptr()) };
        }
        for (from, to) in rest.iter().zip(out_rest) {
            *to = bf16_bits(*from);
        }
    }
}

struct Interleave<'a> {
    /// `[rows, columns]`
    matrix: &'a [f32],
    columns: usize,
    pairs: usize,
    out: &'a mut [[u16; 2]],
}

impl PairKernel for Interleave<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let whole = self.columns / PANEL;
        let zeros = [0.0; PANEL];
        for (pair, rows) in self.matrix.chunks(2 * self.columns).enumerate() {
            let (even, odd) = rows.split_at(self.columns);
            for panel in 0..whole {
                let even = &even[panel * PANEL..][..PANEL];
                let odd = odd.get(panel * PANEL..).and_then(|odd| odd.get(..PANEL));
                let odd = odd.unwrap_or(&zeros);
                let to = &mut self.out[(panel * self.pairs + pair) * PANEL..][..PANEL];
                // SAFETY: all three have 16 elements.
                unsafe { d.interleave(even.as_ptr(), odd.as_ptr(), to.as_mut_ptr()) };
            }
            for column in whole * PANEL..self.columns {
                let odd = odd.get(column).copied().unwrap_or(0.0);
                self.out[(whole * self.pairs + pair) * PANEL + column % PANEL] =
                    [even[column], odd].map(bf16_bits);
            }
        }
    }
}

/// `out (+)= left · right`.
pub(super) struct Product<'a> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) left: Left<'a>,
    pub(super) right: &'a PairPanels,
    /// `[rows, columns]`
    pub(super) out: &'a mut [f32],
    pub(super) add: bool,
}

impl Product<'_> {
    #[inline(always)]
    pub(super) fn multiply<D: Pairs>(self, d: D) {
        let (rows, columns, pairs) = (self.rows, self.columns, self.right.pairs);
        if rows == 0 || columns == 0 {
            return;
        }
        let panels = columns.div_ceil(PANEL);
        let last_row = (rows - 1) / PANEL * self.left.panel + (rows - 1) % PANEL * self.left.row;
        assert!(
            self.out.len() >= rows * columns
                && self.right.data.len() >= panels * pairs * PANEL
                && (pairs == 0 || self.left.data.len() > last_row + (pairs - 1) * self.left.pair),
            "an operand is too small"
        );
        if pairs == 0 {
            if !self.add {
                self.out[..rows * columns].fill(0.0);
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
                        out: self.out[row * columns + panel * PANEL..].as_mut_ptr(),
                        out_row: columns,
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
    /// The operands hold `rows` rows and `panels` whole panels.
    #[inline(always)]
    unsafe fn wide<D: Pairs>(self, d: D, rows: usize, panels: usize) {
        // SAFETY: the caller's.
        unsafe {
            match (rows, panels) {
                (ROWS, TILE) => self.sum::<D, ROWS, TILE>(d),
                (ROWS, 2) => self.sum::<D, ROWS, 2>(d),
                (ROWS, _) => self.sum::<D, ROWS, 1>(d),
                _ => {
                    for row in 0..rows {
                        for panel in 0..panels {
                            let mut one = self;
                            one.left = self.left.add(row * self.left_row);
                            one.right = self.right.add(panel * self.right_panel);
                            one.out = self.out.add(row * self.out_row + panel * PANEL);
                            one.sum::<D, 1, 1>(d);
                        }
                    }
                }
            }
        }
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
