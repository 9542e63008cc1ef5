//! Integer sums of one panel and one span along K: what an instruction set adds for q8 and q4.
//!
//! All of them are exact, so every instruction set gives the same sums; how they become f32 is fixed
//! in [`Dot::scaled`] and [`Dot::add_to`]. A row may therefore be served by any kernel.

use crate::matrix::PANEL;
use crate::quant::{BLOCK, GROUP, SPAN, bf16_value};

/// Bytes of an unpacked span at most: 64 columns of 16 outputs, and the groups' factors as i16, twice.
pub(crate) const UNPACKED: usize = SPAN * PANEL + SPAN / GROUP * PANEL * 4;
/// Bytes of a split block at most: two for each of 256 columns of 16 outputs, and an i32 for each output.
pub(crate) const SPLIT: usize = 2 * BLOCK * PANEL + 4 * PANEL;

/// Inputs of `R` rows at the start of a span.
#[derive(Clone, Copy)]
pub(crate) struct BlockRows<const R: usize> {
    /// int8, `4 · steps` of each row.
    pub(crate) values: [*const i8; R],
    /// Per group, as [`crate::quant::Activations`] says.
    pub(crate) offsets: [*const [i16; 2]; R],
    /// Per group, as there.
    pub(crate) bases: [*const i32; R],
    /// One per row.
    pub(crate) scales: [*const f32; R],
    /// -128 times the sum of the block's values, one per row.
    pub(crate) starts: [*const i32; R],
}

impl<const R: usize> BlockRows<R> {
    /// The same block from `columns` columns further on, a multiple of 32; what sums start from is left behind.
    #[inline(always)]
    pub(crate) fn further(mut self, columns: usize) -> Self {
        static NOTHING: i32 = 0;
        for r in 0..R {
            self.values[r] = self.values[r].wrapping_add(columns);
            self.offsets[r] = self.offsets[r].wrapping_add(columns / GROUP);
            self.bases[r] = self.bases[r].wrapping_add(columns / GROUP);
            self.starts[r] = &raw const NOTHING;
        }
        self
    }
}

/// An algorithm for any set of integer products.
pub(crate) trait DotKernel {
    /// What it returns.
    type Output;

    /// Runs it; implementations are `#[inline(always)]`.
    fn run<D: Dot>(self, d: D) -> Self::Output;
}

/// Integer products. A value of the type proves that the processor has what they are made of.
/// `steps` counts groups of four columns, at most those of a band.
///
/// # Safety
/// Pointers must be valid for what the shapes say; they need no alignment beyond their element's.
pub(crate) trait Dot: Copy + Send + Sync + 'static {
    /// 16 i32.
    type Sums: Copy;
    /// 16 f32.
    type Totals: Copy;

    /// Rows that [`q8`](Self::q8) takes at once when there are many.
    const Q8_ROWS: usize;
    /// Rows that [`q4_unpacked`](Self::q4_unpacked) takes at once when there are many.
    const Q4_ROWS: usize;
    /// Rows from which on it pays to unpack a block of q4 first.
    const UNPACK_FROM: usize;
    /// Rows from which on it pays to split a block of q8 first.
    const SPLIT_FROM: usize = usize::MAX;
    /// Panels that one row reads at once: 2 or 4.
    const STREAMS: usize;
    /// Rows, at most 4, that are multiplied with several panels at once: as many as there are registers for.
    const FEW_ROWS: usize = 1;
    /// Whether so few rows of one panel ask for what follows it in memory (`ahead.rs`).
    const ASKS_AHEAD: bool = false;

    /// `Σ_k values[o][k] · x[r][k]` for `P` panels. `values`: `[steps][16][4]`
    unsafe fn q8<const R: usize, const P: usize>(
        self,
        values: [*const i8; P],
        steps: usize,
        rows: BlockRows<R>,
    ) -> [[Self::Sums; R]; P];

    /// Makes of a block's values what [`q8_of_split`](Self::q8_of_split) reads: [`SPLIT`] bytes at most. Only where
    /// [`SPLIT_FROM`](Self::SPLIT_FROM) says that it is done at all.
    #[inline(always)]
    unsafe fn q8_split(self, values: *const i8, steps: usize, to: *mut u8) {
        // SAFETY: the caller's; a step has four columns.
        unsafe { values.cast::<u8>().copy_to_nonoverlapping(to, steps * 4 * PANEL) };
    }

    /// As [`q8`](Self::q8), from a split block.
    #[inline(always)]
    unsafe fn q8_of_split<const R: usize>(
        self,
        split: *const u8,
        steps: usize,
        rows: BlockRows<R>,
    ) -> [Self::Sums; R] {
        // SAFETY: the caller's; the values are as they were.
        let [sums] = unsafe { self.q8([split.cast()], steps, rows) };
        sums
    }

    /// `Σ_k factor[o][k / 32] · (n[o][k] - 8) · x[r][k]` for `P` panels.
    /// `nibbles`: `[steps / 2][16][4]`; `factors`: `[8][16]`
    unsafe fn q4<const R: usize, const P: usize>(
        self,
        nibbles: [*const u8; P],
        factors: [*const i8; P],
        steps: usize,
        rows: BlockRows<R>,
    ) -> [[Self::Sums; R]; P];

    /// Makes of a span's nibbles what [`q4_unpacked`](Self::q4_unpacked) reads: [`UNPACKED`] bytes at most.
    unsafe fn q4_unpack(self, nibbles: *const u8, factors: *const i8, steps: usize, to: *mut u8);

    /// As [`q4`](Self::q4), from an unpacked span.
    unsafe fn q4_unpacked<const R: usize>(
        self,
        unpacked: *const u8,
        factors: *const i8,
        steps: usize,
        rows: BlockRows<R>,
    ) -> [Self::Sums; R];

    /// Makes of nibbles the int8 `factor · (n - 8)` (modulo 256), `[steps][16][4]`.
    #[inline(always)]
    unsafe fn q4_int8(self, nibbles: *const u8, factors: *const i8, steps: usize, to: *mut i8) {
        // SAFETY: the caller's.
        unsafe { scalar::q4_int8(nibbles, factors, steps, to) }
    }

    /// Asks for the cache line at an address that need not exist, where one block's reading does not bring the
    /// next one in time.
    #[inline(always)]
    fn ask<T>(self, _at: *const T) {}

    /// The same for what is read later: it need not come nearer than to the second-level cache.
    #[inline(always)]
    fn ask_later<T>(self, _at: *const T) {}

    /// Reads 16 sums.
    unsafe fn load(self, from: *const i32) -> Self::Sums;

    /// Zeros.
    fn totals(self) -> Self::Totals;

    /// `a[o] + b[o]`
    fn plus(self, a: Self::Sums, b: Self::Sums) -> Self::Sums;

    /// `totals[o] + sums[o] as f32 · scale`, fused. A block's sum is below 2²⁴, so an f32 holds it.
    fn scaled(self, totals: Self::Totals, sums: Self::Sums, scale: f32) -> Self::Totals;

    /// `to[o] = from[o] + totals[o] · scales[o]`, two roundings. Both are 16 f32, and may be the same.
    unsafe fn add_to(self, totals: Self::Totals, scales: Self::Totals, from: *const f32, to: *mut f32);
    /// 16 outputs' scales, bf16.
    unsafe fn scales(self, from: *const u16) -> Self::Totals;
}

