//! Matrix products `out = input · Wᵀ`, for one matrix or for groups of rows with a matrix each.

use crate::matrix::{Elements, Matrix};
use crate::pool::Share;
use crate::simd::{Kernel, MAX_LANES, Simd};
use crate::tile::{Left, Operand, Output, ROWS, Right, few_rows_times_panels, rows_times_panel};
use crate::{Cpu, Isa};

/// Rows whose inputs stay in the second-level cache while panels pass by.
const ROW_BLOCK: usize = 20 * ROWS;
/// Bytes of a panel that stay in the first-level cache while rows pass by.
const PANEL_BLOCK: usize = 16 << 10;

/// Rows of the input that belong to one matrix of several: an expert's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Index of the matrix.
    pub matrix: usize,
    /// First row.
    pub start: usize,
    /// One past the last row.
    pub end: usize,
}

impl Cpu {
    /// `out [rows, W.rows] = input [rows, W.columns] · Wᵀ`.
    ///
    /// # Panics
    /// When the slices' sizes do not fit together.
    pub fn matmul(&self, matrix: &Matrix, input: &[f32], out: &mut [f32]) {
        let rows = input.len() / matrix.columns().max(1);
        let group = Group {
            matrix: 0,
            start: 0,
            end: rows,
        };
        self.multiply(std::slice::from_ref(matrix), &[group], input, out, false);
    }

    /// `out [rows, W.rows] += input [rows, W.columns] · Wᵀ`: each sum starts from what is there.
    ///
    /// # Panics
    /// When the slices' sizes do not fit together.
    pub fn matmul_add(&self, matrix: &Matrix, input: &[f32], out: &mut [f32]) {
        let rows = input.len() / matrix.columns().max(1);
        let group = Group {
            matrix: 0,
            start: 0,
            end: rows,
        };
        self.multiply(std::slice::from_ref(matrix), &[group], input, out, true);
    }

    /// The same for groups of rows, each with its own one of `matrices`, all of one shape.
    /// Rows of no group are left as they are.
    ///
    /// # Panics
    /// When the slices' sizes do not fit together or groups overlap.
    pub fn matmul_grouped(&self, matrices: &[Matrix], groups: &[Group], input: &[f32], out: &mut [f32]) {
        self.multiply(matrices, groups, input, out, false);
    }

    fn multiply(
        &self,
        matrices: &[Matrix],
        groups: &[Group],
        input: &[f32],
        out: &mut [f32],
        accumulate: bool,
    ) {
        let Some(first) = matrices.first() else { return };
        let (n, k) = (first.rows(), first.columns());
        assert!(
            matrices.iter().all(|m| (m.rows(), m.columns()) == (n, k)),
            "matrices of one shape"
        );
        assert_eq!(
            first.panel(),
            2 * self.isa.lanes(),
            "packed for another instruction set"
        );
        let rows = input.len() / k.max(1);
        assert!(
            input.len() == rows * k && out.len() == rows * n,
            "[{rows}, {k}] to [{rows}, {n}]"
        );
        let mut total = 0;
        for (i, group) in groups.iter().enumerate() {
            let after = i.checked_sub(1).map_or(0, |before| groups[before].end);
            assert!(
                after <= group.start && group.start <= group.end && group.end <= rows,
                "groups in order"
            );
            total += group.end - group.start;
        }
        if total == 0 || n == 0 {
            return;
        }
        // A task is some panels of one group (and, in a lone long group, a block of rows).
        let panels = n.div_ceil(first.panel());
        let row_blocks = if groups.len() == 1 {
            total.div_ceil(ROW_BLOCK)
        } else {
            1
        };
        let wanted = (self.pool.threads() * 8).div_ceil(row_blocks * groups.len());
        let panels_per_task = panels.div_ceil(wanted).next_multiple_of(4).min(64);
        let panel_tasks = panels.div_ceil(panels_per_task);
        let out = Share(out.as_mut_ptr());
        let task = |index: usize| {
            let (rest, panel_task) = (index / panel_tasks, index % panel_tasks);
            let (group, row_block) = (groups[rest / row_blocks], rest % row_blocks);
            let first_panel = panel_task * panels_per_task;
            let start = group.start + row_block * ROW_BLOCK;
            let end = if row_blocks == 1 {
                group.end
            } else {
                group.end.min(start + ROW_BLOCK)
            };
            let last_panel = panels.min(first_panel + panels_per_task);
            // SAFETY: sizes are checked above; tasks write disjoint rows or panels of `out`.
            unsafe {
                let piece = Piece {
                    rows: end - start,
                    n,
                    k,
                    panels: first_panel..last_panel,
                    input: input.as_ptr().add(start * k),
                    out: out.get().add(start * n),
                    accumulate,
                };
                piece.compute(self.isa, &matrices[group.matrix]);
            }
        };
        let tasks = panel_tasks * row_blocks * groups.len();
        if total * n * k < self.share_from {
            (0..tasks).for_each(task);
        } else {
            self.pool.run(tasks, task);
        }
    }
}

