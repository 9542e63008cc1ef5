//! `cargo xtask check`: what CI looks at beside the tests.

use std::process::ExitCode;

use crate::shell::{self, cargo};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    shell::run(cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    shell::run(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"),
    )?;
    if shell::find("cargo-deny").is_some() {
        shell::run(cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
    } else {
        eprintln!("cargo-deny is not installed: licences and sources stay unchecked here");
    }
    Ok(ExitCode::SUCCESS)
}
