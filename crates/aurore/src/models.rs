//! Where `--model` leads: the embedded nano, or a checkpoint folder.

use std::path::Path;

use aurore_checkpoint::{Checkpoint, Files};

use crate::failure::{WithHint, hinted};

/// The model that is used when none is named.
pub const DEFAULT: &str = "nano";

/// Files of the embedded checkpoint, none if this build has none: (name, content).
static NANO: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/nano.rs"));

/// The option that chooses a model, the same in every command.
#[derive(Debug, Clone, clap::Args)]
pub struct ModelChoice {
    /// `nano` (inside this program) or a checkpoint folder in the official layout.
    #[arg(long, short, default_value = DEFAULT, value_name = "NAME|DIR")]
    pub model: String,
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
            format!("there is no model called `{name}`, and no folder of that name"),
            "name `nano` or a folder that holds config.json and model.safetensors",
        ));
    }
    Ok(Checkpoint::open(path)?)
}
