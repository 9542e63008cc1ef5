//! MiniWoB++ pages: fetched by `pip` into the user's data folder, never part of this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::shell;

const PACKAGE: &str = "miniwob==1.1.0";

/// Where `aurore` looks for the pages when no option and no variable names another place.
fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("AURORE_MINIWOB") {
        return Some(named.into());
    }
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let data = set("AURORE_HOME").or_else(|| {
        let base = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")))?;
        Some(base.join("aurore"))
    })?;
    Some(data.join("miniwob"))
}

fn is_complete(folder: &Path) -> bool {
    folder.join("miniwob/html/core/core.js").is_file() || folder.join("core/core.js").is_file()
}

/// Fetches the pages if they are missing. Their absence is no error: the bundled pages remain.
pub(crate) fn ensure_miniwob() {
    let Some(folder) = folder() else {
        eprintln!("MiniWoB++: no home folder to keep its pages in; going on with the bundled pages");
        return;
    };
    if is_complete(&folder) {
        eprintln!("MiniWoB++: {}", folder.display());
        return;
    }
    eprintln!(
        "MiniWoB++ pages (MIT licence, 2 MB) are missing: fetching the package {PACKAGE} with pip into {}",
        folder.display()
    );
    if let Err(error) = fetch(&folder) {
        eprintln!(
            "MiniWoB++ could not be fetched: {error:#}\n\
             Going on with the bundled pages alone. hint: unpack a wheel of {PACKAGE} into that folder \
             by hand, or set AURORE_MINIWOB"
        );
    }
}

fn fetch(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let downloads = folder.join("download");
    download(&downloads)?;
    let wheel = std::fs::read_dir(&downloads)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no wheel")?;
    shell::run(
        Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&wheel)
            .arg(folder),
    )?;
    std::fs::remove_dir_all(&downloads).ok();
    if !is_complete(folder) {
        bail!("the wheel holds no miniwob/html/core/core.js");
    }
    Ok(())
}

/// Tries the plain pip first, then one of a virtual environment (Debian ships `python3 -m pip` apart).
fn download(into: &Path) -> anyhow::Result<()> {
    if shell::find("python3").is_none() {
        bail!("there is no python3");
    }
    let download = |python: &Path| {
        shell::run(
            Command::new(python)
                .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
                .args(["--no-deps", "--only-binary=:all:", "--dest"])
                .arg(into)
                .arg(PACKAGE),
        )
    };
    if download(Path::new("python3")).is_ok() {
        return Ok(());
    }
    let venv = shell::root().join("target/xtask-venv");
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        .context("neither pip nor a virtual environment works (Debian: apt-get install python3-venv)")?;
    download(&venv.join("bin/python3"))
}
