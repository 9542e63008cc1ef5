//! Left operands, rounded to bf16 in the form that the processor's products read.

use super::View;
use super::pairs::{Left, Product};
use super::right::{PairPanels, Panels};
use super::tiled::{TileRows, TiledProduct};
use crate::Isa;
use crate::matrix::PANEL;
use crate::pairs::{PairKernel, Pairs, bf16_bits};

/// A left operand; its buffers grow once.
#[derive(Default)]
pub(super) struct LeftOperand {
    /// Rows for tiles.
    tiles: TileRows,
    /// Panels whose columns are the rows, where the operand lies transposed.
    panels: PairPanels,
    /// Rows of pairs.
    rows: Vec<[u16; 2]>,
    form: Form,
}

#[derive(Clone, Copy, Default)]
enum Form {
    #[default]
    Tiles,
    Panels,
    /// So many pairs each.
    Rows(usize),
}

/// Where sums go: `[rows, columns]`, rows `stride` apart.
pub(super) struct Sums<'a> {
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) add: bool,
}

impl LeftOperand {
    /// Rounds `matrix`, `[rows, k]`. What is missing of a last pair or tile is zero.
    pub(super) fn round(&mut self, isa: Isa, matrix: View<'_>, [rows, k]: [usize; 2]) {
        if isa.has_tiles() {
            self.form = Form::Tiles;
            self.tiles.round(isa, matrix, [rows, k]);
        } else if matrix.column_stride == 1 {
            let pairs = k.div_ceil(2);
            self.form = Form::Rows(pairs);
            let length = rows * pairs;
            self.rows.resize(length.max(self.rows.len()), [0; 2]);
            isa.run_pairs(Round {
                matrix: matrix.data,
                columns: k,
                stride: matrix.row_stride,
                out: &mut self.rows[..length],
                pairs,
            });
        } else {
            self.form = Form::Panels;
            let across = View {
                row_stride: matrix.column_stride,
                column_stride: matrix.row_stride,
                ..matrix
            };
            self.panels.round(isa, across, [k, rows]);
        }
    }

    /// `sums (+)= self · right`
    pub(super) fn multiply(&self, isa: Isa, rows: usize, columns: usize, right: Panels<'_>, sums: Sums<'_>) {
        let left = match self.form {
            Form::Tiles => {
                let product = TiledProduct::new(&self.tiles, rows, columns, right, sums);
                isa.run_tiles(product);
                return;
            }
            Form::Panels => self.panels.as_left(),
            Form::Rows(pairs) => Left {
                data: &self.rows,
                panel: pairs * PANEL,
                row: pairs,
                pair: 1,
            },
        };
        isa.run_pairs(Product {
            rows,
            columns,
            left,
            right,
            out: sums.out,
            stride: sums.stride,
            add: sums.add,
        });
    }
}

struct Round<'a> {
    /// `[rows, columns]`, rows `stride` apart.
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
