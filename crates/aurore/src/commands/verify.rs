//! `aurore verify`.

use std::process::ExitCode;

use crate::failure::hinted;
use crate::global::Global;

/// Options of `aurore verify`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args, _global: &Global) -> anyhow::Result<ExitCode> {
    Err(hinted("`aurore verify` is not there yet", "try `aurore` for what is"))
}
