//! Qwen3.5 checkpoints: where their files come from ([`Files`]), `config.json` as types
//! ([`Config`]), and checked tensors ([`Checkpoint`], [`Tensor`]).
//!
//! Every byte is untrusted: a file that lies gives a [`CheckpointError`] that names the file, the
//! tensor or field, what was expected and what was found. Tensors are asked for by their official
//! names (`model.language_model.…`, `model.visual.…`, `lm_head.weight`) whatever the files call them.

#![deny(unsafe_code)]

mod adapter;
mod bytes;
mod cases;
mod checkpoint;
mod config;
mod error;
mod export;
mod files;
mod layout;
pub mod matrices;
mod names;
pub mod packed;
mod random;
mod safetensors;
mod tensor;
mod weights;

pub use adapter::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, AdapterConfig, AdapterSlot, AdapterTarget, LowRank, Merged,
    adapter_slots,
};
pub use bytes::Bytes;
pub use cases::{Case, CaseEntry, CaseImage, Cases, Expected, Greedy};
pub use checkpoint::Checkpoint;
pub use config::{
    Config, Ffn, GenerationConfig, LayerType, OFFICIAL, PreprocessorConfig, RopeParameters, TextConfig,
    VisionConfig, Yarn,
};
pub use error::CheckpointError;
pub use export::{Described, Exported, SafetensorsWriter, export};
pub use files::Files;
pub use layout::{Part, Slot, layout};
pub use matrices::{ExpertPart, MatrixSpec, Role, RowSource, matrices};
pub use packed::{Packed, PackedMatrix, StoredMatrix};
pub use random::RandomWeights;
pub use safetensors::SafetensorsFile;
pub use tensor::{Dtype, Tensor};
pub use weights::{Expert, Weights};
