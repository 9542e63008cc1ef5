//! Integer products of many rows.
//!
//! Up to four tiles of rows times a panel share what they read of it, in as many tiles of sums. Blocks of 256 columns stay
//! in the first-level cache while rows go by; of many rows a few panels at a time, so that their inputs, which stay in the
//! second-level cache, are read once for all. A block's sums are scaled while tiles multiply what follows.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::super::integer::{Block, Integer};
use crate::Isa;
use crate::dot::{Dot, DotKernel};
use crate::later::LINE;
use crate::matrix::PANEL;
use crate::quant::{BLOCK, SPAN};
use crate::tiles::{COLUMN_TILES, Column, ROWS, TileKernel, Tiles};

/// Rows at a time: what unpacking a block of q4 costs is then small beside what is done with it.
pub(in super::super) const ROW_BLOCK: usize = 512;
/// Rows from which on tiles are used. Measured at 16, where they are faster than AVX-512 VNNI; by counting cycles
/// for fewer: up to 16 rows cost tiles as much as one does. The results are the same bits.
pub(super) const FROM_ROWS: usize = 5;
/// Panels that share their reading of many rows.
const PANELS: usize = 4;
/// Rows of a column of tiles.
const COLUMN_ROWS: usize = COLUMN_TILES * ROWS;
/// Rows of a strip.
const STRIP_ROWS: usize = ROWS;
/// Rows from which on panels share their reading. Of fewer, one after another: memory is read fastest straight on.
const SHARED_FROM: usize = 97;

/// What lies between inputs and outputs.
#[repr(C, align(64))]
struct Space {
    /// A block of the panels, in int8.
    unpacked: [[i8; BLOCK * PANEL]; PANELS],
    /// A column's sums of a block: of one, and of the one before it.
    found: [[[i32; PANEL]; COLUMN_ROWS]; 2],
    /// What the blocks so far give, `[panels][rows][16]`.
    sums: [f32; PANELS * ROW_BLOCK * PANEL],
}

/// What sums start from.
static ZEROS: [f32; PANEL] = [0.0; PANEL];

/// Where rows of a panel's sums are read, and where they go.
#[derive(Clone, Copy)]
struct Place {
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
}

/// A column's sums of a block, which are scaled while the next one's are made: vectors and tiles then work at the same
/// time.
#[derive(Clone, Copy)]
struct Waiting<S> {
    rows: usize,
    found: *const i32,
    inputs: *const f32,
    scales: S,
    place: Place,
}

impl<S: Copy> Waiting<S> {
    /// Adds them where they belong.
    ///
    /// # Safety
    /// The sums and a scale of each row must be there, and the place has so many rows.
    #[inline(always)]
    unsafe fn end<D: Dot<Totals = S>>(self, d: D) {
        let Place { from, to, .. } = self.place;
        // A loop, no closure: they are not always inlined.
        let mut r = 0;
        while r < self.rows {
            // SAFETY: the caller's.
            unsafe {
                let total = d.scaled(d.totals(), d.load(self.found.add(r * PANEL)), *self.inputs.add(r));
                let from = from.add(r * self.place.from_stride);
                d.add_to(total, self.scales, from, to.add(r * self.place.to_stride));
            }
            r += 1;
        }
    }
}

/// Blocks that are asked for while others are multiplied.
struct Next {
    starts: [*const u8; PANELS],
    count: usize,
    /// Lines of each.
    lines: usize,
}

impl Next {
    #[inline(always)]
    fn ask<D: Dot>(&self, d: D, line: usize) {
        for start in &self.starts[..self.count] {
            d.ask_later(start.wrapping_add(line * LINE));
        }
    }
}

/// Integer products on tiles.
pub(in super::super) struct TiledInteger<'a>(pub(in super::super) Integer<'a>);

impl TileKernel for TiledInteger<'_> {
    #[inline]
    fn run<T: Tiles>(self, isa: Isa, tiles: T) {
        isa.run_dot(WithDot {
            product: self.0,
            tiles,
        });
    }
}

/// Tiles, and the vectors that unpack weights and scale sums.
struct WithDot<'a, T> {
    product: Integer<'a>,
    tiles: T,
}

