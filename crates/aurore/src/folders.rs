//! Where the program keeps what outlives a run.

use std::path::{Path, PathBuf};

use aurore_agent::Files;

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

/// What of this machine's files belongs to the agent itself, and where the person's home is, for the rules of a run: its
/// settings, data and caches, the journals of the run, the machine's rules, and the program.
pub fn of_the_agent(journals: Option<&Path>) -> Files {
    let system = Path::new("/etc/aurore").to_path_buf();
    let own = [
        config(),
        data(),
        cache(),
        std::env::current_exe().ok(),
        Some(system),
    ];
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let mut controls: Vec<String> = own
        .into_iter()
        .flatten()
        .chain(journals.map(Path::to_path_buf))
        .map(|path| absolute(path).to_string_lossy().replace('\\', "/"))
        .collect();
    controls.sort();
    controls.dedup();
    Files {
        controls,
        given: Vec::new(),
        home: set("HOME")
            .or_else(|| set("USERPROFILE"))
            .map(|home| home.to_string_lossy().replace('\\', "/"))
            .unwrap_or_default(),
    }
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
