//! Integer products of NEON with the dot product extension.
//!
//! `sdot` multiplies signed bytes and adds four products to an i32, so nothing needs correcting. Its
//! intrinsics are not stable yet.

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int16x8_t, int32x4_t, uint8x16_t, vaddq_f32, vaddq_s32, vandq_u8, vcvtq_f32_s32,
    vdupq_n_f32, vdupq_n_s8, vdupq_n_s32, vdupq_n_u8, vfmaq_n_f32, vget_high_s8, vget_high_s16, vget_low_s8,
    vget_low_s16, vld1_u16, vld1q_f32, vld1q_s8, vld1q_s32, vld1q_u8, vmlaq_s32, vmovl_s8, vmovl_s16,
    vmulq_f32, vreinterpretq_f32_u32, vreinterpretq_s8_s32, vreinterpretq_s8_u8, vshll_n_u16, vshrq_n_u8,
    vst1q_f32, vst1q_s8, vsubq_s8,
};
use std::arch::asm;

use crate::dot::{BlockRows, Dot, DotKernel};
use crate::quant::GROUP;

/// Steps of four columns in a group that shares a factor.
const STEPS: usize = GROUP / 4;
/// Bytes of a step: 16 outputs of 4 columns.
const STEP: usize = 64;

#[derive(Clone, Copy)]
pub(crate) struct NeonDot(());

impl NeonDot {
    /// The token, where the processor has the dot product.
    pub(crate) fn new() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("dotprod").then_some(Self(()))
    }

    #[inline]
    pub(crate) fn vectorize<K: DotKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "dotprod")]
        fn with_features<K: DotKernel>(kernel: K, d: NeonDot) -> K::Output {
            kernel.run(d)
        }
        // SAFETY: `new` made this value, so the processor has the features.
        unsafe { with_features(kernel, self) }
    }
}

/// `sum + Σ_j w[j] · x[j]` per lane.
#[inline(always)]
unsafe fn dot(mut sum: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: a token proves the instruction; it touches registers only.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {w:v}.16b, {x:v}.16b",
            sum = inout(vreg) sum,
            w = in(vreg) w,
            x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// Four columns of a row, in all lanes.
#[inline(always)]
unsafe fn broadcast(x: *const i8) -> int8x16_t {
    // SAFETY: the caller's: 4 readable bytes.
    unsafe { vreinterpretq_s8_s32(vdupq_n_s32(x.cast::<i32>().read_unaligned())) }
}

/// 16 int8 as i16.
#[inline(always)]
unsafe fn widen(from: *const i8) -> [int16x8_t; 2] {
    // SAFETY: the caller's.
    unsafe {
        let bytes = vld1q_s8(from);
        [vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes))]
    }
}

/// 16 int8 as i32.
#[inline(always)]
unsafe fn widen_twice(from: *const i8) -> [int32x4_t; 4] {
    // SAFETY: the caller's.
    unsafe {
        let [a, b] = widen(from);
        [
            vget_low_s16(a),
            vget_high_s16(a),
            vget_low_s16(b),
            vget_high_s16(b),
        ]
        .map(|half| vmovl_s16(half))
    }
}

/// The low and the high nibbles, less 8.
#[inline(always)]
unsafe fn digits(bytes: uint8x16_t) -> [int8x16_t; 2] {
    // SAFETY: the target has NEON.
    unsafe {
        [vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8::<4>(bytes)]
            .map(|nibbles| vsubq_s8(vreinterpretq_s8_u8(nibbles), vdupq_n_s8(8)))
    }
}

/// `sums += factor · short`
#[inline(always)]
unsafe fn add_scaled<const R: usize>(
    sums: &mut [[int32x4_t; 4]; R],
    short: [[int32x4_t; 4]; R],
    factors: *const i8,
) {
    // SAFETY: the caller's: 16 readable factors.
    unsafe {
        let factors = widen_twice(factors);
        for r in 0..R {
            for quarter in 0..4 {
                sums[r][quarter] = vmlaq_s32(sums[r][quarter], short[r][quarter], factors[quarter]);
            }
        }
    }
}

