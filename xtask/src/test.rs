//! `cargo xtask test`: the whole suite, set-up included.

use std::process::ExitCode;

use crate::{packages, shell};

pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    // The browser's tests run a real Chromium; no test needs MiniWoB++ or the network.
    packages::ensure_chromium()?;
    let mut command = shell::cargo();
    if shell::find("cargo-nextest").is_some() {
        command.args(["nextest", "run", "--workspace"]);
    } else {
        command.args(["test", "--workspace"]);
    }
    shell::hand_over(command.args(args))
}
