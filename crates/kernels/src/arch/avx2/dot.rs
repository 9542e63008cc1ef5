//! Integer products of AVX2.
//!
//! `vpmaddubsw` multiplies unsigned by signed bytes and adds pairs into i16, saturating.
//! - q8, one row: |w| is the unsigned side and x takes w's sign; a pair is at most 2 · 127 · 127 < 2¹⁵.
//! - q8, more rows: signs are taken by `vpxor`, for which there is a port more than for `vpsignb`. Where w < 0 that
//!   makes -x - 1 of x, so sums start from the sum of those |w|; a pair is at most 2 · 127 · 128 < 2¹⁵.
//! - q4: nibbles are the unsigned side; a pair is at most 2 · 15 · 127 and the eight pairs of a group
//!   of 32 stay below 2¹⁵, so a group is summed in i16, and one `vpmaddwd` by the group's factor
//!   widens it. The sums start from -8 times the group's sum of x, which makes nibbles n - 8.

use std::arch::asm;
use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_abs_epi8, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cmpgt_epi8,
    _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_cvtepu16_epi32, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_permute4x64_epi64,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_sign_epi8, _mm256_slli_epi32, _mm256_srli_epi16, _mm256_storeu_ps,
    _mm256_storeu_si256, _mm256_sub_epi32, _mm256_unpackhi_epi16, _mm256_unpacklo_epi16, _mm256_xor_si256,
};

use super::Avx2;
use crate::dot::{BlockRows, Dot};
use crate::matrix::PANEL;
use crate::quant::{GROUP, SPAN};

/// Steps of four columns in a group that shares a factor.
pub(super) const STEPS: usize = GROUP / 4;
/// Where an unpacked span's factors begin.
const FACTORS: usize = SPAN * PANEL;
/// Where a split block's sizes and signs begin.
const SIGNED_FROM: usize = 4 * PANEL;
/// How far ahead of its use packed memory is asked for, in bytes: the processor's own prefetching
/// stops at the end of each page of 4 KiB.
pub(super) const AHEAD: usize = 8192;
/// Bytes of a step: 16 outputs of 4 columns.
pub(super) const STEP: usize = 64;

/// Four columns of a row, in all lanes.
#[inline(always)]
pub(super) unsafe fn broadcast(x: *const i8) -> __m256i {
    // SAFETY: the caller's.
    unsafe { _mm256_set1_epi32(x.cast::<i32>().read_unaligned()) }
}

/// The same vector, of which the compiler knows nothing: it would load a constant anew in each round.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn opaque(mut v: __m256i) -> __m256i {
    // SAFETY: no instruction.
    unsafe { asm!("/* {0} */", inout(ymm_reg) v, options(pure, nomem, nostack, preserves_flags)) };
    v
}

/// 16 factors, each twice: for outputs 0..8 and 8..16.
#[inline(always)]
unsafe fn twice(factors: *const i8) -> [__m256i; 2] {
    // SAFETY: the caller's.
    unsafe {
        let wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(factors.cast()));
        // Lanes of 64 bits 0 2 1 3, so that unpacking gives outputs in order.
        let wide = _mm256_permute4x64_epi64::<0b11_01_10_00>(wide);
        [
            _mm256_unpacklo_epi16(wide, wide),
            _mm256_unpackhi_epi16(wide, wide),
        ]
    }
}

