//! AVX-512 (F and BW): 16 lanes. The same operations as AVX2, in wider registers.

mod bf16;
mod vnni;

use std::arch::x86_64::{
    __m512, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _MM_HINT_T1, _mm_loadu_si128,
    _mm_prefetch, _mm_storeu_si128, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castsi512_ps,
    _mm512_cvtepi8_epi32, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_div_ps,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_rcp14_ps, _mm512_reduce_max_ps, _mm512_roundscale_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_slli_epi32, _mm512_storeu_ps, _mm512_sub_ps,
};

pub(crate) use bf16::Bf16x512;
pub(crate) use vnni::Vnni512;

use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The token, where the processor has AVX-512 F and BW.
    pub(crate) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }

    #[inline]
    pub(crate) fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
        fn with_features<K: Kernel>(kernel: K, s: Avx512) -> K::Output {
            kernel.run(s)
        }
        // SAFETY: `new` made this value, so the processor has the features.
        unsafe { with_features(kernel, self) }
    }
}

// Every method below: a value of `Avx512` exists only where the processor has AVX-512 F and BW.
macro_rules! intrinsic {
    ($name:ident($($argument:ident),+) $body:expr) => {
        #[inline(always)]
        fn $name(self, $($argument: Self::V),+) -> Self::V {
            // SAFETY: the token proves the features.
            unsafe { $body }
        }
    };
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    type V = __m512;

    #[inline]
    fn outlined<K: Kernel>(self, kernel: K) -> K::Output {
        self.vectorize(kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: the token proves the features.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the token proves the features, the caller gives 16 readable elements.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        // SAFETY: the token proves the features, the caller gives 16 writable elements.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn load_interleaved(self, from: *const u16) -> [__m512; 2] {
        // SAFETY: the token proves the features, the caller gives 16 readable elements.
        unsafe {
            let pairs = _mm512_loadu_si512(from.cast());
            let even = _mm512_slli_epi32::<16>(pairs);
            let odd = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            [_mm512_castsi512_ps(even), _mm512_castsi512_ps(odd)]
        }
    }

    #[inline(always)]
    fn greatest(self, a: Self::V) -> f32 {
        // SAFETY: the token proves the features.
        unsafe { _mm512_reduce_max_ps(a) }
    }

    /// A reciprocal to 14 bits, made better by Newton's method: a division takes four times as long.
    #[inline(always)]
    fn quotient(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves the features.
        unsafe {
            let near = _mm512_rcp14_ps(b);
            let factor = _mm512_fnmadd_ps(b, near, _mm512_set1_ps(2.0));
            _mm512_mul_ps(a, _mm512_mul_ps(near, factor))
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, at: *const T) {
        // SAFETY: the token proves the features; asking for a line is allowed wherever it is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }

    #[inline(always)]
    fn prefetch_later<T>(self, at: *const T) {
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> __m512 {
        // SAFETY: the token proves the features, the caller gives 16 readable bytes.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8, v: __m512) {
        // SAFETY: the token proves the features, the caller gives 16 writable bytes.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v))) };
    }

    intrinsic!(add(a, b) _mm512_add_ps(a, b));
    intrinsic!(sub(a, b) _mm512_sub_ps(a, b));
    intrinsic!(mul(a, b) _mm512_mul_ps(a, b));
    intrinsic!(div(a, b) _mm512_div_ps(a, b));
    intrinsic!(mul_add(a, b, c) _mm512_fmadd_ps(a, b, c));
    intrinsic!(max(a, b) _mm512_max_ps(a, b));
    intrinsic!(min(a, b) _mm512_min_ps(a, b));
    intrinsic!(round(a) _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a));
    intrinsic!(pow2(a) {
        let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
    });
}
