//! The MiniWoB++ pages: a folder that set-up fetched.

use std::path::{Path, PathBuf};

use crate::failure::hinted;
use crate::folders;

const HOW_TO_GET_IT: &str = "`cargo xtask setup` fetches the pages; or unpack a wheel of the Python package miniwob 1.1.0 \
     (`pip download --no-deps miniwob==1.1.0`) and name the folder: --miniwob DIR, or AURORE_MINIWOB=DIR";

/// The folder that holds `core/` and `miniwob/`.
#[derive(Debug, Clone)]
pub struct MiniWob {
    root: PathBuf,
}

impl MiniWob {
    /// The pages in the folder that was named, else in `AURORE_MINIWOB`, else where set-up puts them;
    /// `None` if there are none and none were named.
    ///
    /// # Errors
    /// When a folder was named and holds no such pages.
    pub fn find(named: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let from_environment = std::env::var_os("AURORE_MINIWOB").map(PathBuf::from);
        if let Some(folder) = named.map(Path::to_path_buf).or(from_environment) {
            return Self::at(&folder).map(Some).ok_or_else(|| {
                hinted(
                    format!("{} holds no MiniWoB++ pages", folder.display()),
                    HOW_TO_GET_IT,
                )
            });
        }
        Ok(folders::data().and_then(|data| Self::at(&data.join("miniwob"))))
    }

    /// Like [`MiniWob::find`], but their absence is an error.
    ///
    /// # Errors
    /// When there are none.
    pub fn required(named: Option<&Path>) -> anyhow::Result<Self> {
        Self::find(named)?.ok_or_else(|| hinted("the MiniWoB++ pages are not here", HOW_TO_GET_IT))
    }

    fn at(folder: &Path) -> Option<Self> {
        [
            folder.to_path_buf(),
            folder.join("html"),
            folder.join("miniwob/html"),
        ]
        .into_iter()
        .find(|root| root.join("core/core.js").is_file() && root.join("miniwob").is_dir())
        .map(|root| Self { root })
    }

    /// The folder that is served.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a task of this name.
    pub fn has(&self, task: &str) -> bool {
        is_plain(task) && self.root.join("miniwob").join(format!("{task}.html")).is_file()
    }

    /// Names of all tasks, sorted.
    pub fn tasks(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join("miniwob")).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                Some(
                    entry
                        .ok()?
                        .file_name()
                        .to_str()?
                        .strip_suffix(".html")?
                        .to_owned(),
                )
            })
            .collect();
        names.sort();
        names
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
