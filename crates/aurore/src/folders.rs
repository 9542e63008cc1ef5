//! Where the program keeps what outlives a run.

use std::path::{Path, PathBuf};

use crate::failure::hinted;

/// The user's data folder: `AURORE_HOME`, else `aurore` in the platform's place for data.
/// `None` when there is no home folder.
pub fn data() -> Option<PathBuf> {
    set("AURORE_HOME").or_else(|| {
        let base = set("XDG_DATA_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".local/share")))
            .or_else(|| set("LOCALAPPDATA"))?;
        Some(base.join("aurore"))
    })
}

/// The user's folder of settings: `AURORE_HOME`, else `aurore` in the platform's place for settings.
pub fn config() -> Option<PathBuf> {
    set("AURORE_HOME").or_else(|| {
        let base = set("XDG_CONFIG_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".config")))
            .or_else(|| set("APPDATA"))?;
        Some(base.join("aurore"))
    })
}

/// The user's folder of what can be made again: `AURORE_HOME`, else `aurore` in the platform's place for caches.
/// `None` when there is no home folder.
pub fn cache() -> Option<PathBuf> {
    set("AURORE_HOME").map(|home| home.join("cache")).or_else(|| {
        let base = set("XDG_CACHE_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".cache")))
            .or_else(|| set("LOCALAPPDATA"))?;
        Some(base.join("aurore"))
    })
}

/// The folder of the journals, as named or in the data folder.
///
/// # Errors
/// When none is named and there is no home folder.
pub fn journals(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    match named {
        Some(folder) => Ok(folder.to_path_buf()),
        None => Ok(data()
            .ok_or_else(|| {
                hinted(
                    "there is no home folder to keep the journal in",
                    "name one: --journal DIR, or AURORE_HOME=DIR",
                )
            })?
            .join("journal")),
    }
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
