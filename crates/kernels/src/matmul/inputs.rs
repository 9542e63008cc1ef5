//! What a product reads beside its weights: rows as they are, or rounded as its kernels want them.

use super::paired::RoundedRows;
use super::tiled::PairRows;
use crate::Cpu;
use crate::later::Later;
use crate::matrix::{Format, Matrix};
use crate::memory::Lines;
use crate::quant::Rows;

impl Cpu {
    /// Whether the product rounds its input to bf16.
    pub(crate) fn paired(&self, matrix: &Matrix) -> bool {
        matrix.format() == Format::Bf16 && self.in_pairs()
    }

    /// Rounds `[rows, k]` to bf16 as the products of pairs want it.
    pub(super) fn round_pairs(&self, matrices: &[Matrix], input: &[f32], k: usize, to: &mut Lines) -> Pairs {
        if self.isa.has_tiles() {
            Pairs::Tiles(self.round_for_tiles(input, k, to))
        } else {
            Pairs::Rows(self.round_rows(matrices, input, k, to))
        }
    }
}

/// Rows rounded to bf16.
#[derive(Clone, Copy)]
pub(super) enum Pairs {
    Rows(RoundedRows),
    Tiles(PairRows),
}

// SAFETY: a view of numbers that nobody changes while it lives.
unsafe impl Sync for Pairs {}

impl Pairs {
    /// From row `row` on.
    pub(super) fn from(self, row: usize, k: usize) -> Self {
        match self {
            Self::Rows(rows) => Self::Rows(rows.from(row, k)),
            Self::Tiles(rows) => Self::Tiles(rows.from(row)),
        }
    }
}

/// Whether the product rounds its input to 8 bits.
pub(super) fn quantised(matrix: &Matrix) -> bool {
    matches!(matrix.format(), Format::Q8 | Format::Q4)
}

/// A row's numbers as the kernels of a product want them.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    /// `[rows, k]`, from the piece's first row on.
    pub(super) float: *const f32,
    /// Rounded for q8 and q4, and the piece's first row there.
    pub(super) rounded: Option<(Rows, usize)>,
    /// Rounded to bf16, from the piece's first row on.
    pub(super) paired: Option<Pairs>,
    /// What is read after the product.
    pub(super) later: &'a Later,
}

// SAFETY: a view of numbers that nobody changes while it lives.
unsafe impl Sync for Inputs<'_> {}
