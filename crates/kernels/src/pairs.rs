//! Products of bf16 pairs: what an instruction set adds for bf16 weights when it multiplies bf16 by bf16.
//!
//! Inputs are rounded to bf16 too, which is what the official implementation computes with, and two columns
//! are multiplied at once. A sum is one chain over the pairs of columns from the first to the last.

use crate::arch::portable::Portable;
use crate::matrix::PANEL;
use crate::simd::Simd;

/// An algorithm for any set of pair products.
pub(crate) trait PairKernel {
    /// Runs it; implementations are `#[inline(always)]`.
    fn run<D: Pairs>(self, d: D);
}

/// Pair products. A value of the type proves that the processor has what they are made of.
///
/// # Safety
/// Pointers must be valid for 16 f32, or 16 pairs of bf16; they need no alignment beyond their element's.
pub(crate) trait Pairs: Copy + Send + Sync + 'static {
    /// 16 f32.
    type Sums: Copy;
    /// 16 pairs of bf16.
    type Weights: Copy;
    /// Vectors of 16 f32.
    type Vectors: Simd;

    /// The vectors that go with these products.
    fn vectors(self) -> Self::Vectors;

    /// Rounds 16 f32 to the nearest bf16; denormal ones may become zero.
    unsafe fn round(self, from: *const f32, to: *mut u16);
    /// Rounds a vector to the nearest bf16; denormal ones may become zero.
    unsafe fn put(self, to: *mut u16, v: <Self::Vectors as Simd>::V);
    /// Rounds two vectors to the nearest bf16, one behind the other; denormal ones may become zero.
    unsafe fn put_two(self, to: *mut u16, v: [<Self::Vectors as Simd>::V; 2]);
    /// `2^x` for x up to 126 within 2⁻¹⁷ of itself: more than a bf16 holds. 0 below -126; NaN stays NaN.
    fn exp2(self, x: <Self::Vectors as Simd>::V) -> <Self::Vectors as Simd>::V;
    /// What rounding takes from 16 f32: `to[i] = from[i] - bf16(from[i])`.
    unsafe fn residual(self, from: *const f32, to: *mut f32);
    /// Rounds 16 f32 of each of two rows, and pairs them: `to[i] = [even[i], odd[i]]`.
    unsafe fn interleave(self, even: *const f32, odd: *const f32, to: *mut [u16; 2]);
    /// Turns 16 rows of 16 pairs, one behind the other: `to[c · stride + r] = from[r][c]`.
    unsafe fn transpose(self, from: *const [u16; 2], to: *mut [u16; 2], stride: usize);
    /// Zeros.
    fn zero(self) -> Self::Sums;
    /// `sums[o] · factor`
    fn scale(self, sums: Self::Sums, factor: f32) -> Self::Sums;
    /// Reads 16 sums.
    unsafe fn load(self, from: *const f32) -> Self::Sums;
    /// Writes 16 sums.
    unsafe fn store(self, to: *mut f32, sums: Self::Sums);
    /// Reads 16 outputs' pairs of columns.
    unsafe fn weights(self, from: *const [u16; 2]) -> Self::Weights;
    /// `sums[o] + w[o][0] · x[0] + w[o][1] · x[1]`
    unsafe fn add(self, sums: Self::Sums, weights: Self::Weights, x: *const [u16; 2]) -> Self::Sums;
}

/// x = n + r with |r| ≤ 1/2: n, and `2^r` (a minimax fit of degree 4, within 5·10⁻⁶, exact at 0).
#[inline(always)]
pub(crate) fn exp2_parts<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    // The limit comes first, so that a NaN in `x` is what stays.
    let x = s.max(s.splat(-127.0), x);
    let n = s.round(x);
    let r = s.sub(x, n);
    let mut p = s.splat(COEFFICIENTS[0]);
    for coefficient in &COEFFICIENTS[1..] {
        p = s.mul_add(p, r, s.splat(*coefficient));
    }
    (n, p)
}

