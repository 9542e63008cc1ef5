//! The Qwen3.5 network: tokens and image patches → logits.
//!
//! Two paths compute the same: [`mod@reference`], f32, slow and clear, which is tested against the
//! official implementation's goldens, and the fast path over `aurore-kernels`, which is tested
//! against the reference.

#![forbid(unsafe_code)]

mod adapter;
mod batch;
mod buffers;
mod calibration;
mod error;
mod experts;
mod finite;
mod formats;
mod input;
mod load;
mod model;
mod pack;
mod pages;
mod plan;
pub mod positions;
mod quality;
pub mod reference;
mod scratch;
mod sequence;
mod snapshot;
mod stored;
mod text;
pub mod verify;
mod vision;

pub use adapter::LoadedAdapter;
pub use aurore_kernels::KvFormat;
pub use batch::{Among, Segment, Tokens, Want};
pub use calibration::Calibration;
pub use error::ModelError;
pub use experts::{ExpertSizes, ExpertStats};
pub use formats::{Formats, format_name, format_named};
pub use input::{ImagePatches, Input, TokenId};
pub use load::{Method, Packing, load_matrix};
pub use model::{DeltaState, ImageFeatures, LoadOptions, Logits, Model, Precision};
pub use pack::Packer;
pub use plan::MemoryPlan;
pub use quality::Quality;
pub use sequence::{Sequence, Snapshot};
pub use stored::Rebuild;
pub use vision::Encoding;
