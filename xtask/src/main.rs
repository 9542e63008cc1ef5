//! Set-up, checks, goldens and the demo: `cargo xtask` lists them.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a program for people at a terminal")]

mod arm;
mod check;
mod demo;
mod goldens;
mod packages;
mod pages;
mod python;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Helpers of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build with optimisation, and run `aurore demo`.
    Demo {
        /// Passed to `aurore demo` (`--show`, `--goals`, …).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Install what is missing and run the whole test suite.
    Test {
        /// Passed to the test runner (a name to filter by, …).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Test the kernels of 64-bit Arm in an emulator (`qemu-user` and a cross compiler are needed).
    Arm {
        /// Passed to `cargo test` (a name to filter by, …).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Format, lints, documentation, licences: everything but the tests.
    Check,
    /// Install what is missing: Chromium, MiniWoB++ pages, schemathesis, and the clients that the server is tested with.
    Setup,
    /// Remake the golden data of `reference/` with the official implementation (Python, by hand).
    Goldens,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Demo { args } => demo::run(&args),
        Task::Test { args } => test::run(&args),
        Task::Arm { args } => arm::run(&args),
        Task::Check => check::run(),
        Task::Setup => setup::run(),
        Task::Goldens => goldens::run(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
