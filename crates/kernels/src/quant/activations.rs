//! Inputs of quantised products: int8 with a scale per row and block, made once per product.

use super::{BLOCK, GROUP, GROUPS, padded};
use crate::dot::BlockRows;
use crate::memory::Lines;
use crate::pool::Share;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Group};

/// Rows in int8. Buffers grow once and are used again.
///
/// The rows of a block of columns lie together, so that many rows of one block fit the first-level
/// cache: at a power of two from one another they would share a few of its sets.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    /// `[blocks][rows][256]`. The last block is as wide as the others, so that rows lie at distances that
    /// kernels know; what is beyond k there is not read.
    pub(super) values: Lines,
    /// `[blocks][rows]`
    pub(super) scales: Vec<f32>,
    /// `[blocks][rows][8]`: two i16, -8 times the sum of the group's values at k mod 4 in {0, 1}
    /// and in {2, 3}: what turns sums over nibbles n into sums over n - 8.
    pub(super) offsets: Vec<[i16; 2]>,
    /// `[blocks][rows][8]`: the sum of the two.
    pub(super) bases: Vec<i32>,
    /// `[blocks][rows]`: -128 times the sum of the values, which turns sums over w + 128 into
    /// sums over w.
    pub(super) starts: Vec<i32>,
    /// The same of rows in another order.
    indexed: Option<Box<Activations>>,
    /// f32 rows in another order.
    pub(crate) gathered: Vec<f32>,
    /// Rows in bf16.
    pub(crate) pairs: Lines,
    /// Rows and matrices of a product's tasks.
    pub(crate) chunks: Vec<Group>,
    /// Panels of a product of some outputs.
    pub(crate) panels: Vec<u32>,
}

/// A view for the kernels.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    values: *const i8,
    scales: *const f32,
    offsets: *const [i16; 2],
    bases: *const i32,
    starts: *const i32,
    count: usize,
    /// Padded k.
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

    /// Columns of a block.
    #[inline]
    pub(crate) fn width(&self, block: usize) -> usize {
        BLOCK.min(self.k - block * BLOCK)
    }

    /// What a number of a row was rounded to.
    pub(crate) fn value(&self, row: usize, at: usize) -> f32 {
        assert!(row < self.count && at < self.k, "a number of a row");
        // SAFETY: there is such a row and such a number.
        unsafe {
            let start = at / BLOCK * self.count + row;
            *self.scales.add(start) * f32::from(*self.values.add(start * BLOCK + at % BLOCK))
        }
    }

    /// What the first numbers of a row were rounded to.
    pub(crate) fn values(&self, row: usize, to: &mut [f32]) {
        for (at, to) in to.iter_mut().enumerate() {
            *to = self.value(row, at);
        }
    }

    /// A block of `R` rows from `row` on.
    ///
    /// # Safety
    /// There must be such a block and such rows.
    #[inline(always)]
    pub(crate) unsafe fn block<const R: usize>(&self, block: usize, row: usize) -> BlockRows<R> {
        let start = (block * self.count + row) * BLOCK;
        // SAFETY: the caller's.
        unsafe {
            let mut rows = BlockRows {
                values: [self.values.add(start); R],
                offsets: [self.offsets.add(start / GROUP); R],
                bases: [self.bases.add(start / GROUP); R],
                scales: [self.scales.add(start / BLOCK); R],
                starts: [self.starts.add(start / BLOCK); R],
            };
            for r in 0..R {
                rows.values[r] = rows.values[r].add(r * BLOCK);
                rows.offsets[r] = rows.offsets[r].add(r * GROUPS);
                rows.bases[r] = rows.bases[r].add(r * GROUPS);
                rows.scales[r] = rows.scales[r].add(r);
                rows.starts[r] = rows.starts[r].add(r);
            }
            rows
        }
    }
}

impl Activations {
    /// Rounds `[rows, k]`. Without `sums` only the values and their scales are made: tiles need no more.
    pub(crate) fn quantise(&mut self, cpu: &Cpu, input: &[f32], k: usize, sums: bool) -> Rows {
        let rows = input.len() / k.max(1);
        let padded = padded(k);
        let blocks = padded.div_ceil(BLOCK);
        self.make_room(rows * blocks);
        let to = Share(&raw mut *self);
        let round = |row: usize| {
            // SAFETY: each row has its own places, which lie inside the buffers.
            unsafe {
                let to = &*to.get();
                for block in 0..blocks {
                    let from = block * BLOCK;
                    let width = BLOCK.min(padded - from);
                    let start = (block * rows + row) * BLOCK;
                    cpu.isa.run(Round {
                        input: &input[row * k + from..][..BLOCK.min(k - from)],
                        width,
                        sums,
                        values: to.values.start::<i8>().cast_mut().add(start),
                        scale: to.scales.as_ptr().cast_mut().add(start / BLOCK),
                        offsets: to.offsets.as_ptr().cast_mut().add(start / GROUP),
                        bases: to.bases.as_ptr().cast_mut().add(start / GROUP),
                        start: to.starts.as_ptr().cast_mut().add(start / BLOCK),
                    });
                }
            }
        };
        if rows * padded * ROUNDING < cpu.share_from {
            (0..rows).for_each(round);
        } else {
            cpu.pool.run(rows, round);
        }
        self.rows(rows, padded)
    }

