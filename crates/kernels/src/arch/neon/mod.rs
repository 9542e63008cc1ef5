//! NEON, which every 64-bit Arm processor has: 8 lanes in two registers.

mod dot;

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vaddq_s32, vbslq_f32, vcgtq_f32, vcltq_f32, vcombine_s16, vcvtnq_s32_f32,
    vdivq_f32, vdupq_n_f32, vdupq_n_s32, vfmaq_f32, vget_high_u16, vget_low_u16, vld1q_f32, vld2q_u16,
    vmovn_s16, vmovn_s32, vmulq_f32, vreinterpretq_f32_s32, vreinterpretq_f32_u32, vrndnq_f32, vshll_n_u16,
    vshlq_n_s32, vst1_s8, vst1q_f32, vsubq_f32,
};

pub(crate) use dot::NeonDot;

use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Neon;

impl Neon {
    #[inline]
    pub(crate) fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}

// Every method below: the target has NEON.
macro_rules! lanewise {
    ($name:ident($($argument:ident),+) $body:expr) => {
        #[inline(always)]
        fn $name(self, $($argument: Self::V),+) -> Self::V {
            let half = |i: usize| {
                $(let $argument = $argument[i];)+
                // SAFETY: the target has NEON.
                unsafe { $body }
            };
            [half(0), half(1)]
        }
    };
}

impl Simd for Neon {
    const LANES: usize = 8;
    type V = [float32x4_t; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: the target has NEON.
        unsafe { [vdupq_n_f32(x); 2] }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller gives 8 readable elements.
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4))] }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the caller gives 8 writable elements.
        unsafe {
            vst1q_f32(to, v[0]);
            vst1q_f32(to.add(4), v[1]);
        }
    }

    #[inline(always)]
    unsafe fn load_interleaved(self, from: *const u16) -> [Self::V; 2] {
        // SAFETY: the caller gives 16 readable elements.
        unsafe {
            let pairs = vld2q_u16(from);
            [pairs.0, pairs.1].map(|bits| {
                [vget_low_u16(bits), vget_high_u16(bits)]
                    .map(|bits| vreinterpretq_f32_u32(vshll_n_u16::<16>(bits)))
            })
        }
    }

    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8, v: Self::V) {
        // SAFETY: the caller gives 8 writable bytes and values in range.
        unsafe {
            let [a, b] = v.map(|half| vmovn_s32(vcvtnq_s32_f32(half)));
            vst1_s8(to, vmovn_s16(vcombine_s16(a, b)));
        }
    }

    lanewise!(add(a, b) vaddq_f32(a, b));
    lanewise!(sub(a, b) vsubq_f32(a, b));
    lanewise!(mul(a, b) vmulq_f32(a, b));
    lanewise!(div(a, b) vdivq_f32(a, b));
    lanewise!(mul_add(a, b, c) vfmaq_f32(c, a, b));
    // The instructions for it would give NaN for NaN.
    lanewise!(max(a, b) vbslq_f32(vcgtq_f32(a, b), a, b));
    lanewise!(min(a, b) vbslq_f32(vcltq_f32(a, b), a, b));
    lanewise!(round(a) vrndnq_f32(a));
    lanewise!(pow2(a) vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtnq_s32_f32(a), vdupq_n_s32(127)))));
}
