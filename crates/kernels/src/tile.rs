//! The inner loop of every matrix product: a few rows times a panel of columns.
//!
//! Each output element is one chain of multiply-adds over k from 0 up. It does not matter how many
//! rows or panels share the loop, nor that a long k is taken in blocks (the partial sums rest in the
//! output as f32, unchanged): the same numbers are added in the same order, so the bits are the same.

use crate::memory::Plain;
use crate::simd::Simd;

/// Element type of the right-hand side.
pub(crate) trait Operand: Plain {
    /// Reads one row of a panel: `2 · LANES` columns.
    ///
    /// # Safety
    /// `from` must be valid for reading that many elements.
    unsafe fn load<S: Simd>(s: S, from: *const Self) -> [S::V; 2];
}

impl Operand for f32 {
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const Self) -> [S::V; 2] {
        // SAFETY: the caller's.
        unsafe { [s.load(from), s.load(from.add(S::LANES))] }
    }
}

/// bf16 bits; even and odd columns become the first and the second vector.
impl Operand for u16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const Self) -> [S::V; 2] {
        // SAFETY: the caller's.
        unsafe { s.load_interleaved(from) }
    }
}

/// The left-hand side: element (row, k) lies at `row · row_stride + k · k_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub(crate) start: *const f32,
    pub(crate) row_stride: usize,
    pub(crate) k_stride: usize,
}

impl Left {
    /// From row `row` and `k` on.
    ///
    /// # Safety
    /// That element must lie in the same allocation.
    #[inline(always)]
    pub(crate) unsafe fn at(self, row: usize, k: usize) -> Self {
        // SAFETY: the caller's.
        let start = unsafe { self.start.add(row * self.row_stride + k * self.k_stride) };
        Self { start, ..self }
    }
}

/// The right-hand side: row k of panel p lies at `p · panel_stride + k · k_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Right<B> {
    pub(crate) start: *const B,
    pub(crate) panel_stride: usize,
    pub(crate) k_stride: usize,
}

impl<B> Right<B> {
    /// From panel `panel` and `k` on.
    ///
    /// # Safety
    /// That element must lie in the same allocation.
    #[inline(always)]
    pub(crate) unsafe fn at(self, panel: usize, k: usize) -> Self {
        // SAFETY: the caller's.
        let start = unsafe { self.start.add(panel * self.panel_stride + k * self.k_stride) };
        Self { start, ..self }
    }
}

/// The result, row-major; panel p's columns start at `p · 2 · LANES`.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) start: *mut f32,
    pub(crate) row_stride: usize,
    /// Add to what is there instead of to zero.
    pub(crate) accumulate: bool,
}

/// Rows that [`rows_times_panel`] takes at once.
pub(crate) const ROWS: usize = 6;

/// `ROWS_HERE` rows times `PANELS` panels.
///
/// # Safety
/// All operands must be valid for those rows, `k` and panels; the output is written by no one else.
#[inline(always)]
unsafe fn tile<S: Simd, B: Operand, const ROWS_HERE: usize, const PANELS: usize>(
    s: S,
    k: usize,
    left: Left,
    right: Right<B>,
    output: Output,
) {
    let mut sums = [[[s.splat(0.0); 2]; PANELS]; ROWS_HERE];
    let width = 2 * S::LANES;
    // SAFETY: the caller's.
    unsafe {
        if output.accumulate {
            for row in 0..ROWS_HERE {
                for panel in 0..PANELS {
                    let from = output.start.add(row * output.row_stride + panel * width);
                    sums[row][panel] = [s.load(from), s.load(from.add(S::LANES))];
                }
            }
        }
        for i in 0..k {
            for panel in 0..PANELS {
                let [first, second] = B::load(s, right.at(panel, i).start);
                for row in 0..ROWS_HERE {
                    let x = s.splat(*left.at(row, i).start);
                    sums[row][panel][0] = s.mul_add(x, first, sums[row][panel][0]);
                    sums[row][panel][1] = s.mul_add(x, second, sums[row][panel][1]);
                }
            }
        }
        for row in 0..ROWS_HERE {
            for panel in 0..PANELS {
                let to = output.start.add(row * output.row_stride + panel * width);
                s.store(to, sums[row][panel][0]);
                s.store(to.add(S::LANES), sums[row][panel][1]);
            }
        }
    }
}

/// Any number of rows times one panel.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
pub(crate) unsafe fn rows_times_panel<S: Simd, B: Operand>(
    s: S,
    rows: usize,
    k: usize,
    left: Left,
    right: Right<B>,
    output: Output,
) {
    let mut row = 0;
    while row < rows {
        // SAFETY: the caller's, for rows `row..rows`.
        unsafe {
            let left = left.at(row, 0);
            let output = Output {
                start: output.start.add(row * output.row_stride),
                ..output
            };
            match rows - row {
                1 => tile::<S, B, 1, 1>(s, k, left, right, output),
                2 => tile::<S, B, 2, 1>(s, k, left, right, output),
                3 => tile::<S, B, 3, 1>(s, k, left, right, output),
                4 => tile::<S, B, 4, 1>(s, k, left, right, output),
                5 => tile::<S, B, 5, 1>(s, k, left, right, output),
                _ => tile::<S, B, ROWS, 1>(s, k, left, right, output),
            }
        }
        row += ROWS;
    }
}

/// One to three rows times some panels: several panels at once, because one panel's sums are too few
/// to hide the latency of the additions, and because several streams read memory faster than one.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
pub(crate) unsafe fn few_rows_times_panels<S: Simd, B: Operand>(
    s: S,
    rows: usize,
    panels: usize,
    k: usize,
    left: Left,
    right: Right<B>,
    output: Output,
) {
    let mut panel = 0;
    while panel < panels {
        // SAFETY: the caller's, for panels `panel..panels`.
        unsafe {
            let right = right.at(panel, 0);
            let output = Output {
                start: output.start.add(panel * 2 * S::LANES),
                ..output
            };
            panel += match (rows, panels - panel) {
                (1, 4..) => {
                    tile::<S, B, 1, 4>(s, k, left, right, output);
                    4
                }
                (2, 2..) => {
                    tile::<S, B, 2, 2>(s, k, left, right, output);
                    2
                }
                (3, 2..) => {
                    tile::<S, B, 3, 2>(s, k, left, right, output);
                    2
                }
                _ => {
                    rows_times_panel(s, rows, k, left, right, output);
                    1
                }
            };
        }
    }
}
