//! `--adapter`: what is learnt beside a model's weights, loaded with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use aurore_checkpoint::Adapter;
use aurore_engine::LoadedAdapter;
use aurore_model::Model;

use crate::failure::hinted;

/// The option that chooses an adapter, the same in every command that uses one.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AdapterChoice {
    /// An adapter beside the model: a folder that `aurore tune`, or PEFT, wrote.
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
}

impl AdapterChoice {
    /// In words behind a model's name: ` with the adapter mine`, or nothing.
    pub fn note(&self) -> String {
        let folder = self.adapter.as_ref();
        folder.map_or_else(String::new, |folder| {
            format!(" with the adapter {}", folder.display())
        })
    }
}

/// Opens an adapter and lays it out for a model.
///
/// # Errors
/// When it cannot be read, or was made for another model.
pub fn load(folder: &Path, model: &Model) -> anyhow::Result<Arc<LoadedAdapter>> {
    if !folder.is_dir() {
        return Err(hinted(
            format!("there is no adapter in {}", folder.display()),
            "name a folder with adapter_config.json and adapter_model.safetensors, as `aurore tune` writes it",
        ));
    }
    let adapter = Adapter::open(folder, model.config())
        .with_context(|| format!("the adapter in {} cannot be used", folder.display()))?;
    Ok(Arc::new(model.load_adapter(&adapter)?))
}

/// The first digits of what identifies an adapter.
pub fn short(adapter: &LoadedAdapter) -> String {
    let (first, _) = adapter.identity().as_chunks::<8>();
    let number = first.first().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{number:016x}")
}

/// `NAME=DIR`, or a folder that is called by its own name.
///
/// # Errors
/// When no name comes of it.
pub fn named(text: &str) -> Result<(String, PathBuf), String> {
    let (name, folder) = match text.split_once('=') {
        Some((name, folder)) => (name.to_owned(), PathBuf::from(folder)),
        None => {
            let folder = PathBuf::from(text);
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            (name.unwrap_or_default(), folder)
        }
    };
    if name.is_empty() || folder.as_os_str().is_empty() {
        return Err("write NAME=DIR, or a folder that has a name".to_owned());
    }
    Ok((name, folder))
}