impl<T: Tiles> DotKernel for WithDot<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, d: D) {
        let (all_rows, panels) = (self.product.piece.rows, self.product.piece.panels.clone());
        // Without zeroing what few rows do not use.
        let mut space = MaybeUninit::<Space>::uninit();
        let space = space.as_mut_ptr();
        let piece = &self.product.piece;
        for row in (0..all_rows).step_by(ROW_BLOCK) {
            let rows = ROW_BLOCK.min(all_rows - row);
            let together = if rows < SHARED_FROM { 1 } else { PANELS };
            for first in panels.clone().step_by(together) {
                let panels = first..panels.end.min(first + together);
                // The matrix's last panel may have fewer columns: its sums have a place beside the output.
                let is_whole = panels.end * PANEL <= piece.n;
                // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its
                // panels; the space is written before it is read.
                unsafe {
                    let sums = (&raw mut (*space).sums).cast::<f32>();
                    if !is_whole {
                        piece.read_all(panels.clone(), row, rows, sums, rows * PANEL);
                    }
                    if together == 1 {
                        self.one_panel(d, first, row, rows, is_whole, space);
                    } else {
                        self.panels(d, panels.clone(), row, rows, is_whole, space);
                    }
                    if !is_whole {
                        piece.write_all(panels, row, rows, sums, rows * PANEL);
                    }
                }
            }
        }
    }
}