/// Some rows times some panels of a matrix.
struct Piece {
    rows: usize,
    n: usize,
    k: usize,
    panels: std::ops::Range<usize>,
    /// `[rows, k]`
    input: *const f32,
    /// `[rows, n]`
    out: *mut f32,
    accumulate: bool,
}

impl Piece {
    /// # Safety
    /// The pointers must be valid for their sizes, and nobody else uses those panels of `out`.
    unsafe fn compute(self, isa: Isa, matrix: &Matrix) {
        match &matrix.elements {
            Elements::Bf16(buffer) => isa.run(Multiply {
                piece: self,
                weights: buffer.as_slice(),
            }),
            Elements::F32(buffer) => isa.run(Multiply {
                piece: self,
                weights: buffer.as_slice(),
            }),
        }
    }
}

struct Multiply<'a, B> {
    piece: Piece,
    /// `[panels][k][2 · LANES]`
    weights: &'a [B],
}

impl<B: Operand> Kernel for Multiply<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Piece {
            rows,
            n,
            k,
            panels,
            input,
            out,
            accumulate,
        } = self.piece;
        let width = 2 * S::LANES;
        let left = Left {
            start: input,
            row_stride: k,
            k_stride: 1,
        };
        let right = Right {
            start: self.weights.as_ptr(),
            panel_stride: k * width,
            k_stride: width,
        };
        let full = panels.end.min(n / width);
        // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels.
        unsafe {
            let at = |panel: usize| Output {
                start: out.add(panel * width),
                row_stride: n,
                accumulate,
            };
            if panels.start < full && rows < 4 {
                let right = right.at(panels.start, 0);
                few_rows_times_panels(s, rows, full - panels.start, k, left, right, at(panels.start));
            } else if panels.start < full {
                let mut row = 0;
                while row < rows {
                    let block = ROW_BLOCK.min(rows - row);
                    let mut from = 0;
                    while from < k {
                        let step = (PANEL_BLOCK / (width * size_of::<B>())).min(k - from);
                        for panel in panels.start..full {
                            let to = at(panel);
                            let to = Output {
                                start: to.start.add(row * n),
                                accumulate: accumulate || from > 0,
                                ..to
                            };
                            rows_times_panel(s, block, step, left.at(row, from), right.at(panel, from), to);
                        }
                        from += step;
                    }
                    row += block;
                }
            }
            if full < panels.end {
                let mut row = 0;
                while row < rows {
                    let block = ROWS.min(rows - row);
                    let mut sums = [0.0; ROWS * 2 * MAX_LANES];
                    let columns = n - full * width;
                    let places = |i: usize| (i * width, out.add((row + i) * n + full * width));
                    for i in 0..block {
                        let (at, place) = places(i);
                        place.copy_to_nonoverlapping(
                            sums.as_mut_ptr().add(at),
                            if accumulate { columns } else { 0 },
                        );
                    }
                    let to = Output {
                        start: sums.as_mut_ptr(),
                        row_stride: width,
                        accumulate,
                    };
                    rows_times_panel(s, block, k, left.at(row, 0), right.at(full, 0), to);
                    for i in 0..block {
                        let (at, place) = places(i);
                        sums.as_ptr().add(at).copy_to_nonoverlapping(place, columns);
                    }
                    row += block;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "matmul_tests.rs"]
mod tests;
