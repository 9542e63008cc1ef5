//! `cargo xtask demo`: from a fresh clone to a browser that is worked.

use std::process::{Command, ExitCode};

use crate::{packages, pages, shell};

pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    packages::ensure_chromium()?;
    pages::ensure_miniwob();
    eprintln!("Building with optimisation; the first time takes a few minutes.");
    shell::run(shell::cargo().args(["build", "--release", "--package", "aurore"]))?;
    let program = shell::target()
        .join("release")
        .join(format!("aurore{}", std::env::consts::EXE_SUFFIX));
    shell::hand_over(Command::new(program).arg("demo").args(args))
}
