//! Weights that do not change, multiplied where the engine keeps them: in bf16, or in 8 or 4 bits.
//!
//! A tile of outputs at a time is brought into the form that is multiplied, so that beside the weights as they are
//! only that tile takes memory. Sums have the order of those over weights that learn, except that on tiles a last block of
//! rows that is not whole adds up 256 outputs after another on the way back.

use std::ops::Range;
use std::sync::Arc;

use super::left::Sums;
use super::right::Panels;
use super::{Precision, Products, View};
use crate::matrix::{Elements, Matrix, PANEL};
use crate::tiles::ROWS;
use crate::{Isa, TrainedMatrix};

/// Outputs of a tile: as many as are summed in one go on the way back.
const TILE: usize = 256;

/// Some rows of a matrix.
pub(super) struct Frozen {
    matrix: Arc<Matrix>,
    /// The first of them.
    first: usize,
    /// Whether products are made of bf16 pairs.
    pairs: bool,
}

impl TrainedMatrix {
    /// Rows of a matrix that stays as it is, in whatever format.
    ///
    /// # Panics
    /// When the matrix has no such rows.
    pub fn frozen(isa: Isa, precision: Precision, matrix: Arc<Matrix>, rows: Range<usize>) -> Self {
        assert!(
            rows.start <= rows.end && rows.end <= matrix.rows(),
            "rows {rows:?} of {}",
            matrix.rows()
        );
        let (outputs, inputs) = (rows.len(), matrix.columns());
        let pairs = super::in_pairs(isa, precision, outputs, inputs);
        let frozen = Frozen {
            matrix,
            first: rows.start,
            pairs,
        };
        Self {
            outputs,
            inputs,
            form: super::Form::Frozen(frozen),
        }
    }
}

impl Frozen {
    /// `Y (+)= X·Wᵀ`, sizes rows, inputs, outputs.
    pub(super) fn forward(
        &self,
        products: &mut Products,
        [rows, inputs, outputs]: [usize; 3],
        x: &[f32],
        y: &mut [f32],
        add: bool,
    ) {
        if rows == 0 {
            return;
        }
        let isa = products.isa;
        if self.pairs {
            products.left.round(isa, View::rows(x, inputs), [rows, inputs]);
        }
        let mut expanded = std::mem::take(&mut products.expanded);
        for start in (0..outputs).step_by(TILE) {
            let count = TILE.min(outputs - start);
            let y = &mut y[start..];
            let there = self.panels(isa, start, count).filter(|_| self.pairs);
            if there.is_none() {
                self.expand(isa, start, count, &mut expanded);
            }
            if !self.pairs {
                let (left, right) = (View::rows(x, inputs), View::transposed(&expanded, inputs));
                products.product([rows, inputs, count], left, right, y, outputs, add);
                continue;
            }
            let right = match there {
                Some(panels) => panels,
                None => {
                    let across = View::transposed(&expanded, inputs);
                    products.right.round(isa, across, [inputs, count]);
                    products.right.panels()
                }
            };
            let sums = Sums {
                out: y,
                stride: outputs,
                add,
            };
            products.left.multiply(isa, rows, count, right, sums);
        }
        products.expanded = expanded;
    }

    /// `dX (+)= dY·W`, sizes rows, outputs, inputs.
    pub(super) fn input_gradient(
        &self,
        products: &mut Products,
        [rows, outputs, inputs]: [usize; 3],
        dy: &[f32],
        dx: &mut [f32],
        add: bool,
    ) {
        if rows == 0 {
            return;
        }
        let isa = products.isa;
        let mut expanded = std::mem::take(&mut products.expanded);
        for start in (0..outputs).step_by(TILE) {
            let count = TILE.min(outputs - start);
            let (dy, add) = (&dy[start..], add || start > 0);
            self.expand(isa, start, count, &mut expanded);
            if self.pairs {
                products.left.round(isa, View::rows(dy, outputs), [rows, count]);
                products
                    .right
                    .round(isa, View::rows(&expanded, inputs), [count, inputs]);
                let sums = Sums {
                    out: &mut *dx,
                    stride: inputs,
                    add,
                };
                products
                    .left
                    .multiply(isa, rows, inputs, products.right.panels(), sums);
            } else {
                let (left, right) = (View::rows(dy, outputs), View::rows(&expanded, inputs));
                products.product([rows, count, inputs], left, right, dx, inputs, add);
            }
        }
        products.expanded = expanded;
    }

    /// The panels of these outputs, where the matrix has them as they are multiplied.
    fn panels(&self, isa: Isa, start: usize, count: usize) -> Option<Panels<'_>> {
        let Elements::Bf16(buffer) = &self.matrix.elements else {
            return None;
        };
        let row = self.first + start;
        let columns = self.matrix.columns();
        let tile = if isa.has_tiles() { 2 * ROWS } else { 2 };
        if !row.is_multiple_of(PANEL) || !columns.is_multiple_of(tile) {
            return None;
        }
        let pairs = columns / 2;
        let (all, _) = buffer.as_slice().as_chunks::<2>();
        let data = all.get(row * pairs..(row + count.next_multiple_of(PANEL)) * pairs)?;
        Some(Panels { data, pairs })
    }

    /// These outputs' weights as f32, `[count, inputs]`.
    fn expand(&self, isa: Isa, start: usize, count: usize, to: &mut Vec<f32>) {
        let length = count * self.matrix.columns();
        to.resize(length.max(to.len()), 0.0);
        to.truncate(length);
        self.matrix.copy_rows(isa, self.first + start, to);
    }
}
