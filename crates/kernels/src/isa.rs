//! Which instruction set computes: found at run time, never by the build.
//!
//! It is made of four choices: floating-point vectors, integer products, and products of bf16 pairs and tiles
//! where there are any. What has vectors of its own need not have integer products of its own.

use std::sync::OnceLock;

use crate::ahead::one_stream;
#[cfg(target_arch = "aarch64")]
use crate::arch::neon::{Neon, NeonDot};
use crate::arch::portable::Portable;
#[cfg(target_arch = "x86_64")]
use crate::arch::{
    amx::Amx,
    avx2::{Avx2, AvxVnni},
    avx512::{Avx512, Bf16x512, Vnni512},
};
use crate::dot::DotKernel;
use crate::pairs::{EmulatedPairs, PairKernel};
use crate::simd::{Kernel, Simd};
use crate::tiles::{Emulated, TileKernel};
use crate::trial;

/// An instruction set that this processor has.
#[derive(Clone, Copy)]
pub struct Isa {
    name: &'static str,
    vectors: Vectors,
    products: Products,
    pairs: Option<PairSet>,
    tiles: Option<TileSet>,
    one_stream: bool,
}

#[derive(Clone, Copy)]
enum Vectors {
    Portable(Portable<8>),
    #[cfg(test)]
    Wide(Portable<16>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

#[derive(Clone, Copy)]
enum Products {
    Portable(Portable<8>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    #[cfg(target_arch = "x86_64")]
    Vnni512(Vnni512),
    #[cfg(target_arch = "aarch64")]
    Neon(NeonDot),
}

/// Products of bf16 pairs.
#[derive(Clone, Copy)]
enum PairSet {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests multiply pairs on every machine")
    )]
    Emulated(EmulatedPairs),
    #[cfg(target_arch = "x86_64")]
    Avx512(Bf16x512),
}

#[derive(Clone, Copy)]
enum TileSet {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests multiply with tiles on every machine")
    )]
    Emulated(Emulated),
    #[cfg(test)]
    Wrong(crate::tiles::Wrong),
    #[cfg(target_arch = "x86_64")]
    Amx(Amx),
}

/// `AURORE_ISA` names an instruction set that this processor does not have, or that there is none of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownIsa {
    name: String,
}

impl std::fmt::Display for UnknownIsa {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let here: Vec<_> = Isa::available().iter().map(|isa| isa.name).collect();
        write!(
            formatter,
            "AURORE_ISA is `{}`, which this processor does not have; it has {}",
            self.name,
            here.join(", ")
        )
    }
}

impl std::error::Error for UnknownIsa {}

