//! Pair products of AVX-512 BF16: `vdpbf16ps` multiplies 16 pairs of bf16 and adds both products to an f32.
//! It takes denormal numbers for zero and rounds to nearest, whatever the thread's modes are.

use std::arch::x86_64::{
    __m256bh, __m256i, __m512, __m512bh, __m512i, _mm512_castsi512_ps, _mm512_cvtepu16_epi32,
    _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mul_ps, _mm512_or_si512, _mm512_scalef_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_slli_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
    _mm512_sub_ps, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

use super::Avx512;
use crate::pairs::{PairKernel, Pairs, exp2_parts};

#[derive(Clone, Copy)]
pub(crate) struct Bf16x512(Avx512);

impl Bf16x512 {
    /// The token, where the processor has AVX-512 F, BW and BF16.
    pub(crate) fn new() -> Option<Self> {
        let vectors = Avx512::new().filter(|_| is_x86_feature_detected!("avx512bf16"));
        vectors.map(Self)
    }

    #[inline]
    pub(crate) fn vectorize<K: PairKernel>(self, kernel: K) {
        #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma")]
        fn with_features<K: PairKernel>(kernel: K, d: Bf16x512) {
            kernel.run(d);
        }
        // SAFETY: `new` made this value, so the processor has the features.
        unsafe { with_features(kernel, self) }
    }
}

/// The same 512 bits as pairs of bf16.
#[inline(always)]
fn pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(bits) }
}

impl Pairs for Bf16x512 {
    type Sums = __m512;
    type Weights = __m512i;
    type Vectors = Avx512;

    #[inline(always)]
    fn vectors(self) -> Avx512 {
        self.0
    }

    #[inline(always)]
    unsafe fn round(self, from: *const f32, to: *mut u16) {
        // SAFETY: the token proves the features, the caller vouches for the pointers.
        unsafe {
            let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(from));
            to.cast::<__m256bh>().write_unaligned(rounded);
        }
    }

    #[inline(always)]
    unsafe fn put(self, to: *mut u16, v: __m512) {
        // SAFETY: as above.
        unsafe { to.cast::<__m256bh>().write_unaligned(_mm512_cvtneps_pbh(v)) }
    }

    #[inline(always)]
    unsafe fn put_two(self, to: *mut u16, [v, w]: [__m512; 2]) {
        // SAFETY: as above.
        unsafe { to.cast::<__m512bh>().write_unaligned(_mm512_cvtne2ps_pbh(w, v)) }
    }

    #[inline(always)]
    fn exp2(self, x: __m512) -> __m512 {
        let (n, p) = exp2_parts(self.0, x);
        // SAFETY: the token proves the features.
        unsafe { _mm512_scalef_ps(p, n) }
    }

    #[inline(always)]
    unsafe fn residual(self, from: *const f32, to: *mut f32) {
        // SAFETY: as above.
        unsafe {
            let x = _mm512_loadu_ps(from);
            let rounded = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x));
            let rounded = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(rounded));
            _mm512_storeu_ps(to, _mm512_sub_ps(x, _mm512_castsi512_ps(rounded)));
        }
    }

    #[inline(always)]
    unsafe fn interleave(self, even: *const f32, odd: *const f32, to: *mut [u16; 2]) {
        // SAFETY: the token proves the features, the caller vouches for the pointers; both sides of a cast are as
        // many bits without invalid values.
        unsafe {
            let bits = |from: *const f32| {
                let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(from));
                _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(rounded))
            };
            let both = _mm512_or_si512(bits(even), _mm512_slli_epi32::<16>(bits(odd)));
            _mm512_storeu_si512(to.cast(), both);
        }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const [u16; 2], to: *mut [u16; 2], stride: usize) {
        // SAFETY: the token proves the features, the caller vouches for the pointers.
        unsafe {
            let row = |r: usize| _mm512_loadu_si512(from.add(r * 16).cast());
            // Of each four rows, quarters of 4 × 4 are turned; `quarters[g][c]` has column 4q + c of rows 4g to 4g + 3 in
            // quarter q.
            let mut quarters = [[_mm512_setzero_si512(); 4]; 4];
            for (g, quarters) in quarters.iter_mut().enumerate() {
                let [a, b, c, d] = [row(4 * g), row(4 * g + 1), row(4 * g + 2), row(4 * g + 3)];
                let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
                quarters[0] = _mm512_unpacklo_epi64(ab, cd);
                quarters[1] = _mm512_unpackhi_epi64(ab, cd);
                let (ab, cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
                quarters[2] = _mm512_unpacklo_epi64(ab, cd);
                quarters[3] = _mm512_unpackhi_epi64(ab, cd);
            }
            for c in 0..4 {
                let [a, b, e, f] = [quarters[0][c], quarters[1][c], quarters[2][c], quarters[3][c]];
                // Quarters 0 and 2, and 1 and 3, of two groups of rows; then of all four.
                let (even, odd) = (
                    _mm512_shuffle_i32x4::<0x88>(a, b),
                    _mm512_shuffle_i32x4::<0xdd>(a, b),
                );
                let (even2, odd2) = (
                    _mm512_shuffle_i32x4::<0x88>(e, f),
                    _mm512_shuffle_i32x4::<0xdd>(e, f),
                );
                let columns = [
                    _mm512_shuffle_i32x4::<0x88>(even, even2),
                    _mm512_shuffle_i32x4::<0x88>(odd, odd2),
                    _mm512_shuffle_i32x4::<0xdd>(even, even2),
                    _mm512_shuffle_i32x4::<0xdd>(odd, odd2),
                ];
                for (q, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_si512(to.add((4 * q + c) * stride).cast(), column);
                }
            }
        }
    }

    #[inline(always)]
    fn zero(self) -> __m512 {
        // SAFETY: the token proves the features.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn scale(self, sums: __m512, factor: f32) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_mul_ps(sums, _mm512_set1_ps(factor)) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the token proves the features, the caller vouches for the pointer.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, sums: __m512) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(to, sums) }
    }

    #[inline(always)]
    unsafe fn weights(self, from: *const [u16; 2]) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add(self, sums: __m512, weights: __m512i, x: *const [u16; 2]) -> __m512 {
        // SAFETY: as above.
        unsafe {
            let x = _mm512_set1_epi32(x.cast::<i32>().read_unaligned());
            _mm512_dpbf16_ps(sums, pairs(weights), pairs(x))
        }
    }
}