/// The scalar twin, and what instruction sets without integer products use.
pub(crate) mod scalar {
    use super::{BlockRows, GROUP, PANEL, bf16_value};

    /// As [`super::Dot::q8`].
    #[inline(always)]
    pub(crate) unsafe fn q8<const R: usize>(
        values: *const i8,
        steps: usize,
        rows: BlockRows<R>,
    ) -> [[i32; PANEL]; R] {
        let mut sums = [[0; PANEL]; R];
        for step in 0..steps {
            for (sums, x) in sums.iter_mut().zip(rows.values) {
                // SAFETY: the caller's.
                let (x, values) = unsafe {
                    (
                        x.add(4 * step).cast::<[i8; 4]>().read(),
                        values.add(4 * PANEL * step).cast::<[[i8; 4]; PANEL]>().read(),
                    )
                };
                for (sum, values) in sums.iter_mut().zip(values) {
                    for j in 0..4 {
                        *sum += i32::from(values[j]) * i32::from(x[j]);
                    }
                }
            }
        }
        sums
    }

    /// As [`super::Dot::q4`].
    #[inline(always)]
    pub(crate) unsafe fn q4<const R: usize>(
        nibbles: *const u8,
        factors: *const i8,
        steps: usize,
        rows: BlockRows<R>,
    ) -> [[i32; PANEL]; R] {
        let mut sums = [[0; PANEL]; R];
        for step in 0..steps {
            for (sums, x) in sums.iter_mut().zip(rows.values) {
                // SAFETY: the caller's.
                let (x, bytes, factors) = unsafe {
                    (
                        x.add(4 * step).cast::<[i8; 4]>().read(),
                        nibbles
                            .add(4 * PANEL * (step / 2))
                            .cast::<[[u8; 4]; PANEL]>()
                            .read(),
                        factors.add(4 * step / GROUP * PANEL).cast::<[i8; PANEL]>().read(),
                    )
                };
                for ((sum, bytes), factor) in sums.iter_mut().zip(bytes).zip(factors) {
                    for j in 0..4 {
                        let nibble = if step % 2 == 0 {
                            bytes[j] & 15
                        } else {
                            bytes[j] >> 4
                        };
                        *sum += i32::from(factor) * (i32::from(nibble) - 8) * i32::from(x[j]);
                    }
                }
            }
        }
        sums
    }