impl Isa {
    /// The fastest one here. Those of AMX and AVX-VNNI, which few processors have, must pass a trial first: their
    /// integer products are compared with plain Rust's.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let all = Self::available();
            let good = |isa: &&Self| !matches!(isa.name, "amx" | "avxvnni") || trial::passes(**isa);
            *all.iter().find(good).unwrap_or(&all[all.len() - 1])
        })
    }

    /// The one that the environment variable `AURORE_ISA` names, else the fastest one here.
    ///
    /// # Errors
    /// When the variable names none of [`available`](Self::available).
    pub fn chosen() -> Result<Self, UnknownIsa> {
        match std::env::var_os("AURORE_ISA").filter(|name| !name.is_empty()) {
            None => Ok(Self::best()),
            Some(name) => {
                let name = name.to_string_lossy().into_owned();
                Self::named(&name).ok_or(UnknownIsa { name })
            }
        }
    }

    /// All that this processor has, the fastest first; `portable` is always the last.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        let one_stream = one_stream();
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::new() {
            if let Some(avx512) = Avx512::new() {
                let isa = Self {
                    name: "avx512",
                    vectors: Vectors::Avx512(avx512),
                    products: Products::Avx2(avx2),
                    pairs: None,
                    tiles: None,
                    one_stream,
                };
                if let Some(vnni) = Vnni512::new() {
                    let isa = Self {
                        name: "avx512vnni",
                        products: Products::Vnni512(vnni),
                        ..isa
                    };
                    let pairs = Bf16x512::new().map(PairSet::Avx512);
                    all.extend(Amx::new().map(|amx| Self {
                        name: "amx",
                        pairs,
                        tiles: Some(TileSet::Amx(amx)),
                        ..isa
                    }));
                    all.extend(pairs.map(|_| Self {
                        name: "avx512bf16",
                        pairs,
                        ..isa
                    }));
                    all.push(isa);
                }
                all.push(isa);
            }
            let isa = Self {
                name: "avx2",
                vectors: Vectors::Avx2(avx2),
                products: Products::Avx2(avx2),
                pairs: None,
                tiles: None,
                one_stream,
            };
            all.extend(AvxVnni::new().map(|vnni| Self {
                name: "avxvnni",
                products: Products::AvxVnni(vnni),
                ..isa
            }));
            all.push(isa);
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Self {
            name: "neon",
            vectors: Vectors::Neon(Neon),
            products: NeonDot::new().map_or(Products::Portable(Portable), Products::Neon),
            pairs: None,
            tiles: None,
            one_stream,
        });
        all.push(Self {
            name: "portable",
            vectors: Vectors::Portable(Portable),
            products: Products::Portable(Portable),
            pairs: None,
            tiles: None,
            one_stream,
        });
        all
    }

    /// The one of that [`name`](Self::name), where the processor has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// The portable one at the width of AVX-512, with tiles in plain Rust.
    #[cfg(test)]
    pub(crate) fn wide() -> Self {
        Self {
            name: "wide",
            vectors: Vectors::Wide(Portable),
            products: Products::Portable(Portable),
            pairs: Some(PairSet::Emulated(EmulatedPairs)),
            tiles: Some(TileSet::Emulated(Emulated)),
            one_stream: false,
        }
    }

    /// One whose tiles give wrong sums.
    #[cfg(test)]
    pub(crate) fn wrong() -> Self {
        Self {
            tiles: Some(TileSet::Wrong(crate::tiles::Wrong)),
            ..Self::wide()
        }
    }

    /// `amx`, `avx512bf16`, `avx512vnni`, `avx512`, `avxvnni`, `avx2`, `neon` or `portable`.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Whether few rows read weights in one stream rather than in several.
    pub(crate) fn reads_one_stream(self) -> bool {
        self.one_stream
    }

    /// The same arithmetic, with memory read in the other way.
    #[cfg(test)]
    pub(crate) fn with_other_streams(self) -> Self {
        Self {
            one_stream: !self.one_stream,
            ..self
        }
    }

    /// The same without tiles.
    #[cfg(test)]
    pub(crate) fn without_tiles(self) -> Self {
        Self { tiles: None, ..self }
    }

    /// Whether products of many rows are made on tiles.
    pub(crate) fn has_tiles(self) -> bool {
        self.tiles.is_some()
    }

    /// Whether bf16 weights are multiplied by inputs rounded to bf16.
    pub(crate) fn has_pairs(self) -> bool {
        self.pairs.is_some()
    }

    /// Whether many rows multiply bf16 pairs as two additions of f32, which give the same bits (both operands of a
    /// product have few enough digits for f32 to hold it) but for sums near the smallest numbers: Intel's processors
    /// do pairs at less than half the rate.
    pub(crate) fn adds_pairs_singly(self) -> bool {
        self.one_stream && self.pairs.is_some()
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

    /// Runs an algorithm with this instruction set's vectors.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.vectors {
            Vectors::Portable(token) => token.vectorize(kernel),
            #[cfg(test)]
            Vectors::Wide(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512(token) => token.vectorize(kernel),
            #[cfg(target_arch = "aarch64")]
            Vectors::Neon(token) => token.vectorize(kernel),
        }
    }

    /// Runs an algorithm with this instruction set's integer products.
    #[inline]
    pub(crate) fn run_dot<K: DotKernel>(self, kernel: K) -> K::Output {
        match self.products {
            Products::Portable(token) => apart(|| kernel.run(token)),
            #[cfg(target_arch = "x86_64")]
            Products::Avx2(token) => token.vectorize_dot(kernel),
            #[cfg(target_arch = "x86_64")]
            Products::AvxVnni(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Products::Vnni512(token) => token.vectorize(kernel),
            #[cfg(target_arch = "aarch64")]
            Products::Neon(token) => token.vectorize(kernel),
        }
    }

    /// Runs an algorithm with this instruction set's pair products, where it has any.
    #[inline]
    pub(crate) fn run_pairs<K: PairKernel>(self, kernel: K) {
        match self.pairs {
            #[cfg(target_arch = "x86_64")]
            Some(PairSet::Avx512(token)) => token.vectorize(kernel),
            Some(PairSet::Emulated(token)) => apart(|| kernel.run(token)),
            None => {}
        }
    }

    /// Runs an algorithm with this instruction set's tiles, where it has any.
    #[inline]
    pub(crate) fn run_tiles<K: TileKernel>(self, kernel: K) {
        match self.tiles {
            #[cfg(target_arch = "x86_64")]
            Some(TileSet::Amx(tiles)) => tiles.with(|tiles| kernel.run(self, tiles)),
            Some(TileSet::Emulated(tiles)) => apart(|| kernel.run(self, tiles)),
            #[cfg(test)]
            Some(TileSet::Wrong(tiles)) => apart(|| kernel.run(self, tiles)),
            None => {}
        }
    }
}

/// Runs a kernel in a frame of its own. Kernels keep up to half a megabyte on the stack; inlined into each of the
/// functions that choose among instruction sets, they would take it once for each.
#[inline(never)]
fn apart<R>(kernel: impl FnOnce() -> R) -> R {
    kernel()
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
