//! Which instruction set computes: found at run time, never by the build.

use crate::arch::portable::Portable;
#[cfg(target_arch = "x86_64")]
use crate::arch::{avx2::Avx2, avx512::Avx512};
use crate::simd::{Kernel, Simd};

/// An instruction set that this processor has.
#[derive(Clone, Copy)]
pub struct Isa(Token);

#[derive(Clone, Copy)]
enum Token {
    Portable(Portable<8>),
    #[cfg(test)]
    Wide(Portable<16>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Isa {
    /// The fastest one here.
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// All that this processor has, the fastest first; `portable` is always the last.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx512::new().map(|token| Self(Token::Avx512(token))));
            all.extend(Avx2::new().map(|token| Self(Token::Avx2(token))));
        }
        all.push(Self(Token::Portable(Portable)));
        all
    }

    /// The one of that [`name`](Self::name), where the processor has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// The portable one at the width of AVX-512.
    #[cfg(test)]
    pub(crate) fn wide() -> Self {
        Self(Token::Wide(Portable))
    }

    /// `avx512`, `avx2` or `portable`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Token::Portable(_) => "portable",
            #[cfg(test)]
            Token::Wide(_) => "wide",
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(_) => "avx512",
        }
    }

    /// Elements per vector.
    pub(crate) fn lanes(self) -> usize {
        struct Lanes;
        impl Kernel for Lanes {
            type Output = usize;
            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> usize {
                S::LANES
            }
        }
        self.run(Lanes)
    }

    /// Runs an algorithm with this instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Token::Portable(token) => token.vectorize(kernel),
            #[cfg(test)]
            Token::Wide(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.vectorize(kernel),
        }
    }
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
