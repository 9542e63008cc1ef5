//! Plain loops of other crates, compiled for the instruction set that is found at run time.

use crate::Isa;
use crate::simd::{Kernel, Simd};

/// A piece of work whose loops the compiler should vectorise for the processor at hand.
///
/// [`Isa::vectorise`] calls it inside a function that has the instruction set switched on; only what is
/// inlined into [`run`](Self::run) profits, so implementations are `#[inline(always)]`.
pub trait Vectorised {
    /// What it returns.
    type Output;

    /// Does it.
    fn run(self) -> Self::Output;
}

impl Isa {
    /// Does a piece of work with this instruction set.
    #[inline]
    pub fn vectorise<W: Vectorised>(self, work: W) -> W::Output {
        struct Plain<W>(W);
        impl<W: Vectorised> Kernel for Plain<W> {
            type Output = W::Output;
            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> W::Output {
                self.0.run()
            }
        }
        self.run(Plain(work))
    }
}
