//! Integer products of AVX-VNNI: AVX2 with `vpdpbusd`, see [`crate::arch::avx512`].

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_loadl_epi64, _mm_prefetch, _mm256_and_si256, _mm256_cvtepi8_epi32,
    _mm256_dpbusd_avx_epi32, _mm256_dpwssd_avx_epi32, _mm256_loadu_si256, _mm256_set1_epi8,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_srli_epi16, _mm256_xor_si256,
};

use super::Avx2;
use super::dot::{AHEAD, STEP, STEPS, broadcast};
use crate::dot::{BlockRows, Dot, DotKernel};

#[derive(Clone, Copy)]
pub(crate) struct AvxVnni(Avx2);

impl AvxVnni {
    /// The token, where the processor has AVX2 and AVX-VNNI.
    pub(crate) fn new() -> Option<Self> {
        Avx2::new()
            .filter(|_| is_x86_feature_detected!("avxvnni"))
            .map(Self)
    }

    #[inline]
    pub(crate) fn vectorize<K: DotKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avxvnni,avx2,fma")]
        fn with_features<K: DotKernel>(kernel: K, d: AvxVnni) -> K::Output {
            kernel.run(d)
        }
        // SAFETY: `new` made this value, so the processor has the features.
        unsafe { with_features(kernel, self) }
    }
}

/// Both halves of a step.
#[inline(always)]
unsafe fn load_step<T>(from: *const T) -> [__m256i; 2] {
    // SAFETY: the caller's: 64 readable bytes.
    unsafe {
        let from = from.cast::<__m256i>();
        [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))]
    }
}

/// `sums += factor · short`, where `short` is within 2¹⁵.
#[inline(always)]
unsafe fn add_scaled<const R: usize>(
    sums: &mut [[__m256i; 2]; R],
    short: [[__m256i; 2]; R],
    factors: *const i8,
) {
    // SAFETY: the caller's: the features, and 16 readable factors.
    unsafe {
        for half in 0..2 {
            let factor = _mm256_cvtepi8_epi32(_mm_loadl_epi64(factors.add(8 * half).cast()));
            // The upper halves are zero: what they multiply is but the sign of a sum.
            let factor = _mm256_and_si256(factor, _mm256_set1_epi32(0xffff));
            for r in 0..R {
                sums[r][half] = _mm256_dpwssd_avx_epi32(sums[r][half], short[r][half], factor);
            }
        }
    }
}

/// -8 times the sum of a group's inputs, in all lanes.
#[inline(always)]
unsafe fn offset(base: *const i32) -> [__m256i; 2] {
    // SAFETY: the caller's.
    unsafe { [_mm256_set1_epi32(*base); 2] }
}

impl Dot for AvxVnni {
    type Sums = [__m256i; 2];
    type Totals = [__m256; 2];
    const Q8_ROWS: usize = 4;
    const Q4_ROWS: usize = 4;
    const UNPACK_FROM: usize = 4;
    const STREAMS: usize = 2;

    #[inline(always)]
    unsafe fn q8<const R: usize, const P: usize>(
        self,
        values: [*const i8; P],
        steps: usize,
        rows: BlockRows<R>,
    ) -> [[Self::Sums; R]; P] {
        // SAFETY: the token proves the features, the caller vouches for the pointers.
        unsafe {
            let sign = _mm256_set1_epi8(-128);
            let mut sums = [[[_mm256_setzero_si256(); 2]; R]; P];
            for r in 0..R {
                let start = _mm256_set1_epi32(*rows.starts[r]);
                for p in 0..P {
                    sums[p][r] = [start; 2];
                }
            }
            for step in 0..steps {
                for p in 0..P {
                    let from = values[p].add(step * STEP);
                    _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
                    let w = load_step(from).map(|w| _mm256_xor_si256(w, sign));
                    for r in 0..R {
                        let x = broadcast(rows.values[r].add(4 * step));
                        for half in 0..2 {
                            let sum = &mut sums[p][r][half];
                            *sum = _mm256_dpbusd_avx_epi32(*sum, w[half], x);
                        }
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn q4<const R: usize, const P: usize>(
        self,
        nibbles: [*const u8; P],
        factors: [*const i8; P],
        steps: usize,
        rows: BlockRows<R>,
    ) -> [[Self::Sums; R]; P] {
        // SAFETY: as above.
        unsafe {
            let low = _mm256_set1_epi8(15);
            let mut sums = [[[_mm256_setzero_si256(); 2]; R]; P];
            for group in 0..steps / STEPS {
                let mut short = [[[_mm256_setzero_si256(); 2]; R]; P];
                for r in 0..R {
                    let offset = offset(rows.bases[r].add(group));
                    for p in 0..P {
                        short[p][r] = offset;
                    }
                }
                for pair in 0..STEPS / 2 {
                    let step = group * STEPS + 2 * pair;
                    for p in 0..P {
                        let from = nibbles[p].add(step / 2 * STEP);
                        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
                        let bytes = load_step(from);
                        for half in 0..2 {
                            let first = _mm256_and_si256(bytes[half], low);
                            let second = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes[half]), low);
                            for r in 0..R {
                                let x = rows.values[r].add(4 * step);
                                let sum = &mut short[p][r][half];
                                *sum = _mm256_dpbusd_avx_epi32(*sum, first, broadcast(x));
                                *sum = _mm256_dpbusd_avx_epi32(*sum, second, broadcast(x.add(4)));
                            }
                        }
                    }
                }
                for p in 0..P {
                    add_scaled(&mut sums[p], short[p], factors[p].add(16 * group));
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn q4_unpack(self, nibbles: *const u8, factors: *const i8, steps: usize, to: *mut u8) {
        // SAFETY: the caller's.
        unsafe { self.0.q4_unpack(nibbles, factors, steps, to) }
    }

    #[inline(always)]
    unsafe fn q4_unpacked<const R: usize>(
        self,
        unpacked: *const u8,
        factors: *const i8,
        steps: usize,
        rows: BlockRows<R>,
    ) -> [Self::Sums; R] {
        // SAFETY: as above.
        unsafe {
            let mut sums = [[_mm256_setzero_si256(); 2]; R];
            for group in 0..steps / STEPS {
                let mut short = [[_mm256_setzero_si256(); 2]; R];
                for r in 0..R {
                    short[r] = offset(rows.bases[r].add(group));
                }
                for step in group * STEPS..(group + 1) * STEPS {
                    let w = load_step(unpacked.add(step * STEP));
                    for r in 0..R {
                        let x = broadcast(rows.values[r].add(4 * step));
                        for half in 0..2 {
                            short[r][half] = _mm256_dpbusd_avx_epi32(short[r][half], w[half], x);
                        }
                    }
                }
                add_scaled(&mut sums, short, factors.add(16 * group));
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i32) -> Self::Sums {
        // SAFETY: the caller's.
        unsafe { self.0.load(from) }
    }

    #[inline(always)]
    fn plus(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        self.0.plus(a, b)
    }

    #[inline(always)]
    fn totals(self) -> Self::Totals {
        self.0.totals()
    }

    #[inline(always)]
    fn scaled(self, totals: Self::Totals, sums: Self::Sums, scale: f32) -> Self::Totals {
        self.0.scaled(totals, sums, scale)
    }

    #[inline(always)]
    unsafe fn add_to(self, totals: Self::Totals, scales: Self::Totals, from: *const f32, to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { self.0.add_to(totals, scales, from, to) }
    }

    #[inline(always)]
    unsafe fn scales(self, from: *const u16) -> Self::Totals {
        // SAFETY: the caller's.
        unsafe { self.0.scales(from) }
    }
}
