//! The few vector operations that every kernel is written in, once, for all instruction sets.
//!
//! A kernel is a type that implements [`Kernel`]; [`crate::Isa::run`] calls it inside a function
//! that has the instruction set switched on, and everything in it is inlined there. An instruction
//! set adds nothing but an implementation of [`Simd`], so what is tested with one set is the same
//! algorithm on the others.

/// A vector of `LANES` f32 and what can be done with it. A value of the type proves that the
/// processor has the instruction set.
///
/// # Safety
/// The pointer arguments must be valid for the number of elements that a method names. They need
/// no alignment beyond their element's.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// Elements per vector, a multiple of 8.
    const LANES: usize;

    /// `LANES` f32.
    type V: Copy;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Reads `LANES` elements.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Writes `LANES` elements.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// Reads `2 · LANES` bf16: those at even and those at odd places.
    unsafe fn load_interleaved(self, from: *const u16) -> [Self::V; 2];
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b` within two units in the last place, for `b` from 1 on; 0 where `1 / b` would be a denormal number.
    #[inline(always)]
    fn quotient(self, a: Self::V, b: Self::V) -> Self::V {
        self.div(a, b)
    }
    /// `a · b + c`, fused where the instruction set does that.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The greater; `b` when either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` when either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// Nearest integer, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// 2 to the power of integers from -127 to 127 (0 at -127).
    fn pow2(self, a: Self::V) -> Self::V;

    /// Writes `LANES` integers of -127 to 127 as bytes.
    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8, v: Self::V) {
        let lanes = self.to_array(v);
        for lane in 0..Self::LANES {
            // SAFETY: the caller gives LANES writable bytes and values in range.
            unsafe { to.add(lane).write(lanes[lane].to_int_unchecked::<i32>() as i8) };
        }
    }

    /// Asks for the cache line at an address that need not exist; nothing where the set cannot ask.
    #[inline(always)]
    fn prefetch<T>(self, _at: *const T) {}

    /// The same, into the second-level cache.
    #[inline(always)]
    fn prefetch_later<T>(self, _at: *const T) {}

    /// Runs a part of an algorithm as a function of its own, so that it is compiled once however
    /// many callers it has. Sets that are not part of the target switch themselves on again in it.
    #[inline(never)]
    fn outlined<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    /// Reads `LANES` signed bytes as numbers.
    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> Self::V {
        let mut lanes = [0.0; MAX_LANES];
        for (lane, x) in lanes.iter_mut().enumerate().take(Self::LANES) {
            // SAFETY: the caller's.
            *x = f32::from(unsafe { *from.add(lane) });
        }
        // SAFETY: LANES <= MAX_LANES.
        unsafe { self.load(lanes.as_ptr()) }
    }

    /// The greatest lane.
    #[inline(always)]
    fn greatest(self, a: Self::V) -> f32 {
        let mut lanes = self.to_array(a);
        let mut width = Self::LANES;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] = lanes[i].max(lanes[i + width]);
            }
        }
        lanes[0]
    }

    /// Reads `count` elements, at most `LANES`; the other lanes are 0.
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> Self::V {
        if count >= Self::LANES {
            // SAFETY: the caller's.
            return unsafe { self.load(from) };
        }
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: the caller's; `count` is below MAX_LANES.
        unsafe {
            from.copy_to_nonoverlapping(lanes.as_mut_ptr(), count);
            self.load(lanes.as_ptr())
        }
    }

    /// Writes the first `count` lanes, at most `LANES`.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: Self::V, count: usize) {
        // SAFETY: the caller's; `count` is below MAX_LANES where lanes are copied.
        unsafe {
            if count >= Self::LANES {
                self.store(to, v);
            } else {
                let lanes = self.to_array(v);
                lanes.as_ptr().copy_to_nonoverlapping(to, count);
            }
        }
    }

    /// The lanes as numbers.
    #[inline(always)]
    fn to_array(self, a: Self::V) -> [f32; MAX_LANES] {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: LANES <= MAX_LANES.
        unsafe { self.store(lanes.as_mut_ptr(), a) };
        lanes
    }

    /// Sum of the lanes: halves are added until eight are left, then pairs.
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        let mut lanes = self.to_array(a);
        let mut width = Self::LANES;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
        }
        lanes[0]
    }
}

/// The most lanes of any instruction set.
pub(crate) const MAX_LANES: usize = 16;

/// An algorithm for any instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// Runs it; implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, s: S) -> Self::Output;
}
