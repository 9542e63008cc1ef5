//! `cargo xtask setup`.

use std::process::ExitCode;

use crate::{packages, pages};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    packages::ensure_chromium()?;
    pages::ensure_miniwob();
    Ok(ExitCode::SUCCESS)
}
