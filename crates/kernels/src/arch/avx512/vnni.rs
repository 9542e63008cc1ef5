//! Integer products of AVX-512 with VNNI.
//!
//! `vpdpbusd` multiplies unsigned by signed bytes and adds four products to an i32 without saturation.
//! - q8: w + 128 is the unsigned side, and the sums start from -128 Σ x.
//! - q4: nibbles are the unsigned side, and a group's sum starts from -8 Σ x, which
//!   makes nibbles n - 8. It is then within 32 · 8 · 127 < 2¹⁵, so `vpdpwssd` multiplies it by the
//!   group's factor and adds it in one instruction.

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _MM_HINT_T1, _mm_loadu_si128, _mm_prefetch, _mm256_loadu_si256,
    _mm512_abs_epi8, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castsi512_ps,
    _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32, _mm512_dpbusd_epi32,
    _mm512_dpwssd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_sub_epi8,
    _mm512_movepi8_mask, _mm512_mul_ps, _mm512_mullo_epi16, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_slli_epi16,
    _mm512_slli_epi32, _mm512_srli_epi16, _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_epi8,
    _mm512_xor_si512,
};

use crate::ahead::AHEAD;
use crate::dot::{BlockRows, Dot, DotKernel};
use crate::quant::GROUP;

/// Steps of four columns in a group that shares a factor.
const STEPS: usize = GROUP / 4;
/// Bytes of a step: 16 outputs of 4 columns.
const STEP: usize = 64;

#[derive(Clone, Copy)]
pub(crate) struct Vnni512(());

impl Vnni512 {
    /// The token, where the processor has AVX-512 F, BW and VNNI.
    pub(crate) fn new() -> Option<Self> {
        (super::Avx512::new().is_some() && is_x86_feature_detected!("avx512vnni")).then_some(Self(()))
    }

    #[inline]
    pub(crate) fn vectorize<K: DotKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
        fn with_features<K: DotKernel>(kernel: K, d: Vnni512) -> K::Output {
            kernel.run(d)
        }
        // SAFETY: `new` made this value, so the processor has the features.
        unsafe { with_features(kernel, self) }
    }
}

/// Four columns of a row, or what a group's sum starts from, in all lanes.
#[inline(always)]
unsafe fn broadcast<T>(x: *const T) -> __m512i {
    // SAFETY: the caller's: 4 readable bytes.
    unsafe { _mm512_set1_epi32(x.cast::<i32>().read_unaligned()) }
}

/// 16 int8 as i32.
#[inline(always)]
unsafe fn widen(factors: *const i8) -> __m512i {
    // SAFETY: the caller's.
    unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(factors.cast())) }
}

impl Dot for Vnni512 {
    type Sums = __m512i;
    type Totals = __m512;
    const Q8_ROWS: usize = 8;
    const Q4_ROWS: usize = 8;
    // Nibbles multiply as fast as bytes do, and there are half as many to read.
    const UNPACK_FROM: usize = usize::MAX;
    const STREAMS: usize = 4;
    const FEW_ROWS: usize = 4;
    const ASKS_AHEAD: bool = true;

