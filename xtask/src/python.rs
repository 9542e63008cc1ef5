//! Python packages that tests run, each set in a virtual environment below the target folder.

use std::process::Command;

use anyhow::Context;

use crate::{packages, shell};

/// A set of packages.
struct Set {
    what: &'static str,
    /// What is installed, pinned.
    requirements: &'static str,
    /// Its environment's name below the target folder.
    folder: &'static str,
}

/// Schemathesis holds the server against its own description.
const CONTRACT: Set = Set {
    what: "Schemathesis",
    requirements: "crates/server/tests/contract/requirements.txt",
    folder: "contract-venv",
};
/// The clients that people have, 310 MB.
const CLIENTS: Set = Set {
    what: "Clients of the server",
    requirements: "crates/server/tests/clients/requirements.txt",
    folder: "clients-venv",
};

/// Playwright drives the page of a watched run.
const WATCH: Set = Set {
    what: "Playwright",
    requirements: "crates/aurore/tests/watch/requirements.txt",
    folder: "watch-venv",
};

/// Makes sure that what the server and the watch page are tested with is there as pinned. The tests compare the list that is left in an
/// environment.
///
/// # Errors
/// When something is not, and cannot be fetched.
pub(crate) fn ensure() -> anyhow::Result<()> {
    packages::ensure_curl()?;
    CONTRACT.ensure()?;
    CLIENTS.ensure()?;
    WATCH.ensure()
}

impl Set {
    fn ensure(&self) -> anyhow::Result<()> {
        let pinned = shell::root().join(self.requirements);
        let wanted = std::fs::read(&pinned).with_context(|| format!("cannot read {}", pinned.display()))?;
        let folder = shell::target().join(self.folder);
        let installed = folder.join("requirements.txt");
        if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
            eprintln!("{}: {}", self.what, folder.display());
            return Ok(());
        }
        packages::ensure_python()?;
        eprintln!(
            "{}: the Python packages in {} are fetched with pip into {}",
            self.what,
            self.requirements,
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
        std::fs::write(&installed, wanted)
            .with_context(|| format!("cannot write {}", installed.display()))?;
        Ok(())
    }
}
