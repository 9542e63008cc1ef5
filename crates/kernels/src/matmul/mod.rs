//! Matrix products `out = input · Wᵀ`, for one matrix or for groups of rows with a matrix each.

mod float;
mod integer;

use self::float::Float;
use self::integer::{Integer, Weights};
use crate::matrix::{Elements, Format, Matrix, PANEL};
use crate::pool::Share;
use crate::quant::Rows;
use crate::{Cpu, Isa};

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
        let (n, k, format) = (first.rows(), first.columns(), first.format());
        assert!(
            matrices
                .iter()
                .all(|m| (m.rows(), m.columns(), m.format()) == (n, k, format)),
            "matrices of one shape"
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
        let quantised = matches!(format, Format::Q8 | Format::Q4);
        let mut workspace = self.take_activations();
        let rounded = quantised.then(|| workspace.quantise(self, input, k));
        // A task is some panels of one group (and, in a lone long group, a block of rows).
        let panels = n.div_ceil(PANEL);
        let row_block = if quantised {
            integer::ROW_BLOCK
        } else {
            float::ROW_BLOCK
        };
        let row_blocks = if groups.len() == 1 {
            total.div_ceil(row_block)
        } else {
            1
        };
        let wanted = (self.pool.threads() * 8).div_ceil(row_blocks * groups.len());
        let panels_per_task = panels.div_ceil(wanted).next_multiple_of(4).min(64);
        let panel_tasks = panels.div_ceil(panels_per_task);
        let out = Share(out.as_mut_ptr());
        let task = |index: usize| {
            let (rest, panel_task) = (index / panel_tasks, index % panel_tasks);
            let (group, row_block_number) = (groups[rest / row_blocks], rest % row_blocks);
            let first_panel = panel_task * panels_per_task;
            let start = group.start + row_block_number * row_block;
            let end = if row_blocks == 1 {
                group.end
            } else {
                group.end.min(start + row_block)
            };
            let last_panel = panels.min(first_panel + panels_per_task);
            // SAFETY: sizes are checked above; tasks write disjoint rows or panels of `out`.
            unsafe {
                let piece = Piece {
                    rows: end - start,
                    n,
                    k,
                    panels: first_panel..last_panel,
                    out: out.get().add(start * n),
                    accumulate,
                };
                let rounded = rounded.map(|rows| (rows, start));
                piece.compute(
                    self.isa,
                    &matrices[group.matrix],
                    input.as_ptr().add(start * k),
                    rounded,
                );
            }
        };
        let tasks = panel_tasks * row_blocks * groups.len();
        if total * n * k < self.share_from {
            (0..tasks).for_each(task);
        } else {
            self.pool.run(tasks, task);
        }
        self.give_activations(workspace);
    }
}

/// Some rows times some panels of a matrix.
#[derive(Clone)]
struct Piece {
    rows: usize,
    n: usize,
    k: usize,
    panels: std::ops::Range<usize>,
    /// `[rows, n]`
    out: *mut f32,
    accumulate: bool,
}

impl Piece {
    /// # Safety
    /// The pointers must be valid for their sizes, and nobody else uses those panels of `out`.
    unsafe fn compute(self, isa: Isa, matrix: &Matrix, input: *const f32, rounded: Option<(Rows, usize)>) {
        match (&matrix.elements, rounded) {
            (Elements::Bf16(buffer), _) => isa.run(Float {
                piece: self,
                input,
                weights: buffer.as_slice(),
            }),
            (Elements::F32(buffer), _) => isa.run(Float {
                piece: self,
                input,
                weights: buffer.as_slice(),
            }),
            (Elements::Q8 { values, scales }, Some((input, first))) => isa.run(Integer {
                piece: self,
                input,
                first,
                weights: Weights::Q8 {
                    values: values.as_slice(),
                    scales: scales.as_slice(),
                },
            }),
            (Elements::Q4 { nibbles, scales }, Some((input, first))) => isa.run(Integer {
                piece: self,
                input,
                first,
                weights: Weights::Q4 {
                    nibbles: nibbles.as_slice(),
                    scales: scales.as_slice(),
                },
            }),
            // `multiply` rounds the input for every quantised matrix.
            (Elements::Q8 { .. } | Elements::Q4 { .. }, None) => {}
        }
    }
}

#[cfg(test)]
mod tests;