    #[inline(always)]
    unsafe fn q8<const R: usize, const P: usize>(
        self,
        values: [*const i8; P],
        steps: usize,
        rows: BlockRows<R>,
    ) -> [[Self::Sums; R]; P] {
        // Enough chains of additions to hide their latency, however few rows there are.
        let chains = if R * P < 4 { 2 } else { 1 };
        // SAFETY: the token proves the features, the caller vouches for the pointers.
        unsafe {
            let sign = _mm512_set1_epi8(-128);
            let mut sums = [[[_mm512_setzero_si512(); 2]; R]; P];
            for r in 0..R {
                let start = _mm512_set1_epi32(*rows.starts[r]);
                for p in 0..P {
                    sums[p][r][0] = start;
                }
            }
            for pair in 0..steps / 2 {
                for part in 0..2 {
                    let step = 2 * pair + part;
                    for p in 0..P {
                        let from = values[p].add(step * STEP);
                        if P == 1 && R <= Self::FEW_ROWS {
                            self.ask_later(from.wrapping_add(AHEAD));
                        }
                        let w = _mm512_xor_si512(_mm512_loadu_si512(from.cast()), sign);
                        for r in 0..R {
                            let sum = &mut sums[p][r][part % chains];
                            *sum = _mm512_dpbusd_epi32(*sum, w, broadcast(rows.values[r].add(4 * step)));
                        }
                    }
                }
            }
            // Loops, no closures: where those are not inlined they have no AVX-512.
            let mut all = [[_mm512_setzero_si512(); R]; P];
            for p in 0..P {
                for r in 0..R {
                    let [a, b] = sums[p][r];
                    all[p][r] = if chains == 1 { a } else { _mm512_add_epi32(a, b) };
                }
            }
            all
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
            let low = _mm512_set1_epi8(15);
            let mut sums = [[_mm512_setzero_si512(); R]; P];
            for group in 0..steps / STEPS {
                let mut short = [[_mm512_setzero_si512(); R]; P];
                for r in 0..R {
                    let base = broadcast(rows.bases[r].add(group));
                    for p in 0..P {
                        short[p][r] = base;
                    }
                }
                for pair in 0..STEPS / 2 {
                    let step = group * STEPS + 2 * pair;
                    for p in 0..P {
                        let from = nibbles[p].add(step / 2 * STEP);
                        if P == 1 && R <= Self::FEW_ROWS {
                            self.ask_later(from.wrapping_add(AHEAD));
                        }
                        let bytes = _mm512_loadu_si512(from.cast());
                        let first = _mm512_and_si512(bytes, low);
                        let second = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low);
                        for r in 0..R {
                            let x = rows.values[r].add(4 * step);
                            let sum = &mut short[p][r];
                            *sum = _mm512_dpbusd_epi32(*sum, first, broadcast(x));
                            *sum = _mm512_dpbusd_epi32(*sum, second, broadcast(x.add(4)));
                        }
                    }
                }
                for p in 0..P {
                    // The upper halves are zero: what they multiply is but the sign of a sum.
                    let factor = widen(factors[p].add(16 * group));
                    let factor = _mm512_and_si512(factor, _mm512_set1_epi32(0xffff));
                    for r in 0..R {
                        sums[p][r] = _mm512_dpwssd_epi32(sums[p][r], short[p][r], factor);
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn q4_unpack(self, nibbles: *const u8, factors: *const i8, steps: usize, to: *mut u8) {
        // SAFETY: the caller's.
        unsafe { self.q4_int8(nibbles, factors, steps, to.cast()) }
    }

    #[inline(always)]
    unsafe fn q4_unpacked<const R: usize>(
        self,
        unpacked: *const u8,
        _factors: *const i8,
        steps: usize,
        rows: BlockRows<R>,
    ) -> [Self::Sums; R] {
        // SAFETY: the caller's.
        let [sums] = unsafe { self.q8([unpacked.cast()], steps, rows) };
        sums
    }

    /// Two nibbles at a time times their factor's magnitude in 16 bits: at most 225, so none reaches the other's byte.
    /// Less eight times that, it fits an int8; where the factor is negative, it is the other way round.
    #[inline(always)]
    unsafe fn q4_int8(self, nibbles: *const u8, factors: *const i8, steps: usize, to: *mut i8) {
        // SAFETY: as above.
        unsafe {
            let low = _mm512_set1_epi8(15);
            for group in 0..steps / STEPS {
                let factor = _mm512_and_si512(widen(factors.add(16 * group)), _mm512_set1_epi32(0xff));
                let factor = _mm512_or_si512(factor, _mm512_slli_epi32::<16>(factor));
                let bytes = _mm512_or_si512(factor, _mm512_slli_epi16::<8>(factor));
                let negative = _mm512_movepi8_mask(bytes);
                let bytes = _mm512_abs_epi8(bytes);
                let factor = _mm512_srli_epi16::<8>(bytes);
                // At most 120, so the shift brings nothing into the other byte.
                let eight = _mm512_slli_epi16::<3>(bytes);
                for pair in 0..STEPS / 2 {
                    let step = group * STEPS + 2 * pair;
                    let from = nibbles.add(step / 2 * STEP);
                    self.ask_later(from.wrapping_add(AHEAD));
                    let both = _mm512_loadu_si512(from.cast());
                    let digits = [
                        _mm512_and_si512(both, low),
                        _mm512_and_si512(_mm512_srli_epi16::<4>(both), low),
                    ];
                    for half in 0..2 {
                        let product = _mm512_mullo_epi16(digits[half], factor);
                        let found = _mm512_sub_epi8(product, eight);
                        let found = _mm512_mask_sub_epi8(found, negative, eight, product);
                        _mm512_storeu_si512(to.add((step + half) * STEP).cast(), found);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn ask<T>(self, at: *const T) {
        // SAFETY: it reads nothing that a program could see, wherever the address points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn ask_later<T>(self, at: *const T) {
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i32) -> Self::Sums {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    fn plus(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        // SAFETY: as above.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    fn totals(self) -> Self::Totals {
        // SAFETY: as above.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn scaled(self, totals: Self::Totals, sums: Self::Sums, scale: f32) -> Self::Totals {
        // SAFETY: as above.
        unsafe { _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(scale), totals) }
    }

    #[inline(always)]
    unsafe fn add_to(self, totals: Self::Totals, scales: Self::Totals, from: *const f32, to: *mut f32) {
        // SAFETY: as above.
        unsafe {
            let product = _mm512_mul_ps(totals, scales);
            _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(from), product));
        }
    }

    #[inline(always)]
    unsafe fn scales(self, from: *const u16) -> Self::Totals {
        // SAFETY: as above.
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
        }
    }
}