impl Dot for NeonDot {
    type Sums = [int32x4_t; 4];
    type Totals = [float32x4_t; 4];
    const Q8_ROWS: usize = 4;
    const Q4_ROWS: usize = 3;
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
            let mut sums = [[[vdupq_n_s32(0); 4]; R]; P];
            for step in 0..steps {
                for p in 0..P {
                    let from = values[p].add(step * STEP);
                    let w = [0, 16, 32, 48].map(|at| vld1q_s8(from.add(at)));
                    for r in 0..R {
                        let x = broadcast(rows.values[r].add(4 * step));
                        for quarter in 0..4 {
                            sums[p][r][quarter] = dot(sums[p][r][quarter], w[quarter], x);
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
            let mut sums = [[[vdupq_n_s32(0); 4]; R]; P];
            for group in 0..steps / STEPS {
                for p in 0..P {
                    let mut short = [[vdupq_n_s32(0); 4]; R];
                    for pair in 0..STEPS / 2 {
                        let step = group * STEPS + 2 * pair;
                        for quarter in 0..4 {
                            let bytes = vld1q_u8(nibbles[p].add(step / 2 * STEP + 16 * quarter));
                            let [first, second] = digits(bytes);
                            for r in 0..R {
                                let x = rows.values[r].add(4 * step);
                                let sum = &mut short[r][quarter];
                                *sum = dot(*sum, first, broadcast(x));
                                *sum = dot(*sum, second, broadcast(x.add(4)));
                            }
                        }
                    }
                    add_scaled(&mut sums[p], short, factors[p].add(16 * group));
                }
            }
            sums
        }
    }

    /// Nibbles less 8 as bytes, `[steps][16][4]`.
    #[inline(always)]
    unsafe fn q4_unpack(self, nibbles: *const u8, _factors: *const i8, steps: usize, to: *mut u8) {
        // SAFETY: as above.
        unsafe {
            for pair in 0..steps / 2 {
                for at in [0, 16, 32, 48] {
                    let [first, second] = digits(vld1q_u8(nibbles.add(pair * STEP + at)));
                    let to = to.cast::<i8>().add(2 * pair * STEP + at);
                    vst1q_s8(to, first);
                    vst1q_s8(to.add(STEP), second);
                }
            }
        }
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
            let mut sums = [[vdupq_n_s32(0); 4]; R];
            for group in 0..steps / STEPS {
                let mut short = [[vdupq_n_s32(0); 4]; R];
                for step in group * STEPS..(group + 1) * STEPS {
                    let from = unpacked.cast::<i8>().add(step * STEP);
                    let w = [0, 16, 32, 48].map(|at| vld1q_s8(from.add(at)));
                    for r in 0..R {
                        let x = broadcast(rows.values[r].add(4 * step));
                        for quarter in 0..4 {
                            short[r][quarter] = dot(short[r][quarter], w[quarter], x);
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
        // SAFETY: as above.
        unsafe { [0, 4, 8, 12].map(|at| vld1q_s32(from.add(at))) }
    }

    #[inline(always)]
    fn plus(self, mut a: Self::Sums, b: Self::Sums) -> Self::Sums {
        for quarter in 0..4 {
            // SAFETY: as above.
            a[quarter] = unsafe { vaddq_s32(a[quarter], b[quarter]) };
        }
        a
    }

    #[inline(always)]
    fn totals(self) -> Self::Totals {
        // SAFETY: as above.
        unsafe { [vdupq_n_f32(0.0); 4] }
    }

    #[inline(always)]
    fn scaled(self, mut totals: Self::Totals, sums: Self::Sums, scale: f32) -> Self::Totals {
        for (total, sum) in totals.iter_mut().zip(sums) {
            // SAFETY: as above.
            unsafe { *total = vfmaq_n_f32(*total, vcvtq_f32_s32(sum), scale) };
        }
        totals
    }

    #[inline(always)]
    unsafe fn add_to(self, totals: Self::Totals, scales: Self::Totals, from: *const f32, to: *mut f32) {
        // SAFETY: as above.
        unsafe {
            for (quarter, (total, scales)) in totals.into_iter().zip(scales).enumerate() {
                let product = vmulq_f32(total, scales);
                let sum = vaddq_f32(vld1q_f32(from.add(4 * quarter)), product);
                vst1q_f32(to.add(4 * quarter), sum);
            }
        }
    }

    #[inline(always)]
    unsafe fn scales(self, from: *const u16) -> Self::Totals {
        // SAFETY: as above.
        unsafe {
            let mut scales = self.totals();
            for (quarter, scales) in scales.iter_mut().enumerate() {
                *scales = vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.add(4 * quarter))));
            }
            scales
        }
    }
}
