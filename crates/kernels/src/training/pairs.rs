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

/// Panels that are read: `[panels][pairs][16]`.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) data: &'a [[u16; 2]],
    /// Pairs that are summed over.
    pub(super) pairs: usize,
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

    /// `matrix`: `[rows, columns]`, rows `stride` apart, to panels of columns, pairs of rows; a last odd row is paired
    /// with zeros.
    pub(super) fn interleave(
        &mut self,
        isa: Isa,
        matrix: &[f32],
        [rows, columns]: [usize; 2],
        stride: usize,
    ) {
        self.make(columns, rows.div_ceil(2));
        isa.run_pairs(Interleave {
            matrix,
            rows,
            columns,
            stride,
            pairs: self.pairs,
            out: &mut self.data,
        });
    }

    /// `matrix`: `[rows, columns]`, rows `stride` apart, rounded and in rows as it is; a last odd column is paired with
    /// zeros.
    pub(super) fn rows(&mut self, isa: Isa, matrix: &[f32], [rows, columns]: [usize; 2], stride: usize) {
        self.pairs = columns.div_ceil(2);
        let length = rows * self.pairs;
        self.data.resize(length.max(self.data.len()), [0; 2]);
        isa.run_pairs(Round {
            matrix,
            columns,
            stride,
            out: &mut self.data[..length],
            pairs: self.pairs,
        });
    }

    /// The transpose of rows of pairs: `[columns, k]` to panels of columns, pairs of k.
    pub(super) fn across(&mut self, rows: &Self, columns: usize) {
        let pairs = rows.pairs;
        self.make(columns, pairs);
        for (panel, to) in self
            .data
            .chunks_exact_mut((pairs * PANEL).max(1))
            .take(columns.div_ceil(PANEL))
            .enumerate()
        {
            let first = panel * PANEL;
            let width = PANEL.min(columns - first);
            for column in 0..width {
                let from = &rows.data[(first + column) * pairs..][..pairs];
                for (from, to) in from.iter().zip(to.iter_mut().skip(column).step_by(PANEL)) {
                    *to = *from;
                }
            }
        }
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

    /// Panels as a right operand.
    pub(super) fn panels(&self) -> Panels<'_> {
        Panels {
            data: &self.data,
            pairs: self.pairs,
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
    pub(super) fn as_rows(&self) -> Left<'_> {
        Left {
            data: &self.data,
            panel: self.pairs * PANEL,
            row: self.pairs,
            pair: 1,
        }
    }
}

struct Round<'a> {
    matrix: &'a [f32],
    columns: usize,
    stride: usize,
    out: &'a mut [[u16; 2]],
    pairs: usize,
}

impl PairKernel for Round<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        for (row, out) in self.out.chunks_exact_mut(self.pairs.max(1)).enumerate() {
            let from = &self.matrix[row * self.stride..][..self.columns];
            let (whole, rest) = from.as_chunks::<PANEL>();
            let (out, out_rest) = out.as_flattened_mut().split_at_mut(whole.len() * PANEL);
            for (from, to) in whole.iter().zip(out.chunks_exact_mut(PANEL)) {
                // SAFETY: both have 16 elements.
                unsafe { d.round(from.as_ptr(), to.as_mut_ptr()) };
            }
            let numbers = rest.iter().copied().chain(std::iter::repeat(0.0));
            for (from, to) in numbers.zip(out_rest) {
                *to = bf16_bits(from);
            }
        }
    }
}

struct Interleave<'a> {
    matrix: &'a [f32],
    rows: usize,
    columns: usize,
    stride: usize,
    pairs: usize,
    out: &'a mut [[u16; 2]],
}

impl PairKernel for Interleave<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let whole = self.columns / PANEL;
        let zeros = [0.0; PANEL];
        for pair in 0..self.pairs {
            let row =
                |row: usize| (row < self.rows).then(|| &self.matrix[row * self.stride..][..self.columns]);
            let (even, odd) = (row(2 * pair).unwrap_or(&[]), row(2 * pair + 1));
            for panel in 0..whole {
                let own = panel * PANEL..(panel + 1) * PANEL;
                let odd = odd.map_or(&zeros[..], |odd| &odd[own.clone()]);
                let even = &even[own];
                let to = &mut self.out[(panel * self.pairs + pair) * PANEL..][..PANEL];
                // SAFETY: all three have 16 elements.
                unsafe { d.interleave(even.as_ptr(), odd.as_ptr(), to.as_mut_ptr()) };
            }
            for column in whole * PANEL..self.columns {
                let odd = odd.map_or(0.0, |odd| odd[column]);
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
    pub(super) right: Panels<'a>,
    /// `[rows, columns]`, rows `stride` apart.
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
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
