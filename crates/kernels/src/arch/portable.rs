//! Plain Rust that the compiler vectorises with what the target always has (SSE2, NEON).
//!
//! `Portable<8>` is the fallback of every processor. `Portable<16>` is never chosen: tests run it
//! so that the algorithms are exercised at the width of AVX-512 on every machine.

use crate::dot::{Dot, scalar_dot};
use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Portable<const LANES: usize>;

impl<const LANES: usize> Portable<LANES> {
    pub(crate) fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}

macro_rules! lanewise {
    ($name:ident($($argument:ident),+) $body:expr) => {
        #[inline(always)]
        fn $name(self, $($argument: Self::V),+) -> Self::V {
            let mut result = [0.0; LANES];
            for lane in 0..LANES {
                $(let $argument = $argument[lane];)+
                result[lane] = $body;
            }
            result
        }
    };
}

impl<const LANES: usize> Simd for Portable<LANES> {
    const LANES: usize = LANES;
    type V = [f32; LANES];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller gives LANES readable elements; an array of f32 is aligned like f32.
        unsafe { from.cast::<[f32; LANES]>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the caller gives LANES writable elements; an array of f32 is aligned like f32.
        unsafe { to.cast::<[f32; LANES]>().write(v) }
    }

    #[inline(always)]
    unsafe fn load_interleaved(self, from: *const u16) -> [Self::V; 2] {
        let mut halves = [[0.0; LANES]; 2];
        for lane in 0..LANES {
            // SAFETY: the caller gives 2 · LANES readable elements.
            let (first, second) = unsafe { (from.add(2 * lane).read(), from.add(2 * lane + 1).read()) };
            halves[0][lane] = f32::from_bits(u32::from(first) << 16);
            halves[1][lane] = f32::from_bits(u32::from(second) << 16);
        }
        halves
    }

    lanewise!(add(a, b) a + b);
    lanewise!(sub(a, b) a - b);
    lanewise!(mul(a, b) a * b);
    lanewise!(div(a, b) a / b);
    lanewise!(mul_add(a, b, c) a * b + c);
    lanewise!(max(a, b) if a > b { a } else { b });
    lanewise!(min(a, b) if a < b { a } else { b });
    lanewise!(round(a) a.round_ties_even());
    lanewise!(pow2(a) f32::from_bits((((a as i32) + 127) as u32) << 23));
}

impl<const LANES: usize> Dot for Portable<LANES> {
    scalar_dot!();
}