/// One step of [`group_of_three`].
macro_rules! step {
    ($bytes:literal, $x:literal) => {
        concat!(
            "vmovdqu {w0}, [{from} + ",
            $bytes,
            "]\n",
            "vmovdqu {w1}, [{from} + ",
            $bytes,
            " + 32]\n",
            "vpbroadcastd {x}, [{x0} + ",
            $x,
            "]\n",
            "vpmaddubsw {p}, {w0}, {x}\n",
            "vpmaddubsw {x}, {w1}, {x}\n",
            "vpaddw {s0}, {s0}, {p}\n",
            "vpaddw {s1}, {s1}, {x}\n",
            "vpbroadcastd {x}, [{x1} + ",
            $x,
            "]\n",
            "vpmaddubsw {p}, {w0}, {x}\n",
            "vpmaddubsw {x}, {w1}, {x}\n",
            "vpaddw {s2}, {s2}, {p}\n",
            "vpaddw {s3}, {s3}, {x}\n",
            "vpbroadcastd {x}, [{x2} + ",
            $x,
            "]\n",
            "vpmaddubsw {w0}, {w0}, {x}\n",
            "vpmaddubsw {w1}, {w1}, {x}\n",
            "vpaddw {s4}, {s4}, {w0}\n",
            "vpaddw {s5}, {s5}, {w1}\n",
        )
    };
}