impl<T: Tiles> WithDot<'_, T> {
    /// Asks for what will be written: a block's share of the rows.
    #[inline(always)]
    fn ask_for<D: Dot>(&self, d: D, panels: Range<usize>, block: usize, row: usize, rows: usize) {
        let piece = &self.product.piece;
        let share = rows.div_ceil(self.product.input.blocks());
        for r in block * share..rows.min((block + 1) * share) {
            let start = piece.out.wrapping_add((row + r) * piece.n);
            for panel in panels.clone() {
                d.ask_later(start.wrapping_add(panel * PANEL));
            }
        }
    }

    /// What is read after a block of some panels: their next one, or the first one of the panels behind them.
    #[inline(always)]
    fn next(&self, panels: &Range<usize>, block: usize) -> Next {
        let product = &self.product;
        let (panel, block) = if block + 1 < product.input.blocks() {
            (panels.start, block + 1)
        } else {
            (panels.end, 0)
        };
        // One panel asks for what is behind its block itself.
        let there = if panels.len() == 1 {
            0
        } else {
            product.piece.panels.end
        };
        let count = panels.len().min(there.saturating_sub(panel));
        let mut next = Next {
            starts: [std::ptr::null(); PANELS],
            count,
            lines: 0,
        };
        for i in 0..count {
            let bytes = product.input.width(block) * PANEL;
            (next.starts[i], next.lines) = match product.block(panel + i, block) {
                Block::Q8 { values } => (values.cast(), bytes / LINE),
                Block::Q4 { nibbles, .. } => (nibbles, bytes / 2 / LINE),
                Block::Unpacked { bytes, .. } | Block::Split { bytes } => (bytes, 0),
            };
        }
        next
    }

    /// A block of a panel in int8, where it lies or unpacked to `room`.
    ///
    /// # Safety
    /// There must be such a panel and such a block, and room for one.
    #[inline(always)]
    unsafe fn weights<D: Dot>(&self, d: D, panel: usize, block: usize, room: *mut i8) -> *const u8 {
        let product = &self.product;
        match product.block(panel, block) {
            Block::Q8 { values } => values.cast(),
            Block::Q4 { nibbles, factors } => {
                // SAFETY: the caller's.
                unsafe { d.q4_int8(nibbles, factors, product.input.width(block) / 4, room) };
                room.cast_const().cast()
            }
            Block::Unpacked { bytes, .. } | Block::Split { bytes } => bytes,
        }
    }

    /// Where a block's sums of a panel and of rows from `row` on are read and go: they begin at zero or with what is
    /// there, rest in `sums`, and end where they belong. Those of a panel that is not whole rest in `sums` all the time.
    ///
    /// # Safety
    /// There must be such a panel and such rows.
    #[inline(always)]
    unsafe fn place(&self, panel: usize, block: usize, row: usize, is_whole: bool, sums: *mut f32) -> Place {
        let piece = &self.product.piece;
        let mut place = Place {
            from: sums,
            from_stride: PANEL,
            to: sums,
            to_stride: PANEL,
        };
        if is_whole {
            // SAFETY: the caller's.
            let out = unsafe { piece.out.add(row * piece.n + panel * PANEL) };
            if block == 0 {
                (place.from, place.from_stride) = if piece.accumulate {
                    (out.cast_const(), piece.n)
                } else {
                    (ZEROS.as_ptr(), 0)
                };
            }
            if block + 1 == self.product.input.blocks() {
                (place.to, place.to_stride) = (out, piece.n);
            }
        }
        place
    }

    /// Rows `row..row + rows` times a panel, a strip of tiles after another: what a strip makes is little enough that the
    /// next one is multiplied, and a block unpacked, while it is scaled.
    ///
    /// # Safety
    /// As for [`panels`](Self::panels).
    #[inline(always)]
    unsafe fn one_panel<D: Dot>(
        &self,
        d: D,
        panel: usize,
        row: usize,
        rows: usize,
        is_whole: bool,
        space: *mut Space,
    ) {
        let product = &self.product;
        let mut waiting: Option<Waiting<D::Totals>> = None;
        let mut flip = 0;
        for block in 0..product.input.blocks() {
            self.ask_for(d, panel..panel + 1, block, row, rows);
            let from_memory = matches!(product.block(panel, block), Block::Q8 { .. });
            // SAFETY: the caller's; a span is a tile.
            unsafe {
                let weights = self.weights(d, panel, block, (&raw mut (*space).unpacked[0]).cast());
                let scales = d.scales(product.scales(panel, block));
                for start in (0..rows).step_by(STRIP_ROWS) {
                    let here = (rows - start).min(STRIP_ROWS);
                    let input = product.input.block::<1>(block, product.first + row + start);
                    let found = (&raw mut (*space).found[flip]).cast::<i32>();
                    flip = 1 - flip;
                    self.tiles.int8_column(Column {
                        tiles: here.div_ceil(ROWS),
                        input: input.values[0].cast(),
                        input_stride: BLOCK,
                        input_step: SPAN,
                        panel: weights,
                        ask: from_memory && start == 0,
                        steps: product.spans(block),
                        sums: found.cast(),
                    });
                    let sums = (&raw mut (*space).sums).cast::<f32>().add(start * PANEL);
                    let now = Waiting {
                        rows: here,
                        found,
                        inputs: input.scales[0],
                        scales,
                        place: self.place(panel, block, row + start, is_whole, sums),
                    };
                    if let Some(before) = waiting.replace(now) {
                        before.end(d);
                    }
                }
            }
        }
        if let Some(last) = waiting {
            // SAFETY: as above.
            unsafe { last.end(d) };
        }
    }

    /// Rows `row..row + rows` times up to [`PANELS`] panels.
    ///
    /// # Safety
    /// The rows and panels must be the piece's, and behind the last row of the inputs there must be 15 more. What is not
    /// whole has its sums in the space.
    #[inline(always)]
    unsafe fn panels<D: Dot>(
        &self,
        d: D,
        panels: Range<usize>,
        row: usize,
        rows: usize,
        is_whole: bool,
        space: *mut Space,
    ) {
        let product = &self.product;
        let count = panels.len();
        let mut waiting: Option<Waiting<D::Totals>> = None;
        let mut flip = 0;
        for block in 0..product.input.blocks() {
            self.ask_for(d, panels.clone(), block, row, rows);
            let mut weights = [std::ptr::null::<u8>(); PANELS];
            let mut scales = [d.totals(); PANELS];
            for i in 0..count {
                let panel = panels.start + i;
                // SAFETY: the caller's.
                unsafe {
                    let room = (&raw mut (*space).unpacked[i]).cast();
                    weights[i] = self.weights(d, panel, block, room);
                    scales[i] = d.scales(product.scales(panel, block));
                }
            }
            let next = self.next(&panels, block);
            let share = next.lines.div_ceil(rows.div_ceil(COLUMN_ROWS));
            for (group, start) in (0..rows).step_by(COLUMN_ROWS).enumerate() {
                let here = (rows - start).min(COLUMN_ROWS);
                for line in group * share..(group + 1) * share {
                    next.ask(d, line);
                }
                for i in 0..count {
                    // SAFETY: the caller's; a span is a tile.
                    unsafe {
                        let input = product.input.block::<1>(block, product.first + row + start);
                        let found = (&raw mut (*space).found[flip]).cast::<i32>();
                        self.tiles.int8_column(Column {
                            tiles: here.div_ceil(ROWS),
                            input: input.values[0].cast(),
                            input_stride: BLOCK,
                            input_step: SPAN,
                            panel: weights[i],
                            ask: false,
                            steps: product.spans(block),
                            sums: found.cast(),
                        });
                        let sums = (&raw mut (*space).sums).cast::<f32>();
                        let sums = sums.add((i * rows + start) * PANEL);
                        let now = Waiting {
                            rows: here,
                            found,
                            inputs: input.scales[0],
                            scales: scales[i],
                            place: self.place(panels.start + i, block, row + start, is_whole, sums),
                        };
                        if let Some(before) = waiting.replace(now) {
                            before.end(d);
                        }
                        flip = 1 - flip;
                    }
                }
            }
        }
        if let Some(last) = waiting {
            // SAFETY: as above.
            unsafe { last.end(d) };
        }
    }
}
