//! AVX2 with FMA: 8 lanes.

mod dot;
mod vnni;

pub(crate) use vnni::AvxVnni;

use std::arch::x86_64::{
    __m256, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _mm_loadl_epi64, _mm_packs_epi16,
    _mm_packs_epi32, _mm_prefetch, _mm_storel_epi64, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256,
    _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtps_epi32, _mm256_div_ps, _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_round_ps, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm256_sub_ps,
};

use crate::dot::DotKernel;
use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The token, where the processor has AVX2 and FMA.
    pub(crate) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    #[inline]
    pub(crate) fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn with_features<K: Kernel>(kernel: K, s: Avx2) -> K::Output {
            kernel.run(s)
        }
        // SAFETY: `new` made this value, so the processor has the features.
        unsafe { with_features(kernel, self) }
    }
}

impl Avx2 {
    #[inline]
    pub(crate) fn vectorize_dot<K: DotKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn with_features<K: DotKernel>(kernel: K, d: Avx2) -> K::Output {
            kernel.run(d)
        }
        // SAFETY: `new` made this value, so the processor has the features.
        unsafe { with_features(kernel, self) }
    }
}

// Every method below: a value of `Avx2` exists only where the processor has AVX2 and FMA.
macro_rules! intrinsic {
    ($name:ident($($argument:ident),+) $body:expr) => {
        #[inline(always)]
        fn $name(self, $($argument: Self::V),+) -> Self::V {
            // SAFETY: the token proves the features.
            unsafe { $body }
        }
    };
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    type V = __m256;

    #[inline]
    fn outlined<K: Kernel>(self, kernel: K) -> K::Output {
        self.vectorize(kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: the token proves the features.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the token proves the features, the caller gives 8 readable elements.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        // SAFETY: the token proves the features, the caller gives 8 writable elements.
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn load_interleaved(self, from: *const u16) -> [__m256; 2] {
        // SAFETY: the token proves the features, the caller gives 16 readable elements.
        unsafe {
            let pairs = _mm256_loadu_si256(from.cast());
            let even = _mm256_slli_epi32::<16>(pairs);
            let odd = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff_0000_u32 as i32));
            [_mm256_castsi256_ps(even), _mm256_castsi256_ps(odd)]
        }
    }

    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8, v: __m256) {
        // SAFETY: the token proves the features, the caller gives 8 writable bytes.
        unsafe {
            let wide = _mm256_cvtps_epi32(v);
            let (low, high) = (_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide));
            let short = _mm_packs_epi32(low, high);
            _mm_storel_epi64(to.cast(), _mm_packs_epi16(short, short));
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, at: *const T) {
        // SAFETY: the token proves the features; asking for a line is allowed wherever it is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> __m256 {
        // SAFETY: the token proves the features, the caller gives 8 readable elements.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    intrinsic!(add(a, b) _mm256_add_ps(a, b));
    intrinsic!(sub(a, b) _mm256_sub_ps(a, b));
    intrinsic!(mul(a, b) _mm256_mul_ps(a, b));
    intrinsic!(div(a, b) _mm256_div_ps(a, b));
    intrinsic!(mul_add(a, b, c) _mm256_fmadd_ps(a, b, c));
    intrinsic!(max(a, b) _mm256_max_ps(a, b));
    intrinsic!(min(a, b) _mm256_min_ps(a, b));
    intrinsic!(round(a) _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a));
    intrinsic!(pow2(a) {
        let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
    });
}
