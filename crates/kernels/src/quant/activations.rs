//! Inputs of quantised products: int8 per row and block, made once per product.

use super::{BLOCK, GROUP, padded};
use crate::Cpu;
use crate::pool::Share;
use crate::simd::{Kernel, Simd};

/// Rows in int8. Buffers grow once and are used again.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    /// `[rows, padded k]`
    pub(super) values: Vec<i8>,
    /// `[rows, blocks]`
    pub(super) scales: Vec<f32>,
    /// `[rows, padded k / 32]`: two i16, -8 times the sum of the group's values at k mod 4 in {0, 1}
    /// and in {2, 3}: what turns sums over nibbles n into sums over n - 8.
    offsets: Vec<[i16; 2]>,
}

/// A view of some rows for the kernels.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) values: *const i8,
    pub(crate) scales: *const f32,
    pub(crate) offsets: *const [i16; 2],
    /// Padded k: elements of `values` per row.
    pub(crate) k: usize,
}

// SAFETY: a view of numbers that nobody changes while it lives.
unsafe impl Sync for Rows {}
// SAFETY: as above.
unsafe impl Send for Rows {}

impl Rows {
    /// Blocks along k.
    #[inline]
    pub(crate) fn blocks(&self) -> usize {
        self.k.div_ceil(BLOCK)
    }

    /// From row `row` on.
    ///
    /// # Safety
    /// There must be such a row.
    #[inline]
    pub(crate) unsafe fn at(self, row: usize) -> Self {
        // SAFETY: the caller's.
        unsafe {
            Self {
                values: self.values.add(row * self.k),
                scales: self.scales.add(row * self.blocks()),
                offsets: self.offsets.add(row * (self.k / GROUP)),
                k: self.k,
            }
        }
    }
}

impl Activations {
    /// Rounds `[rows, k]`.
    pub(crate) fn quantise(&mut self, cpu: &Cpu, input: &[f32], k: usize) -> Rows {
        let rows = input.len() / k.max(1);
        let width = padded(k);
        let (blocks, groups) = (width.div_ceil(BLOCK), width / GROUP);
        grow(&mut self.values, rows * width);
        grow(&mut self.scales, rows * blocks);
        grow(&mut self.offsets, rows * groups);
        let (scales, offsets) = (Share(self.scales.as_mut_ptr()), Share(self.offsets.as_mut_ptr()));
        cpu.pieces(
            &mut self.values[..rows * width],
            width,
            rows * width * 2,
            |row, values| {
                // SAFETY: each row has its own scales and offsets.
                let (scales, offsets) = unsafe {
                    (
                        std::slice::from_raw_parts_mut(scales.get().add(row * blocks), blocks),
                        std::slice::from_raw_parts_mut(offsets.get().add(row * groups), groups),
                    )
                };
                cpu.isa.run(Round {
                    input: &input[row * k..][..k],
                    values,
                    scales,
                    offsets,
                });
            },
        );
        Rows {
            values: self.values.as_ptr(),
            scales: self.scales.as_ptr(),
            offsets: self.offsets.as_ptr(),
            k: width,
        }
    }
}

fn grow<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
}

/// One row. All operations are IEEE's, so the results are the same everywhere.
struct Round<'a> {
    /// `[k]`
    input: &'a [f32],
    /// `[padded k]`
    values: &'a mut [i8],
    scales: &'a mut [f32],
    offsets: &'a mut [[i16; 2]],
}

impl Kernel for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            input,
            values,
            scales,
            offsets,
        } = self;
        for block in 0..scales.len() {
            let from = block * BLOCK;
            let (len, width) = (BLOCK.min(input.len() - from), BLOCK.min(values.len() - from));
            // SAFETY: `len` inputs and `width` values from `from` on; `width` is a multiple of 64.
            scales[block] = unsafe {
                round_block(
                    s,
                    input.as_ptr().add(from),
                    len,
                    values.as_mut_ptr().add(from),
                    width,
                )
            };
        }
        for group in 0..offsets.len() {
            let mut sums = [0_i32; 2];
            for i in 0..GROUP {
                sums[i / 2 % 2] += i32::from(values[group * GROUP + i]);
            }
            // At most 8 · 16 · 127 in magnitude.
            offsets[group] = [(-8 * sums[0]) as i16, (-8 * sums[1]) as i16];
        }
    }
}

/// Rounds `len` numbers to `width` bytes, zeros behind them; returns the scale.
///
/// # Safety
/// `input` has `len` elements, `values` has `width`, a multiple of 64.
#[inline(always)]
unsafe fn round_block<S: Simd>(s: S, input: *const f32, len: usize, values: *mut i8, width: usize) -> f32 {
    let zero = s.splat(0.0);
    let (mut most, mut wrong) = (zero, zero);
    let mut i = 0;
    while i < len {
        // SAFETY: the caller's.
        let x = unsafe { s.load_part(input.add(i), S::LANES.min(len - i)) };
        most = s.max(most, s.max(x, s.sub(zero, x)));
        // Zero for every number, NaN for what is none: the scale shows it.
        wrong = s.add(wrong, s.sub(x, x));
        i += S::LANES;
    }
    let (lanes, wrong) = (s.to_array(most), s.sum(wrong));
    let mut most = 0.0;
    for lane in 0..S::LANES {
        most = if lanes[lane] > most { lanes[lane] } else { most };
    }
    // Below, 127 / most would not be finite; such blocks are zero for every purpose.
    let factor = if most < 1e-36 { 0.0 } else { 127.0 / most };
    let (low, high) = (s.splat(-127.0), s.splat(127.0));
    let factors = s.splat(factor);
    let mut i = 0;
    while i < width {
        let n = S::LANES.min(len.saturating_sub(i));
        // SAFETY: the caller's.
        unsafe {
            let x = if n == 0 {
                zero
            } else {
                s.load_part(input.add(i), n)
            };
            // The limits come second, so that NaN becomes one.
            let rounded = s.min(s.max(s.round(s.mul(x, factors)), low), high);
            s.store_i8(values.add(i), rounded);
        }
        i += S::LANES;
    }
    (if factor == 0.0 { 0.0 } else { most / 127.0 }) + wrong
}
