//! `cargo xtask arm`: the kernels of 64-bit Arm, built for it and run by `qemu-user`.

use std::process::{Command, ExitCode};

use anyhow::bail;

use crate::shell;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";

pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    for program in [LINKER, EMULATOR] {
        if shell::find(program).is_none() {
            bail!(
                "`{program}` is missing\n\
                 hint: on Debian, apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
            );
        }
    }
    if shell::find("rustup").is_some() {
        shell::run(Command::new("rustup").args(["target", "add", TARGET]))?;
    }
    // Its most able processor has the dot product; the loom tests are the same on every processor.
    shell::hand_over(
        shell::cargo()
            .args(["test", "--package", "aurore-kernels", "--lib", "--target", TARGET])
            .args(args)
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
            .env(
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
                format!("{EMULATOR} -cpu max -L /usr/aarch64-linux-gnu"),
            ),
    )
}
