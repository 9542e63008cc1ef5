//! Products with q8 and q4 weights.
//!
//! Spans of 64 columns are summed exactly in integers; scaled, they are added in ascending order as f32 to the
//! total of a block of 256, and the totals, scaled, to the sum. So a row's bits depend on nothing else in the
//! call.

use super::Piece;
use crate::dot::{BlockRows, Dot, DotKernel, UNPACKED};
use crate::matrix::{PANEL, Q4_SCALES};
use crate::quant::{BLOCK, GROUP, GROUPS, Rows, SPAN};

/// Rows whose block of inputs stays in the first-level cache while panels pass by.
pub(super) const ROW_BLOCK: usize = 72;
/// Panels whose sums are kept together.
const PANELS: usize = 3;

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

/// Steps of four columns in a span.
const STEPS: usize = SPAN / 4;
/// Spans of a whole block.
const SPANS: usize = BLOCK / SPAN;

/// A block of a panel, or what is left of it from a span on.
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
        let mut unpacked = Aligned([0; SPANS * UNPACKED]);
        // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels.
        unsafe {
            if rows == 1 {
                let mut panel = panels.start;
                while panel < panels.end {
                    panel += match D::STREAMS.min(panels.end - panel) {
                        1 => self.one_row::<D, 1>(d, panel),
                        2 | 3 => self.one_row::<D, 2>(d, panel),
                        _ => self.one_row::<D, 4>(d, panel),
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
                            if count >= D::UNPACK_FROM {
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
                let blocks: [Block; P] = std::array::from_fn(|p| self.block(panel + p, block));
                let mut totals = [d.totals(); P];
                for span in 0..self.spans(block) {
                    let rows = self.input.span::<1>(block, span, self.first);
                    let found = multiply(d, blocks.map(|block| block.from(span)), rows);
                    for p in 0..P {
                        totals[p] = d.scaled(totals[p], found[p][0], *rows.scales[0]);
                    }
                }
                for p in 0..P {
                    d.add_to(totals[p], self.scales(panel + p, block), sums[p].as_mut_ptr());
                }
            }
            for p in 0..P {
                self.piece.write(panel + p, 0, &sums[p]);
            }
        }
        P
    }

    /// Spans of a block.
    #[inline(always)]
    pub(super) fn spans(&self, block: usize) -> usize {
        self.input.width(block) / SPAN
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
    /// The block must be one of the matrix, `to` must have room for a block's spans of [`UNPACKED`] bytes.
    #[inline(always)]
    unsafe fn unpack<D: Dot>(&self, d: D, weights: Block, block: usize, to: *mut u8) -> Block {
        let Block::Q4 { factors, .. } = weights else {
            return weights;
        };
        for span in 0..self.spans(block) {
            if let Block::Q4 { nibbles, factors } = weights.from(span) {
                // SAFETY: the caller's.
                unsafe { d.q4_unpack(nibbles, factors, STEPS, to.add(span * UNPACKED)) };
            }
        }
        Block::Unpacked { bytes: to, factors }
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
        let mut done = 0;
        while done < count {
            // SAFETY: the caller's.
            unsafe {
                let (row, to) = (self.first + row + done, sums.add(done * PANEL));
                done += match tile.min(count - done) {
                    1 => self.tile::<D, 1>(d, block, weights, row, scales, to),
                    2 => self.tile::<D, 2>(d, block, weights, row, scales, to),
                    3 => self.tile::<D, 3>(d, block, weights, row, scales, to),
                    8 => self.tile::<D, 8>(d, block, weights, row, scales, to),
                    _ => self.tile::<D, 4>(d, block, weights, row, scales, to),
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
        row: usize,
        scales: *const u16,
        to: *mut f32,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe {
            let mut totals = [d.totals(); R];
            for span in 0..self.spans(block) {
                let rows = self.input.span::<R>(block, span, row);
                let [sums] = multiply(d, [weights.from(span)], rows);
                for r in 0..R {
                    totals[r] = d.scaled(totals[r], sums[r], *rows.scales[r]);
                }
            }
            for r in 0..R {
                d.add_to(totals[r], scales, to.add(r * PANEL));
            }
        }
        R
    }
}

impl Block {
    /// What begins at a span.
    #[inline(always)]
    pub(super) fn from(self, span: usize) -> Self {
        let bytes = span * SPAN * PANEL;
        let further = |factors: *const i8| factors.wrapping_add(span * SPAN / GROUP * PANEL);
        match self {
            Self::Q8 { values } => Self::Q8 {
                values: values.wrapping_add(bytes),
            },
            Self::Q4 { nibbles, factors } => Self::Q4 {
                nibbles: nibbles.wrapping_add(bytes / 2),
                factors: further(factors),
            },
            Self::Unpacked { bytes, factors } => Self::Unpacked {
                bytes: bytes.wrapping_add(span * UNPACKED),
                factors: further(factors),
            },
        }
    }
}

/// A span of some rows and panels. The panels' blocks are of one kind.
///
/// # Safety
/// There must be such a span.
#[inline(always)]
unsafe fn multiply<D: Dot, const R: usize, const P: usize>(
    d: D,
    blocks: [Block; P],
    rows: BlockRows<R>,
) -> [[D::Sums; R]; P] {
    let factors = blocks.map(|block| match block {
        Block::Q8 { .. } => std::ptr::null(),
        Block::Q4 { factors, .. } | Block::Unpacked { factors, .. } => factors,
    });
    let elements = blocks.map(|block| match block {
        Block::Q8 { values } => values.cast(),
        Block::Q4 { nibbles, .. } => nibbles,
        Block::Unpacked { bytes, .. } => bytes,
    });
    // SAFETY: the caller's.
    unsafe {
        match blocks[0] {
            Block::Q8 { .. } => d.q8(elements.map(<*const u8>::cast), STEPS, rows),
            Block::Q4 { .. } => d.q4(elements, factors, STEPS, rows),
            Block::Unpacked { .. } => {
                let mut all = [d.q4_unpacked(elements[0], factors[0], STEPS, rows); P];
                for p in 1..P {
                    all[p] = d.q4_unpacked(elements[p], factors[p], STEPS, rows);
                }
                all
            }
        }
    }
}
