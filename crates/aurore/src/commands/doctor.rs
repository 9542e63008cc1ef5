//! `aurore doctor`.

use std::process::ExitCode;

use crate::failure::hinted;
use crate::global::Global;

/// Options of `aurore doctor`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args, _global: &Global) -> anyhow::Result<ExitCode> {
    Err(hinted("`aurore doctor` is not there yet", "try `aurore` for what is"))
}
