//! The program `aurore`: one file per command, everything else in a crate.

#![forbid(unsafe_code)]
#![expect(unreachable_pub, reason = "a program exports nothing")]
#![expect(clippy::needless_pass_by_value, reason = "a command owns its options")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the program: printing is its work"
)]

mod adapters;
mod allowances;
mod brains;
mod browser;
mod cgroup;
mod commands;
mod disk_cache;
mod experts;
mod failure;
mod folders;
mod global;
mod machine;
mod memory;
mod models;
mod remote;
mod rules;
mod samples;
mod secrets;
mod shown;
mod site;
mod size;
mod steps;
mod style;
mod talk;
mod tasks;
mod teaching;
mod watching;
mod workflows;
mod worksite;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::commands::Command;
use crate::global::Global;

/// The Qwen3.5 family on your own machine: engine, chat and a guarded agent in one program.
#[derive(Parser)]
#[command(name = "aurore", version, disable_help_subcommand = true, after_help = EXAMPLES)]
struct Cli {
    /// Print machine-readable JSON, one object a line, instead of text.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Try:
  aurore demo                                       goals in a real browser, on the embedded model
  aurore agent \"Close the message\" --browser URL    the same on a page of yours
  aurore run \"What is shown?\" --image shot.png      one answer
  aurore doctor                                     what this machine offers and what is missing

Exit codes: 0 done, 1 the job failed, 2 wrong usage, 3 refused by policy.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Some(command) = cli.command else {
        // Without arguments: show what there is to do. Printing help cannot fail usefully.
        let _ = Cli::command().print_help();
        return ExitCode::SUCCESS;
    };
    log_on_request();
    let outcome = known_instruction_set()
        .and_then(|()| Global::new(cli.json))
        .and_then(|global| commands::run(command, &global));
    outcome.unwrap_or_else(|error| failure::report(&error, cli.json))
}

/// A misspelt `AURORE_ISA` is told before anything is loaded with another one.
fn known_instruction_set() -> anyhow::Result<()> {
    match aurore_kernels::Isa::chosen() {
        Ok(_) => Ok(()),
        Err(error) => Err(failure::hinted(
            error.to_string(),
            "leave AURORE_ISA empty for the fastest one",
        )),
    }
}

/// What happens inside goes to standard error if `AURORE_LOG` asks for it (`AURORE_LOG=aurore_agent=debug`), as objects of
/// JSON if `AURORE_LOG_FORMAT` is `json`.
fn log_on_request() {
    let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("AURORE_LOG") else {
        return;
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::env::var("AURORE_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().flatten_event(true).init();
    } else {
        log.init();
    }
}