    fn make_room(&mut self, blocks: usize) {
        // A tile reads 16 rows, however few are left.
        self.values.grow((blocks + 15) * BLOCK);
        grow(&mut self.scales, blocks);
        grow(&mut self.starts, blocks);
        grow(&mut self.offsets, blocks * GROUPS);
        grow(&mut self.bases, blocks * GROUPS);
    }

    fn rows(&self, count: usize, k: usize) -> Rows {
        Rows {
            values: self.values.start(),
            scales: self.scales.as_ptr(),
            offsets: self.offsets.as_ptr(),
            bases: self.bases.as_ptr(),
            starts: self.starts.as_ptr(),
            count,
            k,
        }
    }
}

impl Activations {
    /// Rows `index[i]` of what [`quantise`](Self::quantise) made, as rows i.
    pub(crate) fn reorder(&mut self, cpu: &Cpu, rounded: Rows, index: &[u32]) -> Rows {
        let mut to = self.indexed.take().unwrap_or_default();
        let blocks = rounded.blocks();
        to.make_room(index.len() * blocks);
        let target = Share(&raw mut *to);
        let copy = |row: usize| {
            let old = index[row] as usize;
            assert!(old < rounded.count);
            for block in 0..blocks {
                let (new, old) = (block * index.len() + row, block * rounded.count + old);
                // SAFETY: each row has its own places, which lie inside the buffers.
                unsafe {
                    let to = &*target.get();
                    copy_block::<BLOCK, i8>(self.values.start(), to.values.start(), old, new);
                    copy_block::<1, _>(self.scales.as_ptr(), to.scales.as_ptr(), old, new);
                    copy_block::<1, _>(self.starts.as_ptr(), to.starts.as_ptr(), old, new);
                    copy_block::<GROUPS, _>(self.offsets.as_ptr(), to.offsets.as_ptr(), old, new);
                    copy_block::<GROUPS, _>(self.bases.as_ptr(), to.bases.as_ptr(), old, new);
                }
            }
        };
        if index.len() * rounded.k / 4 < cpu.share_from {
            (0..index.len()).for_each(copy);
        } else {
            cpu.pool.run(index.len(), copy);
        }
        let rows = to.rows(index.len(), rounded.k);
        self.indexed = Some(to);
        rows
    }
}

/// Copies `N` elements from place `old` of such to place `new`.
///
/// # Safety
/// There must be such places, and nobody else uses the new one.
unsafe fn copy_block<const N: usize, T: Copy>(from: *const T, to: *const T, old: usize, new: usize) {
    // SAFETY: the caller's.
    unsafe {
        let from = from.add(old * N);
        from.copy_to_nonoverlapping(to.cast_mut().add(new * N), N);
    }
}

/// What rounding a number costs, in multiply-adds, and more: the product that follows waits for it.
const ROUNDING: usize = 64;

fn grow<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
}

/// A block of one row. All operations are IEEE's, so the results are the same everywhere.
struct Round<'a> {
    input: &'a [f32],
    /// A multiple of 64, at least the input's length.
    width: usize,
    /// Whether sums are wanted as well.
    sums: bool,
    /// `[width]`
    values: *mut i8,
    scale: *mut f32,
    /// `[width / 32]`
    offsets: *mut [i16; 2],
    /// `[width / 32]`
    bases: *mut i32,
    start: *mut i32,
}

impl Kernel for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (input, width, values) = (self.input, self.width, self.values);
        // SAFETY: whoever made this vouches for the sizes.
        unsafe {
            *self.scale = round(s, input.as_ptr(), input.len(), values, width);
            if !self.sums {
                return;
            }
            let mut total = 0;
            for group in 0..width / GROUP {
                let sums = pair_sums(&*values.add(group * GROUP).cast());
                total += sums[0] + sums[1];
                // At most 8 · 16 · 127 in magnitude.
                *self.offsets.add(group) = [(-8 * sums[0]) as i16, (-8 * sums[1]) as i16];
                *self.bases.add(group) = -8 * (sums[0] + sums[1]);
            }
            *self.start = -128 * total;
        }
    }
}

/// Sums of a group's values at k mod 4 in {0, 1} and in {2, 3}: eight bytes at a time, as what they are
/// above -128, in four sums of 16 bits.
#[inline(always)]
fn pair_sums(values: &[u8; GROUP]) -> [i32; 2] {
    const LOW: u64 = 0x00ff_00ff_00ff_00ff;
    let mut sums = 0;
    for eight in values.as_chunks().0 {
        let above = u64::from_le_bytes(*eight) ^ 0x8080_8080_8080_8080;
        sums += (above & LOW) + (above >> 8 & LOW);
    }
    let sum = |place: u32| (sums >> (16 * place) & 0xffff) as i32;
    let bias = 128 * (GROUP / 2) as i32;
    [sum(0) + sum(2) - bias, sum(1) + sum(3) - bias]
}

/// Rounds `len` numbers to a block's bytes, zeros behind them; returns the scale.
///
/// # Safety
/// `input` has `len` elements, `values` has `room`, a multiple of 64.
#[inline(always)]
unsafe fn round<S: Simd>(s: S, input: *const f32, len: usize, values: *mut i8, room: usize) -> f32 {
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
    while i < room {
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
