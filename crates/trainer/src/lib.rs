//! Learning: the family's network forward and backward, and what trains it.
//!
//! - [`Network`] is a list of blocks in order, each with a hand-written `forward` that keeps what `backward` needs;
//!   read `blocks/` beside `aurore_model::reference`, which has the same names.
//! - A batch is cut into lanes; each has its own buffers and gradients and runs on one thread, so what is computed
//!   depends on the number of lanes, never on the number of threads or on who comes first.
//! - [`Pass`] is the seam to the arithmetic: products of matrices go through it, in bf16 or, as the reference, in f32.
//!
//! - Either everything learns ([`Parameters`]), or low-rank additions beside [`Frozen`] weights do ([`LoraSettings`]).
//!
//! With `aurore-model` it shares the positions of tokens and patches, which are pure functions, and how matrices are
//! loaded; no state.

#![forbid(unsafe_code)]

mod blocks;
mod buffers;
mod data;
mod frozen;
mod initial;
mod lora;
mod network;
mod numbers;
mod official;
mod ops;
mod optimiser;
mod parameters;
mod pass;
mod run;
mod stream;
mod weights;

pub use blocks::balance::Balance;
pub use buffers::{Buffer, Buffers};
pub use data::{DataError, Draw, Episodes, Move, Sample, Samples, Synthetic};
pub use frozen::Frozen;
pub use initial::initialise;
pub use lora::{LoraSettings, Projections};
pub use network::{Losses, Network, Options};
pub use optimiser::{Method, Optimiser, OptimiserSettings, Schedule};
pub use parameters::{Gradients, Parameter, ParameterId, Parameters};
pub use pass::Pass;
pub use run::{
    BatchSettings, DataSettings, Entry, Evaluation, ExpertSettings, Folder, KeepSettings, Log, Resumed,
    Settings, SettingsError, StepResult, TrainError, Trainer, Width, render,
};
pub use stream::{Look, Stream, StreamError, Target};
pub use weights::Weights;
