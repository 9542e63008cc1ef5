//! Where `--model` leads: the embedded nano, a checkpoint folder, or a packed file.

use std::path::Path;

use aurore_checkpoint::{Checkpoint, Files};
use aurore_model::{KvFormat, Precision};

use crate::experts::ExpertMemory;
use crate::failure::{WithHint, hinted};

/// The model that is used when none is named.
pub const DEFAULT: &str = "nano";

/// Files of the embedded checkpoint, none if this build has none: (name, content).
static NANO: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/nano.rs"));

/// The option that chooses a model, the same in every command.
#[derive(Debug, Clone, clap::Args)]
pub struct ModelChoice {
    /// `nano` (inside this program), a checkpoint folder in the official layout, or a file that `aurore quantize`
    /// packed.
    #[arg(long, short, default_value = DEFAULT, value_name = "NAME|PATH")]
    pub model: String,
    /// Longest conversation in tokens, refused at once when memory cannot hold it; the model's own length if absent.
    /// Longer than that is reached with YaRN, which costs a little quality at every length.
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub context: Option<u64>,
    /// How keys and values of the context are kept: bf16 unless the weights are f32; int8 takes half of that.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub kv: Option<Kv>,
    /// Memory for experts.
    #[command(flatten)]
    pub experts: ExpertMemory,
}

impl ModelChoice {
    /// A model with nothing else said about it.
    pub fn named(name: &str) -> Self {
        Self {
            model: name.to_owned(),
            context: None,
            kv: None,
            experts: ExpertMemory::default(),
        }
    }
}

/// How keys and values are kept. (A line of its own for each value would make every command's help twice as long.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kv {
    F32,
    Bf16,
    Int8,
}

impl Kv {
    /// The same for loading.
    pub fn format(self) -> KvFormat {
        match self {
            Self::F32 => KvFormat::F32,
            Self::Bf16 => KvFormat::Bf16,
            Self::Int8 => KvFormat::Int8,
        }
    }
}

/// A format's name.
pub fn kv_name(format: KvFormat) -> &'static str {
    match format {
        KvFormat::F32 => "f32",
        KvFormat::Bf16 => "bf16",
        KvFormat::Int8 => "int8",
    }
}

/// How a model that is not packed is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kept {
    /// 32 bits.
    F32,
    /// 16 bits.
    Bf16,
    /// 8 bits, rounded to nearest.
    Q8,
    /// 4 bits, rounded to nearest.
    Q4,
}

impl Kept {
    /// The same for loading.
    pub fn precision(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
            Self::Q8 => Precision::Q8,
            Self::Q4 => Precision::Q4,
        }
    }
}

/// The coarsest format of a packed checkpoint's matrices; `None` for one that is not packed.
pub fn coarsest(checkpoint: &Checkpoint) -> Option<Precision> {
    checkpoint.packed_file()?;
    let stored = checkpoint.bytes_by_dtype();
    let formats = [
        ("q4", Precision::Q4),
        ("q8", Precision::Q8),
        ("bf16", Precision::Bf16),
    ];
    let found = formats.into_iter().find(|(name, _)| stored.contains_key(name));
    Some(found.map_or(Precision::F32, |(_, precision)| precision))
}

/// Whether this build carries nano.
pub fn has_nano() -> bool {
    !NANO.is_empty()
}

/// Opens the checkpoint that a name or a folder leads to.
///
/// # Errors
/// When there is no such checkpoint, or it is damaged: with what to do.
pub fn open(name: &str) -> anyhow::Result<Checkpoint> {
    if name == DEFAULT {
        if !has_nano() {
            return Err(hinted(
                "this build of aurore does not carry the model `nano`",
                "build with the feature `nano` in a clone that holds models/nano/model.safetensors, \
                 or name a checkpoint folder: --model DIR",
            ));
        }
        return Checkpoint::from_files(Files::embedded(NANO)).with_hint(
            "the embedded model `nano` cannot be read",
            "this is a defect of the build: rebuild from a clean clone",
        );
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(hinted(
            format!("there is no model called `{name}`, and no file or folder of that name"),
            "name `nano`, a folder that holds config.json and model.safetensors, or a packed file",
        ));
    }
    Ok(Checkpoint::open(path)?)
}
