//! Schemathesis, which holds the server against its own description: Python packages in a virtual environment below the
//! target folder.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::shell;

/// What is installed, pinned.
const REQUIREMENTS: &str = "crates/server/tests/contract/requirements.txt";

/// Where it is installed.
fn folder() -> PathBuf {
    // An absolute folder replaces the root in the join.
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    shell::root().join(target).join("contract-venv")
}

/// Makes sure that the packages are there as pinned. The test compares the list that is left in the environment.
///
/// # Errors
/// When they are not and cannot be fetched.
pub(crate) fn ensure() -> anyhow::Result<()> {
    let pinned = shell::root().join(REQUIREMENTS);
    let wanted = std::fs::read(&pinned).with_context(|| format!("cannot read {}", pinned.display()))?;
    let folder = folder();
    let installed = folder.join("requirements.txt");
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        eprintln!("Schemathesis: {}", folder.display());
        return Ok(());
    }
    eprintln!(
        "The server is held against its description by schemathesis: the Python packages in {REQUIREMENTS} are \
         fetched with pip into {}",
        folder.display()
    );
    shell::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )
    .context("python3 makes no virtual environment (Debian: apt-get install python3-venv)")?;
    shell::run(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--only-binary=:all:", "--no-deps", "--requirement"])
            .arg(&pinned),
    )?;
    std::fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(())
}