    /// As [`super::Dot::q4_int8`].
    #[inline(always)]
    pub(crate) unsafe fn q4_int8(nibbles: *const u8, factors: *const i8, steps: usize, to: *mut i8) {
        for step in 0..steps {
            for o in 0..PANEL {
                for j in 0..4 {
                    // SAFETY: the caller's.
                    unsafe {
                        let byte = *nibbles.add((step / 2 * PANEL + o) * 4 + j);
                        let nibble = if step % 2 == 0 { byte & 15 } else { byte >> 4 };
                        let factor = *factors.add(4 * step / GROUP * PANEL + o);
                        *to.add((step * PANEL + o) * 4 + j) = factor.wrapping_mul(nibble as i8 - 8);
                    }
                }
            }
        }
    }

    /// As [`super::Dot::scaled`].
    #[inline(always)]
    pub(crate) fn scaled(mut totals: [f32; PANEL], sums: [i32; PANEL], scale: f32) -> [f32; PANEL] {
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total = (sum as f32).mul_add(scale, *total);
        }
        totals
    }

    /// As [`super::Dot::add_to`].
    #[inline(always)]
    pub(crate) unsafe fn add_to(totals: [f32; PANEL], scales: [f32; PANEL], from: *const f32, to: *mut f32) {
        for (o, (total, scale)) in totals.into_iter().zip(scales).enumerate() {
            let product = total * scale;
            // SAFETY: the caller's.
            unsafe { *to.add(o) = *from.add(o) + product };
        }
    }

    /// As [`super::Dot::scales`].
    #[inline(always)]
    pub(crate) unsafe fn scales(from: *const u16) -> [f32; PANEL] {
        // SAFETY: the caller's.
        unsafe { from.cast::<[u16; PANEL]>().read_unaligned() }.map(bf16_value)
    }
}

/// Implements [`Dot`] by the scalar twin.
macro_rules! scalar_dot {
    () => {
        type Sums = [i32; $crate::matrix::PANEL];
        type Totals = [f32; $crate::matrix::PANEL];
        const Q8_ROWS: usize = 2;
        const Q4_ROWS: usize = 2;
        const UNPACK_FROM: usize = 4;
        const STREAMS: usize = 2;

        #[inline(always)]
        unsafe fn q8<const R: usize, const P: usize>(
            self,
            values: [*const i8; P],
            steps: usize,
            rows: $crate::dot::BlockRows<R>,
        ) -> [[Self::Sums; R]; P] {
            // SAFETY: the caller's.
            values.map(|values| unsafe { $crate::dot::scalar::q8(values, steps, rows) })
        }

        #[inline(always)]
        unsafe fn q4<const R: usize, const P: usize>(
            self,
            nibbles: [*const u8; P],
            factors: [*const i8; P],
            steps: usize,
            rows: $crate::dot::BlockRows<R>,
        ) -> [[Self::Sums; R]; P] {
            let mut sums = [[[0; $crate::matrix::PANEL]; R]; P];
            for p in 0..P {
                // SAFETY: the caller's.
                sums[p] = unsafe { $crate::dot::scalar::q4(nibbles[p], factors[p], steps, rows) };
            }
            sums
        }

        #[inline(always)]
        unsafe fn q4_unpack(self, nibbles: *const u8, _factors: *const i8, steps: usize, to: *mut u8) {
            let bytes = steps / 2 * 4 * $crate::matrix::PANEL;
            // SAFETY: the caller's; two steps have one byte per output and column.
            unsafe { nibbles.copy_to_nonoverlapping(to, bytes) };
        }

        #[inline(always)]
        unsafe fn q4_unpacked<const R: usize>(
            self,
            unpacked: *const u8,
            factors: *const i8,
            steps: usize,
            rows: $crate::dot::BlockRows<R>,
        ) -> [Self::Sums; R] {
            // SAFETY: the caller's; nibbles are what this unpacks to.
            unsafe { $crate::dot::scalar::q4(unpacked, factors, steps, rows) }
        }

        #[inline(always)]
        unsafe fn load(self, from: *const i32) -> Self::Sums {
            // SAFETY: the caller's.
            unsafe { from.cast::<Self::Sums>().read() }
        }

        #[inline(always)]
        fn totals(self) -> Self::Totals {
            [0.0; $crate::matrix::PANEL]
        }

        #[inline(always)]
        fn scaled(self, totals: Self::Totals, sums: Self::Sums, scale: f32) -> Self::Totals {
            $crate::dot::scalar::scaled(totals, sums, scale)
        }

        #[inline(always)]
        unsafe fn add_to(self, totals: Self::Totals, scales: Self::Totals, from: *const f32, to: *mut f32) {
            // SAFETY: the caller's.
            unsafe { $crate::dot::scalar::add_to(totals, scales, from, to) }
        }

        #[inline(always)]
        unsafe fn scales(self, from: *const u16) -> Self::Totals {
            // SAFETY: the caller's.
            unsafe { $crate::dot::scalar::scales(from) }
        }

        #[inline(always)]
        fn plus(self, mut a: Self::Sums, b: Self::Sums) -> Self::Sums {
            for o in 0..a.len() {
                a[o] += b[o];
            }
            a
        }
    };
}
pub(crate) use scalar_dot;
