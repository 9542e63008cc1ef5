//! Inputs of quantised products: int8 per row and block, made once per product.

use super::{BLOCK, GROUP, greatest, padded};
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
    pub(crate) fn blocks(&self) -> usize {
        self.k.div_ceil(BLOCK)
    }

    /// From row `row` on.
    ///
    /// # Safety
    /// There must be such a row.
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

/// One row. Plain loops: the compiler vectorises them with the instruction set they are inlined in,
/// and the results are IEEE's, the same everywhere.
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
    fn run<S: Simd>(self, _: S) {
        let blocks = self.values.chunks_mut(BLOCK).zip(self.input.chunks(BLOCK));
        for ((values, input), scale) in blocks.zip(self.scales) {
            let most = greatest(input);
            // Below, 127 / most would not be finite; such rows are zero for every purpose.
            let zero = most < 1e-36;
            *scale = if zero { 0.0 } else { most / 127.0 };
            let factor = if zero { 0.0 } else { 127.0 / most };
            let (head, tail) = values.split_at_mut(input.len());
            for (value, x) in head.iter_mut().zip(input) {
                let rounded = (x * factor).round_ties_even();
                let clamped = if rounded > -127.0 { rounded } else { -127.0 };
                let clamped = if clamped < 127.0 { clamped } else { 127.0 };
                // SAFETY: -127..=127; NaN has become -127.
                *value = unsafe { clamped.to_int_unchecked::<i32>() } as i8;
            }
            tail.fill(0);
        }
        for (offset, group) in self.offsets.iter_mut().zip(self.values.chunks_exact(GROUP)) {
            let mut sums = [0_i32; 4];
            for step in group.as_chunks::<4>().0 {
                for (sum, value) in sums.iter_mut().zip(step) {
                    *sum += i32::from(*value);
                }
            }
            // At most 8 · 16 · 127 in magnitude.
            *offset = [
                (-8 * (sums[0] + sums[1])) as i16,
                (-8 * (sums[2] + sums[3])) as i16,
            ];
        }
    }
}
