//! `cargo xtask setup`.

use std::process::ExitCode;

use crate::{packages, pages, python};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    packages::ensure_chromium()?;
    pages::ensure_miniwob();
    python::ensure()?;
    Ok(ExitCode::SUCCESS)
}
