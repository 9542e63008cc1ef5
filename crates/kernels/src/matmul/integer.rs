//! Products with q8 and q4 weights.
//!
//! Blocks of 256 columns are summed exactly in integers; scaled, they are added in ascending order as f32. So a row's
//! bits depend on nothing else in the call.

use std::mem::MaybeUninit;

use super::Piece;
use crate::dot::{BlockRows, Dot, DotKernel, SPLIT, UNPACKED};
use crate::later::{LINE, Later, Lines};
use crate::matrix::{PANEL, Q4_SCALES};
use crate::quant::{BLOCK, GROUP, GROUPS, Rows, SPAN, SPANS};

/// Rows whose block of inputs stays in the first-level cache while panels pass by.
pub(super) const ROW_BLOCK: usize = 72;
/// Panels whose sums are kept together at most.
const PANELS: usize = 4;
/// So many only where rows are few: the sums of more would push inputs out of the first-level cache.
const ROWS_OF_FOUR: usize = 32;
/// Bytes of a block that is made ready for several rows.
const PREPARED: usize = if SPLIT > SPANS * UNPACKED {
    SPLIT
} else {
    SPANS * UNPACKED
};
/// Lines that are wanted later and asked for beside each block of a panel. The states of 16 sequences are then asked
/// for in the time of a layer's products.
const LATER_LINES: usize = 48;
/// Blocks for which a thread takes such lines together.
const LATER_TOGETHER: usize = 8;

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
    /// What is read after the product.
    pub(super) later: &'a Later,
    /// Whether few rows read the weights in one stream rather than in several.
    pub(super) one_stream: bool,
}

/// Steps of four columns in a span.
const STEPS: usize = SPAN / 4;

/// A block of a panel, or what is left of it from a span on.
#[derive(Clone, Copy)]
pub(super) enum Block {
    Q8 {
        values: *const i8,
    },
    Q4 {
        nibbles: *const u8,
        factors: *const i8,
    },
    Unpacked {
        bytes: *const u8,
        factors: *const i8,
    },
    /// Of q8, as [`Dot::q8_split`] makes it.
    Split {
        bytes: *const u8,
    },
}

/// The block whose turn is next: memory that is asked for while another block is multiplied.
#[derive(Clone, Copy)]
struct Ahead {
    elements: *const u8,
    scales: *const u8,
}

