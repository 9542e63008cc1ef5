//! Products with q8 and q4 weights.
//!
//! Blocks of 256 columns are summed exactly in integers and added in ascending order as f32, so a
//! row's bits depend on nothing else in the call.

use super::Piece;
use crate::dot::{Dot, DotKernel, UNPACKED};
use crate::matrix::{PANEL, Q4_SCALES};
use crate::quant::{BLOCK, GROUPS, Rows};

/// Rows whose block of inputs stays in the first-level cache while panels pass by.
pub(super) const ROW_BLOCK: usize = 72;
/// Panels that one row reads at once.
const STREAMS: usize = 2;
/// Panels whose sums are kept together.
const PANELS: usize = 3;
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
    /// The piece's first row in `input`.
    pub(super) first: usize,
    pub(super) weights: Weights<'a>,
}

/// A block of a panel.
#[derive(Clone, Copy)]
pub(super) enum Block {
    Q8 { values: *const i8 },
    Q4 { nibbles: *const u8, factors: *const i8 },
    Unpacked { bytes: *const u8, factors: *const i8 },
}

/// Vectors that cross cache lines take twice as long to read.
#[repr(align(64))]
struct Aligned<T>(T);

impl DotKernel for Integer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, d: D) {
        let rows = self.piece.rows;
        let panels = self.piece.panels.clone();
        // Sums of some panels, `[panels][rows][16]`: the output's rows may lie at powers of two from
        // one another, where they would push each other out of the caches.
        let mut sums = Aligned([0.0; PANELS * ROW_BLOCK * PANEL]);
        let sums = &mut sums.0;
        let mut unpacked = Aligned([0; UNPACKED]);
        // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels.
        unsafe {
            if rows == 1 {
                let mut panel = panels.start;
                while panel < panels.end {
                    panel += if panels.end - panel >= STREAMS {
                        self.one_row::<D, STREAMS>(d, panel)
                    } else {
                        self.one_row::<D, 1>(d, panel)
                    };
                }
                return;
            }
            let mut row = 0;
            while row < rows {
                let count = ROW_BLOCK.min(rows - row);
                let mut panel = panels.start;
                while panel < panels.end {
                    let here = PANELS.min(panels.end - panel);
                    for i in 0..here {
                        let sums = &mut sums[i * count * PANEL..][..count * PANEL];
                        self.piece.read(panel + i, row, sums);
                    }
                    for block in 0..self.input.blocks() {
                        for i in 0..here {
                            let mut weights = self.block(panel + i, block);
                            if count > FEW {
                                weights = self.unpack(d, weights, block, unpacked.0.as_mut_ptr());
                            }
                            let sums = sums[i * count * PANEL..].as_mut_ptr();
                            self.times(d, panel + i, block, weights, row, count, sums);
                        }
                    }
                    for i in 0..here {
                        self.piece
                            .write(panel + i, row, &sums[i * count * PANEL..][..count * PANEL]);
                    }
                    panel += here;
                }
                row += count;
            }
        }
    }
}