const COEFFICIENTS: [f32; 5] = [9.582_854e-3, 5.590_643e-2, 0.240_240_99, 0.693_124_2, 1.0];

/// The scalar twin.
#[derive(Clone, Copy)]
pub(crate) struct EmulatedPairs;

impl Pairs for EmulatedPairs {
    type Sums = [f32; PANEL];
    type Weights = [[u16; 2]; PANEL];
    type Vectors = Portable<PANEL>;

    #[inline(always)]
    fn vectors(self) -> Self::Vectors {
        Portable
    }

    #[inline(always)]
    unsafe fn round(self, from: *const f32, to: *mut u16) {
        for i in 0..PANEL {
            // SAFETY: the caller's.
            unsafe { *to.add(i) = bf16_bits(*from.add(i)) };
        }
    }

    #[inline(always)]
    unsafe fn put(self, to: *mut u16, v: [f32; PANEL]) {
        // SAFETY: the caller's.
        unsafe { self.round(v.as_ptr(), to) }
    }

    #[inline(always)]
    unsafe fn put_two(self, to: *mut u16, [v, w]: [[f32; PANEL]; 2]) {
        // SAFETY: the caller's.
        unsafe {
            self.put(to, v);
            self.put(to.add(PANEL), w);
        }
    }

    #[inline(always)]
    fn exp2(self, x: [f32; PANEL]) -> [f32; PANEL] {
        let s = self.vectors();
        let (n, p) = exp2_parts(s, x);
        s.mul(p, s.pow2(n))
    }

    #[inline(always)]
    unsafe fn residual(self, from: *const f32, to: *mut f32) {
        for i in 0..PANEL {
            // SAFETY: the caller's.
            unsafe {
                let x = *from.add(i);
                *to.add(i) = x - f32::from_bits(u32::from(bf16_bits(x)) << 16);
            }
        }
    }

    #[inline(always)]
    unsafe fn interleave(self, even: *const f32, odd: *const f32, to: *mut [u16; 2]) {
        for i in 0..PANEL {
            // SAFETY: the caller's.
            unsafe { *to.add(i) = [*even.add(i), *odd.add(i)].map(bf16_bits) };
        }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const [u16; 2], to: *mut [u16; 2], stride: usize) {
        for r in 0..PANEL {
            for c in 0..PANEL {
                // SAFETY: the caller's.
                unsafe { *to.add(c * stride + r) = *from.add(r * PANEL + c) };
            }
        }
    }

    #[inline(always)]
    fn zero(self) -> Self::Sums {
        [0.0; PANEL]
    }

    #[inline(always)]
    fn scale(self, sums: Self::Sums, factor: f32) -> Self::Sums {
        sums.map(|sum| sum * factor)
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::Sums {
        // SAFETY: the caller's.
        unsafe { from.cast::<Self::Sums>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, sums: Self::Sums) {
        // SAFETY: the caller's.
        unsafe { to.cast::<Self::Sums>().write(sums) }
    }

    #[inline(always)]
    unsafe fn weights(self, from: *const [u16; 2]) -> Self::Weights {
        // SAFETY: the caller's.
        unsafe { from.cast::<Self::Weights>().read() }
    }

    #[inline(always)]
    unsafe fn add(self, mut sums: Self::Sums, weights: Self::Weights, x: *const [u16; 2]) -> Self::Sums {
        let value = |bits: u16| f32::from_bits(u32::from(bits) << 16);
        // SAFETY: the caller's.
        let x = unsafe { *x }.map(value);
        for (sum, weights) in sums.iter_mut().zip(weights) {
            let w = weights.map(value);
            *sum += w[1] * x[1];
            *sum += w[0] * x[0];
        }
        sums
    }
}

/// The nearest bf16, to even between two; what is no number stays none.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // A quiet one, whatever its payload was.
    let none = bits >> 16 | 0x40;
    (if x.is_nan() { none } else { rounded }) as u16
}
