//! `cargo xtask setup`.

use std::process::ExitCode;

use crate::{clients, packages, pages};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    packages::ensure_chromium()?;
    pages::ensure_miniwob();
    clients::ensure()?;
    Ok(ExitCode::SUCCESS)
}