impl Integer<'_> {
    /// The piece's only row times `P` panels from `panel` on; returns P. Several streams read memory
    /// faster than one.
    ///
    /// # Safety
    /// The panels must be the piece's.
    #[inline(always)]
    unsafe fn one_row<D: Dot, const P: usize>(&self, d: D, panel: usize) -> usize {
        let mut sums = [[0.0; PANEL]; P];
        // SAFETY: the caller's.
        unsafe {
            for p in 0..P {
                self.piece.read(panel + p, 0, &mut sums[p]);
            }
            for block in 0..self.input.blocks() {
                let (steps, rows) = (self.steps(block), self.input.block::<1>(block, self.first));
                let mut found = [None; P];
                match self.weights {
                    Weights::Q8 { .. } => {
                        let mut values = [std::ptr::null(); P];
                        for p in 0..P {
                            if let Block::Q8 { values: from } = self.block(panel + p, block) {
                                values[p] = from;
                            }
                        }
                        for (found, sums) in found.iter_mut().zip(d.q8::<1, P>(values, steps, rows)) {
                            *found = Some(sums[0]);
                        }
                    }
                    Weights::Q4 { .. } => {
                        let mut nibbles = [std::ptr::null(); P];
                        let mut factors = [std::ptr::null(); P];
                        for p in 0..P {
                            if let Block::Q4 {
                                nibbles: n,
                                factors: f,
                            } = self.block(panel + p, block)
                            {
                                (nibbles[p], factors[p]) = (n, f);
                            }
                        }
                        let all = d.q4::<1, P>(nibbles, factors, steps, rows);
                        for (found, sums) in found.iter_mut().zip(all) {
                            *found = Some(sums[0]);
                        }
                    }
                }
                for p in 0..P {
                    if let Some(found) = found[p] {
                        let to = sums[p].as_mut_ptr();
                        d.combine(found, self.scales(panel + p, block), *rows.scales, to);
                    }
                }
            }
            for p in 0..P {
                self.piece.write(panel + p, 0, &sums[p]);
            }
        }
        P
    }

    /// Groups of four columns in a block.
    #[inline(always)]
    pub(super) fn steps(&self, block: usize) -> usize {
        self.input.width(block) / 4
    }

    #[inline(always)]
    pub(super) fn block(&self, panel: usize, block: usize) -> Block {
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

    /// # Safety
    /// The block must be one of the matrix, `to` must have room for [`UNPACKED`] bytes.
    #[inline(always)]
    unsafe fn unpack<D: Dot>(&self, d: D, weights: Block, block: usize, to: *mut u8) -> Block {
        let steps = self.steps(block);
        // SAFETY: the caller's.
        unsafe {
            match weights {
                Block::Q4 { nibbles, factors } => {
                    d.q4_unpack(nibbles, factors, steps, to);
                    Block::Unpacked { bytes: to, factors }
                }
                other => other,
            }
        }
    }

    /// 16 bf16.
    #[inline(always)]
    pub(super) fn scales(&self, panel: usize, block: usize) -> *const u16 {
        let number = panel * self.input.blocks() + block;
        match self.weights {
            Weights::Q8 { scales, .. } => scales[number * PANEL..][..PANEL].as_ptr(),
            Weights::Q4 { scales, .. } => scales[number * Q4_SCALES..][GROUPS * PANEL..Q4_SCALES]
                .as_ptr()
                .cast(),
        }
    }

    /// Rows `row..row + count` times a block of a panel, added to `sums`, `[count][16]`.
    ///
    /// # Safety
    /// The rows must be the piece's, and the block one of the matrix.
    #[inline(always)]
    unsafe fn times<D: Dot>(
        &self,
        d: D,
        panel: usize,
        block: usize,
        weights: Block,
        row: usize,
        count: usize,
        sums: *mut f32,
    ) {
        let tile = match weights {
            Block::Q8 { .. } => D::Q8_ROWS,
            Block::Q4 { .. } | Block::Unpacked { .. } => D::Q4_ROWS,
        };
        let scales = self.scales(panel, block);
        let steps = self.steps(block);
        let mut done = 0;
        while done < count {
            // SAFETY: the caller's.
            unsafe {
                let (row, to) = (self.first + row + done, sums.add(done * PANEL));
                done += match tile.min(count - done) {
                    1 => self.tile::<D, 1>(d, block, weights, steps, row, scales, to),
                    2 => self.tile::<D, 2>(d, block, weights, steps, row, scales, to),
                    3 => self.tile::<D, 3>(d, block, weights, steps, row, scales, to),
                    8 => self.tile::<D, 8>(d, block, weights, steps, row, scales, to),
                    _ => self.tile::<D, 4>(d, block, weights, steps, row, scales, to),
                };
            }
        }
    }

    /// `R` rows from `row` of the input on; returns R.
    ///
    /// # Safety
    /// As for [`times`](Self::times).
    #[inline(always)]
    unsafe fn tile<D: Dot, const R: usize>(
        &self,
        d: D,
        block: usize,
        weights: Block,
        steps: usize,
        row: usize,
        scales: *const u16,
        to: *mut f32,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe {
            let rows = self.input.block::<R>(block, row);
            let sums = match weights {
                Block::Q8 { values } => {
                    let [sums] = d.q8([values], steps, rows);
                    sums
                }
                Block::Q4 { nibbles, factors } => {
                    let [sums] = d.q4([nibbles], [factors], steps, rows);
                    sums
                }
                Block::Unpacked { bytes, factors } => d.q4_unpacked(bytes, factors, steps, rows),
            };
            for r in 0..R {
                d.combine(sums[r], scales, *rows.scales.add(r), to.add(r * PANEL));
            }
        }
        R
    }
}