impl Ahead {
    /// Asks for the lines of a span, and for a line of the scales. The block is of the same kind as `like`.
    #[inline(always)]
    fn ask<D: Dot>(self, d: D, like: Block, span: usize) {
        let bytes = match like {
            Block::Q8 { .. } | Block::Split { .. } => SPAN * PANEL,
            Block::Q4 { .. } | Block::Unpacked { .. } => SPAN * PANEL / 2,
        };
        for line in 0..bytes / LINE {
            d.ask(self.elements.wrapping_add(span * bytes + line * LINE));
        }
        d.ask(self.scales.wrapping_add(span * LINE));
    }
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
        let one_stream = self.one_stream && D::ASKS_AHEAD;
        // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels.
        unsafe {
            if rows <= D::FEW_ROWS {
                let mut panel = panels.start;
                while panel < panels.end {
                    let left = panels.end - panel;
                    panel += match rows {
                        1 if one_stream => self.few_rows::<D, 1, 1>(d, panel),
                        2 if one_stream => self.few_rows::<D, 2, 1>(d, panel),
                        3 if one_stream => self.few_rows::<D, 3, 1>(d, panel),
                        _ if one_stream => self.few_rows::<D, 4, 1>(d, panel),
                        1 => match D::STREAMS.min(left) {
                            1 => self.few_rows::<D, 1, 1>(d, panel),
                            2 | 3 => self.few_rows::<D, 1, 2>(d, panel),
                            _ => self.few_rows::<D, 1, 4>(d, panel),
                        },
                        2 if left >= 4 => self.few_rows::<D, 2, 4>(d, panel),
                        2 if left >= 2 => self.few_rows::<D, 2, 2>(d, panel),
                        2 => self.few_rows::<D, 2, 1>(d, panel),
                        3 if left >= 2 => self.few_rows::<D, 3, 2>(d, panel),
                        3 => self.few_rows::<D, 3, 1>(d, panel),
                        _ if left >= 2 => self.few_rows::<D, 4, 2>(d, panel),
                        _ => self.few_rows::<D, 4, 1>(d, panel),
                    };
                }
                return;
            }
            // Sums of some panels, `[panels][rows][16]`: the output's rows may lie at powers of two from
            // one another, where they would push each other out of the caches.
            let mut room = MaybeUninit::<Aligned<[f32; PANELS * ROW_BLOCK * PANEL]>>::uninit();
            let room = room.as_mut_ptr().cast::<f32>();
            let size = PANELS * ROW_BLOCK.min(rows) * PANEL;
            // Zeros for the rows that there are: clearing all would take as long as some rows do.
            room.write_bytes(0, size);
            let sums = std::slice::from_raw_parts_mut(room, size);
            let mut prepared = MaybeUninit::<Aligned<[u8; PREPARED]>>::uninit();
            let mut later = Lines::default();
            let mut row = 0;
            while row < rows {
                let count = ROW_BLOCK.min(rows - row);
                let mut panel = panels.start;
                while panel < panels.end {
                    let here = PANELS
                        .min(if count > ROWS_OF_FOUR { 3 } else { 4 })
                        .min(panels.end - panel);
                    for i in 0..here {
                        let sums = &mut sums[i * count * PANEL..][..count * PANEL];
                        self.piece.read(panel + i, row, sums);
                    }
                    for block in 0..self.input.blocks() {
                        for i in 0..here {
                            if later.is_empty() {
                                later = self.later.some(LATER_TOGETHER * LATER_LINES);
                            }
                            later.take(LATER_LINES).for_each(|line| d.ask_later(line));
                            let weights = self.block(panel + i, block);
                            let weights =
                                self.prepare(d, weights, block, count, prepared.as_mut_ptr().cast());
                            let sums = sums[i * count * PANEL..].as_mut_ptr();
                            // The panel's next block, or the first one of the panel whose turn is next.
                            let ahead = if block + 1 < self.input.blocks() {
                                Some((panel + i, block + 1))
                            } else {
                                Some((panel + here + i, 0)).filter(|next| next.0 < panels.end)
                            };
                            let ahead = ahead.map(|(panel, block)| self.place(panel, block));
                            self.times(d, panel + i, block, weights, row, count, sums, ahead);
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
    /// The piece's only `R` rows times `P` panels from `panel` on; returns P.
    ///
    /// # Safety
    /// The panels must be the piece's, and so many its rows.
    #[inline(always)]
    unsafe fn few_rows<D: Dot, const R: usize, const P: usize>(&self, d: D, panel: usize) -> usize {
        let mut sums = [[[0.0; PANEL]; R]; P];
        // SAFETY: the caller's.
        unsafe {
            for p in 0..P {
                self.piece.read(panel + p, 0, sums[p].as_flattened_mut());
            }
            for block in 0..self.input.blocks() {
                let mut blocks = [self.block(panel, block); P];
                for p in 1..P {
                    blocks[p] = self.block(panel + p, block);
                }
                let rows = self.input.block::<R>(block, self.first);
                let found = multiply(d, blocks, self.spans(block), rows);
                for p in 0..P {
                    let scales = d.scales(self.scales(panel + p, block));
                    for r in 0..R {
                        let total = d.scaled(d.totals(), found[p][r], *rows.scales[r]);
                        let to = sums[p][r].as_mut_ptr();
                        d.add_to(total, scales, to, to);
                    }
                }
            }
            for p in 0..P {
                self.piece.write(panel + p, 0, sums[p].as_flattened());
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

    /// A block in the form in which so many rows are multiplied fastest; `to` is where it is written then.
    ///
    /// # Safety
    /// The block must be one of the matrix, `to` must have room for [`PREPARED`] bytes.
    #[inline(always)]
    unsafe fn prepare<D: Dot>(&self, d: D, weights: Block, block: usize, rows: usize, to: *mut u8) -> Block {
        match weights {
            Block::Q4 { factors, .. } if rows >= D::UNPACK_FROM => {
                for span in 0..self.spans(block) {
                    if let Block::Q4 { nibbles, factors } = weights.from(span) {
                        // SAFETY: the caller's.
                        unsafe { d.q4_unpack(nibbles, factors, STEPS, to.add(span * UNPACKED)) };
                    }
                }
                Block::Unpacked { bytes: to, factors }
            }
            Block::Q8 { values } if rows >= D::SPLIT_FROM => {
                // SAFETY: the caller's.
                unsafe { d.q8_split(values, self.spans(block) * STEPS, to) };
                Block::Split { bytes: to }
            }
            _ => weights,
        }
    }

    /// Where a block and its scales begin.
    #[inline(always)]
    fn place(&self, panel: usize, block: usize) -> Ahead {
        match self.block(panel, block) {
            Block::Q8 { values } => Ahead {
                elements: values.cast(),
                scales: self.scales(panel, block).cast(),
            },
            Block::Q4 { nibbles, factors } => Ahead {
                elements: nibbles,
                scales: factors.cast(),
            },
            Block::Unpacked { bytes, factors } => Ahead {
                elements: bytes,
                scales: factors.cast(),
            },
            Block::Split { bytes } => Ahead {
                elements: bytes,
                scales: self.scales(panel, block).cast(),
            },
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
        mut ahead: Option<Ahead>,
    ) {
        let tile = match weights {
            Block::Q8 { .. } | Block::Split { .. } => D::Q8_ROWS,
            Block::Q4 { .. } | Block::Unpacked { .. } => D::Q4_ROWS,
        };
        let scales = self.scales(panel, block);
        let mut done = 0;
        while done < count {
            // SAFETY: the caller's.
            unsafe {
                let (row, to) = (self.first + row + done, sums.add(done * PANEL));
                done += match tile.min(count - done) {
                    1 => self.tile::<D, 1>(d, block, weights, row, scales, to, ahead),
                    2 => self.tile::<D, 2>(d, block, weights, row, scales, to, ahead),
                    3 => self.tile::<D, 3>(d, block, weights, row, scales, to, ahead),
                    8 => self.tile::<D, 8>(d, block, weights, row, scales, to, ahead),
                    _ => self.tile::<D, 4>(d, block, weights, row, scales, to, ahead),
                };
            }
            ahead = None;
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
        ahead: Option<Ahead>,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe {
            let spans = self.spans(block);
            if let Some(ahead) = ahead {
                for span in 0..spans {
                    ahead.ask(d, weights, span);
                }
            }
            let rows = self.input.block::<R>(block, row);
            let [sums] = multiply(d, [weights], spans, rows);
            let scales = d.scales(scales);
            for r in 0..R {
                let total = d.scaled(d.totals(), sums[r], *rows.scales[r]);
                let to = to.add(r * PANEL);
                d.add_to(total, scales, to, to);
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
            // A block is split as a whole.
            Self::Split { bytes } => Self::Split { bytes },
        }
    }
}

/// A block of `spans` spans of some rows and panels. The panels' blocks are of one kind.
///
/// # Safety
/// There must be such a block.
#[inline(always)]
unsafe fn multiply<D: Dot, const R: usize, const P: usize>(
    d: D,
    blocks: [Block; P],
    spans: usize,
    mut rows: BlockRows<R>,
) -> [[D::Sums; R]; P] {
    let steps = spans * STEPS;
    let mut factors = [std::ptr::null(); P];
    let mut values = [std::ptr::null(); P];
    let mut elements = [std::ptr::null(); P];
    for p in 0..P {
        match blocks[p] {
            Block::Q8 { values: own } => values[p] = own,
            Block::Q4 {
                nibbles: own,
                factors: its,
            }
            | Block::Unpacked {
                bytes: own,
                factors: its,
            } => (elements[p], factors[p]) = (own, its),
            Block::Split { bytes } => elements[p] = bytes,
        }
    }
    // SAFETY: the caller's.
    unsafe {
        match blocks[0] {
            Block::Q8 { .. } => d.q8(values, steps, rows),
            Block::Q4 { .. } => d.q4(elements, factors, steps, rows),
            Block::Split { .. } => {
                let mut all = [d.q8_of_split(elements[0], steps, rows); P];
                for p in 1..P {
                    all[p] = d.q8_of_split(elements[p], steps, rows);
                }
                all
            }
            Block::Unpacked { .. } => {
                // What is unpacked lies span by span.
                let mut all = [d.q4_unpacked(elements[0], factors[0], STEPS, rows); P];
                for p in 1..P {
                    all[p] = d.q4_unpacked(elements[p], factors[p], STEPS, rows);
                }
                for _ in 1..spans {
                    rows = rows.further(SPAN);
                    for p in 0..P {
                        elements[p] = elements[p].add(UNPACKED);
                        factors[p] = factors[p].add(SPAN / GROUP * PANEL);
                        let more = d.q4_unpacked(elements[p], factors[p], STEPS, rows);
                        for r in 0..R {
                            all[p][r] = d.plus(all[p][r], more[r]);
                        }
                    }
                }
                all
            }
        }
    }
}
