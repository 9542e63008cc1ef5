//! `cargo xtask setup`.

use std::process::ExitCode;

use crate::{contract, packages, pages};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    packages::ensure_chromium()?;
    pages::ensure_miniwob();
    contract::ensure()?;
    Ok(ExitCode::SUCCESS)
}