/// The sums in i16 of a group for three rows. In assembly, because six sums of the group, six of the
/// block and four temporaries are all sixteen registers, and the compiler's order spills some.
///
/// # Safety
/// `from` has 512 bytes, each of `x` 32.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn group_of_three(from: *const u8, x: [*const i8; 3], sums: [[__m256i; 2]; 3]) -> [[__m256i; 2]; 3] {
    let [[mut s0, mut s1], [mut s2, mut s3], [mut s4, mut s5]] = sums;
    // SAFETY: it reads what the caller vouches for and writes registers that are named.
    unsafe {
        asm!(
            step!("0", "0"),
            step!("64", "4"),
            step!("128", "8"),
            step!("192", "12"),
            step!("256", "16"),
            step!("320", "20"),
            step!("384", "24"),
            step!("448", "28"),
            from = in(reg) from,
            x0 = in(reg) x[0],
            x1 = in(reg) x[1],
            x2 = in(reg) x[2],
            w0 = out(ymm_reg) _,
            w1 = out(ymm_reg) _,
            x = out(ymm_reg) _,
            p = out(ymm_reg) _,
            s0 = inout(ymm_reg) s0,
            s1 = inout(ymm_reg) s1,
            s2 = inout(ymm_reg) s2,
            s3 = inout(ymm_reg) s3,
            s4 = inout(ymm_reg) s4,
            s5 = inout(ymm_reg) s5,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    [[s0, s1], [s2, s3], [s4, s5]]
}

impl Dot for Avx2 {
    type Sums = [__m256i; 2];
    type Totals = [__m256; 2];
    const Q8_ROWS: usize = 4;
    const Q4_ROWS: usize = 3;
    const UNPACK_FROM: usize = 4;
    const SPLIT_FROM: usize = 2;
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
            let ones = opaque(_mm256_set1_epi16(1));
            let mut sums = [[[_mm256_setzero_si256(); 2]; R]; P];
            for step in 0..steps {
                for p in 0..P {
                    let from = values[p].add(step * STEP);
                    if R == 1 {
                        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
                    }
                    for half in 0..2 {
                        let w = _mm256_loadu_si256(from.add(32 * half).cast());
                        let size = _mm256_abs_epi8(w);
                        for r in 0..R {
                            let x = broadcast(rows.values[r].add(4 * step));
                            let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, w));
                            let wide = _mm256_madd_epi16(pairs, ones);
                            sums[p][r][half] = _mm256_add_epi32(sums[p][r][half], wide);
                        }
                    }
                }
            }
            sums
        }
    }

    /// What sums start from, `[16]` i32, then `[steps][2]` of the sizes of 8 outputs' values and of their signs.
    #[inline(always)]
    unsafe fn q8_split(self, values: *const i8, steps: usize, to: *mut u8) {
        // SAFETY: as above.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let mut starts = [_mm256_setzero_si256(); 2];
            for step in 0..steps {
                _mm_prefetch::<_MM_HINT_T0>(values.wrapping_add(step * STEP + AHEAD).cast());
                for half in 0..2 {
                    let w = _mm256_loadu_si256(values.add(step * STEP + 32 * half).cast());
                    let (size, sign) = (_mm256_abs_epi8(w), _mm256_cmpgt_epi8(_mm256_setzero_si256(), w));
                    let to = to.add(SIGNED_FROM + 2 * (step * STEP + 32 * half));
                    _mm256_storeu_si256(to.cast(), size);
                    _mm256_storeu_si256(to.add(32).cast(), sign);
                    // -1 where w is negative: |w| · -1 is taken off.
                    let pairs = _mm256_maddubs_epi16(size, sign);
                    starts[half] = _mm256_sub_epi32(starts[half], _mm256_madd_epi16(pairs, ones));
                }
            }
            for half in 0..2 {
                _mm256_storeu_si256(to.add(32 * half).cast(), starts[half]);
            }
        }
    }

    #[inline(always)]
    unsafe fn q8_of_split<const R: usize>(
        self,
        split: *const u8,
        steps: usize,
        rows: BlockRows<R>,
    ) -> [Self::Sums; R] {
        // SAFETY: as above.
        unsafe {
            let ones = opaque(_mm256_set1_epi16(1));
            let mut sums = [self.load(split.cast()); R];
            for step in 0..steps {
                for half in 0..2 {
                    let from = split.add(SIGNED_FROM + 2 * (step * STEP + 32 * half));
                    let size = _mm256_loadu_si256(from.cast());
                    let sign = _mm256_loadu_si256(from.add(32).cast());
                    for r in 0..R {
                        let x = _mm256_xor_si256(broadcast(rows.values[r].add(4 * step)), sign);
                        let wide = _mm256_madd_epi16(_mm256_maddubs_epi16(size, x), ones);
                        sums[r][half] = _mm256_add_epi32(sums[r][half], wide);
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
            let low = opaque(_mm256_set1_epi8(15));
            let mut sums = [[[_mm256_setzero_si256(); 2]; R]; P];
            for group in 0..steps / STEPS {
                let mut short = [[[_mm256_setzero_si256(); 2]; R]; P];
                for r in 0..R {
                    let offset = broadcast(rows.offsets[r].add(group).cast());
                    for p in 0..P {
                        short[p][r] = [offset; 2];
                    }
                }
                for pair in 0..STEPS / 2 {
                    let step = group * STEPS + 2 * pair;
                    for p in 0..P {
                        let from = nibbles[p].add(step / 2 * STEP);
                        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
                        for half in 0..2 {
                            let bytes = _mm256_loadu_si256(from.add(32 * half).cast());
                            let first = _mm256_and_si256(bytes, low);
                            let second = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low);
                            for r in 0..R {
                                let x = rows.values[r].add(4 * step);
                                let a = _mm256_maddubs_epi16(first, broadcast(x));
                                let b = _mm256_maddubs_epi16(second, broadcast(x.add(4)));
                                let both = _mm256_add_epi16(a, b);
                                short[p][r][half] = _mm256_add_epi16(short[p][r][half], both);
                            }
                        }
                    }
                }
                for p in 0..P {
                    let factors = twice(factors[p].add(16 * group));
                    for r in 0..R {
                        for half in 0..2 {
                            let wide = _mm256_madd_epi16(short[p][r][half], factors[half]);
                            sums[p][r][half] = _mm256_add_epi32(sums[p][r][half], wide);
                        }
                    }
                }
            }
            sums
        }
    }

    /// Nibbles as bytes, `[steps][16][4]`, and at [`FACTORS`] the factors, twice each, in i16.
    #[inline(always)]
    unsafe fn q4_unpack(self, nibbles: *const u8, factors: *const i8, steps: usize, to: *mut u8) {
        // SAFETY: as above.
        unsafe {
            for group in 0..steps / STEPS {
                let [first, second] = twice(factors.add(16 * group));
                let to = to.add(FACTORS + 64 * group);
                _mm256_storeu_si256(to.cast(), first);
                _mm256_storeu_si256(to.add(32).cast(), second);
            }
            let low = _mm256_set1_epi8(15);
            for pair in 0..steps / 2 {
                for half in 0..2 {
                    let bytes = _mm256_loadu_si256(nibbles.add(pair * STEP + 32 * half).cast());
                    let to = to.add(2 * pair * STEP + 32 * half);
                    _mm256_storeu_si256(to.cast(), _mm256_and_si256(bytes, low));
                    let second = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low);
                    _mm256_storeu_si256(to.add(STEP).cast(), second);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn q4_unpacked<const R: usize>(
        self,
        unpacked: *const u8,
        _factors: *const i8,
        steps: usize,
        rows: BlockRows<R>,
    ) -> [Self::Sums; R] {
        // SAFETY: as above.
        unsafe {
            let mut sums = [[_mm256_setzero_si256(); 2]; R];
            for group in 0..steps / STEPS {
                let mut short = [[_mm256_setzero_si256(); 2]; R];
                for r in 0..R {
                    short[r] = [broadcast(rows.offsets[r].add(group).cast()); 2];
                }
                let from = unpacked.add(group * STEPS * STEP);
                if R == 3 {
                    let (x, at) = (rows.values, 4 * group * STEPS);
                    let x = [x[0].add(at), x[1 % R].add(at), x[2 % R].add(at)];
                    let three = [short[0], short[1 % R], short[2 % R]];
                    let three = group_of_three(from, x, three);
                    short.copy_from_slice(&three[..R]);
                } else {
                    for step in 0..STEPS {
                        let from = from.add(step * STEP);
                        let w = [
                            _mm256_loadu_si256(from.cast()),
                            _mm256_loadu_si256(from.add(32).cast()),
                        ];
                        for r in 0..R {
                            let x = broadcast(rows.values[r].add(4 * (group * STEPS + step)));
                            for half in 0..2 {
                                let pairs = _mm256_maddubs_epi16(w[half], x);
                                short[r][half] = _mm256_add_epi16(short[r][half], pairs);
                            }
                        }
                    }
                }
                let factors = unpacked.add(FACTORS + 64 * group);
                let factors = [
                    _mm256_loadu_si256(factors.cast()),
                    _mm256_loadu_si256(factors.add(32).cast()),
                ];
                for r in 0..R {
                    for half in 0..2 {
                        let wide = _mm256_madd_epi16(short[r][half], factors[half]);
                        sums[r][half] = _mm256_add_epi32(sums[r][half], wide);
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i32) -> Self::Sums {
        // SAFETY: as above.
        unsafe {
            [
                _mm256_loadu_si256(from.cast()),
                _mm256_loadu_si256(from.add(8).cast()),
            ]
        }
    }

    #[inline(always)]
    fn plus(self, mut a: Self::Sums, b: Self::Sums) -> Self::Sums {
        for half in 0..2 {
            // SAFETY: as above.
            a[half] = unsafe { _mm256_add_epi32(a[half], b[half]) };
        }
        a
    }

    #[inline(always)]
    fn totals(self) -> Self::Totals {
        // SAFETY: as above.
        unsafe { [_mm256_setzero_ps(); 2] }
    }

    #[inline(always)]
    fn scaled(self, mut totals: Self::Totals, sums: Self::Sums, scale: f32) -> Self::Totals {
        // SAFETY: as above.
        unsafe {
            let scale = _mm256_set1_ps(scale);
            for half in 0..2 {
                totals[half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[half]), scale, totals[half]);
            }
        }
        totals
    }

    #[inline(always)]
    unsafe fn add_to(self, totals: Self::Totals, scales: Self::Totals, from: *const f32, to: *mut f32) {
        // SAFETY: as above.
        unsafe {
            for half in 0..2 {
                let product = _mm256_mul_ps(totals[half], scales[half]);
                let sum = _mm256_add_ps(_mm256_loadu_ps(from.add(8 * half)), product);
                _mm256_storeu_ps(to.add(8 * half), sum);
            }
        }
    }

    #[inline(always)]
    unsafe fn scales(self, from: *const u16) -> Self::Totals {
        // SAFETY: as above.
        unsafe {
            let mut scales = self.totals();
            for half in 0..2 {
                let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.add(8 * half).cast()));
                scales[half] = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits));
            }
            scales
        }
    }
}
