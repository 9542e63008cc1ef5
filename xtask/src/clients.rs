//! The clients that the server is tested with: Python packages in a virtual environment below `target`, and curl.

use std::process::Command;

use anyhow::Context;

use crate::{packages, shell};

/// What is installed, pinned.
const REQUIREMENTS: &str = "crates/server/tests/clients/requirements.txt";

/// Makes sure that they are there as pinned. The tests compare the list that is left in the environment.
///
/// # Errors
/// When they are not and cannot be fetched.
pub(crate) fn ensure() -> anyhow::Result<()> {
    packages::ensure_curl()?;
    let pinned = shell::root().join(REQUIREMENTS);
    let wanted = std::fs::read(&pinned).with_context(|| format!("cannot read {}", pinned.display()))?;
    let folder = shell::target().join("clients-venv");
    let installed = folder.join("requirements.txt");
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        eprintln!("Clients of the server: {}", folder.display());
        return Ok(());
    }
    packages::ensure_python()?;
    eprintln!(
        "The server is tested with the clients that people have: the Python packages in {REQUIREMENTS} are fetched \
         with pip into {} (310 MB)",
        folder.display()
    );
    shell::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    shell::run(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--only-binary=:all:", "--no-deps", "--requirement"])
            .arg(&pinned),
    )?;
    std::fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(())
}
