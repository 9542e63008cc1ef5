//! Products with q8 and q4 weights.
//!
//! Blocks of 256 columns are summed exactly in integers and added in ascending order as f32, so a
//! row's bits depend on nothing else in the call.

use super::Piece;
use crate::dot::{BlockRows, UNPACKED};
use crate::matrix::{PANEL, Q4_SCALES};
use crate::quant::{BLOCK, GROUP, GROUPS, Rows};
use crate::simd::{Kernel, Simd};

/// Rows whose block of inputs stays in the first-level cache while panels pass by.
pub(super) const ROW_BLOCK: usize = 96;
/// Rows up to which packed weights are read directly; more unpack a block first.
const FEW: usize = 3;

/// The weights of a product.
#[derive(Clone, Copy)]
pub(super) enum Weights<'a> {
    Q8 {
        /// `[panels][padded k / 4][16][4]`
        values: &'a [i8],
        /// `[panels][blocks][16]`
        scales: &'a [u16],
    },
    Q4 {
        /// `[panels][padded k / 8][16][4]`
        nibbles: &'a [u8],
        /// `[panels][blocks]` of `[8][16]` factors and `[16]` bf16
        scales: &'a [u8],
    },
}

pub(super) struct Integer<'a> {
    pub(super) piece: Piece,
    pub(super) input: Rows,
    pub(super) weights: Weights<'a>,
}

/// A block of a panel.
#[derive(Clone, Copy)]
enum Block {
    Q8 { values: *const i8 },
    Q4 { nibbles: *const u8, factors: *const i8 },
    Unpacked { bytes: *const u8, factors: *const i8 },
}

impl Kernel for Integer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Piece {
            rows,
            n,
            panels,
            out,
            accumulate,
            ..
        } = self.piece.clone();
        // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels.
        unsafe {
            if !accumulate {
                let width = n.min(panels.end * PANEL) - panels.start * PANEL;
                for row in 0..rows {
                    out.add(row * n + panels.start * PANEL).write_bytes(0, width);
                }
            }
            if rows <= FEW {
                for panel in panels {
                    for block in 0..self.input.blocks() {
                        self.times(s, panel, block, self.block(panel, block), 0, rows);
                    }
                }
                return;
            }
            let mut unpacked = [0; UNPACKED];
            let mut row = 0;
            while row < rows {
                let count = ROW_BLOCK.min(rows - row);
                for block in 0..self.input.blocks() {
                    for panel in panels.clone() {
                        let mut weights = self.block(panel, block);
                        if let Block::Q4 { nibbles, factors } = weights {
                            s.q4_unpack(nibbles, factors, self.steps(block), unpacked.as_mut_ptr());
                            let bytes = unpacked.as_ptr();
                            weights = Block::Unpacked { bytes, factors };
                        }
                        self.times(s, panel, block, weights, row, count);
                    }
                }
                row += count;
            }
        }
    }
}

impl Integer<'_> {
    /// Groups of four columns in a block.
    #[inline(always)]
    fn steps(&self, block: usize) -> usize {
        BLOCK.min(self.input.k - block * BLOCK) / 4
    }

    #[inline(always)]
    fn block(&self, panel: usize, block: usize) -> Block {
        let elements = panel * PANEL * self.input.k + block * BLOCK * PANEL;
        match self.weights {
            Weights::Q8 { values, .. } => Block::Q8 {
                values: values[elements..].as_ptr(),
            },
            Weights::Q4 { nibbles, scales } => Block::Q4 {
                nibbles: nibbles[elements / 2..].as_ptr(),
                factors: scales[(panel * self.input.blocks() + block) * Q4_SCALES..]
                    .as_ptr()
                    .cast(),
            },
        }
    }

    /// 16 bf16.
    #[inline(always)]
    fn scales(&self, panel: usize, block: usize) -> *const u16 {
        let number = panel * self.input.blocks() + block;
        match self.weights {
            Weights::Q8 { scales, .. } => scales[number * PANEL..][..PANEL].as_ptr(),
            Weights::Q4 { scales, .. } => scales[number * Q4_SCALES..][GROUPS * PANEL..Q4_SCALES]
                .as_ptr()
                .cast(),
        }
    }

    /// Rows `row..row + count` times a block of a panel, added to `out`.
    ///
    /// # Safety
    /// The rows must be the piece's, and the block one of the matrix.
    #[inline(always)]
    unsafe fn times<S: Simd>(
        &self,
        s: S,
        panel: usize,
        block: usize,
        weights: Block,
        row: usize,
        count: usize,
    ) {
        let end = row + count;
        let mut row = row;
        let tile = match weights {
            Block::Q8 { .. } => S::Q8_ROWS,
            _ => S::Q4_ROWS,
        };
        while row < end {
            // SAFETY: the caller's.
            unsafe {
                row += match tile.min(end - row) {
                    1 => self.tile::<S, 1>(s, panel, block, weights, row),
                    2 => self.tile::<S, 2>(s, panel, block, weights, row),
                    3 => self.tile::<S, 3>(s, panel, block, weights, row),
                    _ => self.tile::<S, 4>(s, panel, block, weights, row),
                };
            }
        }
    }

    /// `R` rows from `row` on; returns R.
    ///
    /// # Safety
    /// As for [`times`](Self::times).
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize>(
        &self,
        s: S,
        panel: usize,
        block: usize,
        weights: Block,
        row: usize,
    ) -> usize {
        let Piece { n, out, .. } = self.piece;
        let (steps, k, blocks) = (self.steps(block), self.input.k, self.input.blocks());
        let scales = self.scales(panel, block);
        // SAFETY: the caller's.
        unsafe {
            let mut rows = BlockRows {
                values: [self.input.values; R],
                offsets: [self.input.offsets; R],
            };
            for r in 0..R {
                rows.values[r] = self.input.values.add((row + r) * k + block * BLOCK);
                let group = (row + r) * (k / GROUP) + block * GROUPS;
                rows.offsets[r] = self.input.offsets.add(group);
            }
            let sums = match weights {
                Block::Q8 { values } => s.q8(values, steps, rows),
                Block::Q4 { nibbles, factors } => s.q4(nibbles, factors, steps, rows),
                Block::Unpacked { bytes, factors } => s.q4_unpacked(bytes, factors, steps, rows),
            };
            let columns = n - panel * PANEL;
            for r in 0..R {
                let scale = *self.input.scales.add((row + r) * blocks + block);
                let to = out.add((row + r) * n + panel * PANEL);
                if columns >= PANEL {
                    s.combine(sums[r], scales, scale, to);
                } else {
                    let mut part = [0.0; PANEL];
                    to.copy_to_nonoverlapping(part.as_mut_ptr(), columns);
                    s.combine(sums[r], scales, scale, part.as_mut_ptr());
                    part.as_ptr().copy_to_nonoverlapping(to, columns);
                }
            }
        }
        R
    }
}
