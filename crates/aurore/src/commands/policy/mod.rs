//! `aurore policy`: rules checked, verdicts explained, past runs judged again, kept allowances shown and revoked.

mod allowances;
mod explain;
mod simulate;

use std::path::PathBuf;
use std::process::ExitCode;

use aurore_policy::{Layer, Rules};
use serde_json::json;

use crate::global::Global;
use crate::rules;

/// Options of `aurore policy`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check a file of rules: fields, patterns, reasons, and its own examples.
    Check {
        /// The file.
        file: PathBuf,
        /// Check it as a project's: such rules may only ask or deny.
        #[arg(long)]
        project: bool,
    },
    /// Show how an action would be judged, and by which rule.
    Explain(Box<explain::Args>),
    /// Judge the steps of past runs again: which of them would these rules have asked about or denied?
    Simulate(simulate::Args),
    /// List what you allowed from now on, in every run.
    Allowances,
    /// Take back something that you allowed from now on.
    Revoke {
        /// Its name, as `aurore policy allowances` shows it.
        name: String,
    },
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Check { file, project } => {
            let builtin = Rules::builtin().iter().count();
            let layer = if project { Layer::Project } else { Layer::User };
            let count = rules::add(Rules::builtin(), layer, &file)?.iter().count() - builtin;
            if global.json {
                println!("{}", json!({"file": file, "rules": count, "ok": true}));
            } else {
                println!(
                    "{}: {count} rules, all examples come out as they say",
                    file.display()
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Explain(args) => explain::run(&args, global),
        What::Simulate(args) => simulate::run(&args, global),
        What::Allowances => allowances::list(global),
        What::Revoke { name } => allowances::revoke(&name, global),
    }
}
