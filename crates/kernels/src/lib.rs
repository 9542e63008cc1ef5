//! Arithmetic for the Qwen3.5 family: matrix products, gated delta rule, attention, norms, and the
//! thread pool, for AVX-512, AVX2 and any other processor, chosen at run time.
//!
//! - Every kernel is written once over a small set of vector operations; an instruction set is a
//!   folder entry in `arch/` that implements those.
//! - **A result never depends on what else is computed.** Every sum has a fixed order: a row's
//!   numbers are the same to the bit alone or among a thousand, with one thread or with many.
//! - Nothing here allocates but constructors.
//! - An instruction set is tested wherever the processor has it; the algorithms at its width are tested on
//!   every machine, over plain Rust.
//!
//! This crate knows no network and no file.

mod ahead;
mod arch;
mod attention;
mod cpu;
mod delta;
mod dense;
mod dot;
mod elementwise;
mod expand;
mod isa;
mod later;
mod limits;
mod math;
mod matmul;
mod matrix;
mod memory;
mod norm;
mod pairs;
mod pool;
#[cfg(test)]
mod pool_tests;
mod quant;
mod routing;
mod shortlist;
mod simd;
mod steer;
mod sync;
#[cfg(test)]
mod testing;
mod tiles;
mod training;
mod trial;
mod vectorised;

pub use attention::{Attention, HeadNorm, Heads, KvFormat, Rotation, Sees};
pub use cpu::Cpu;
pub use delta::{Delta, DeltaKind, DeltaRun, GatedDelta};
pub use elementwise::Gelu;
pub use isa::{Isa, UnknownIsa};
pub use limits::Limits;
pub use math::softplus;
pub use matmul::Group;
pub use matrix::{Format, Layout, Matrix, Source};
pub use memory::{Floats, Page, grow};
pub use pool::Pool;
pub use quant::{Correlation, Moments, Rounding};
pub use routing::Routing;
pub use shortlist::Shortlist;
pub use training::{Precision, Products, TrainedMatrix, View};
pub use vectorised::Vectorised;
