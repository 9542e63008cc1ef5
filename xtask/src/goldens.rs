//! `cargo xtask goldens`: golden data from the official implementation.

use std::process::{Command, ExitCode};

use crate::shell;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = shell::root();
    let venv = root.join("target/reference-venv");
    let python = venv.join("bin/python3");
    if !python.is_file() {
        eprintln!(
            "The reference's Python packages (torch among them) go into {}",
            venv.display()
        );
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let requirements = root.join("reference/requirements.txt");
    shell::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "-r"])
            .arg(requirements),
    )?;
    shell::run(
        Command::new(&python)
            .current_dir(&root)
            .arg("reference/make_goldens.py"),
    )?;
    Ok(ExitCode::SUCCESS)
}
