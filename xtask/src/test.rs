//! `cargo xtask test`: the whole suite, set-up included.

use std::process::ExitCode;

use crate::{packages, python, shell};

pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    // The browser's tests run a real Chromium, the server's schemathesis and real clients; none needs MiniWoB++, and
    // none the network.
    packages::ensure_chromium()?;
    python::ensure()?;
    if shell::find("cargo-nextest").is_none() {
        return shell::hand_over(shell::cargo().args(["test", "--workspace"]).args(args));
    }
    if args.is_empty() {
        // nextest leaves the examples in the documentation out.
        shell::run(shell::cargo().args(["test", "--workspace", "--doc", "--quiet"]))?;
    }
    shell::hand_over(shell::cargo().args(["nextest", "run", "--workspace"]).args(args))
}
