//! `aurore runs`: the journals of earlier runs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aurore_agent::{Journal, RunSummary, reveal};
use serde_json::json;

use crate::folders;
use crate::global::Global;

/// Options of `aurore runs`.
#[derive(clap::Args)]
pub struct Args {
    /// Delete these runs with their frames.
    #[arg(long, value_name = "RUN", num_args = 1.., conflicts_with = "prune_days")]
    delete: Vec<String>,
    /// Delete all runs that began more than this many days ago.
    #[arg(long, value_name = "N")]
    prune_days: Option<u64>,
    /// Where journals are kept.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
}

const DAY: u64 = 24 * 60 * 60;

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let folder = folders::journals(args.journal.as_deref())?;
    let journal = Journal::in_folder(&folder)?;
    if let Some(days) = args.prune_days {
        let age = Duration::from_secs(days.saturating_mul(DAY));
        let before = SystemTime::now().checked_sub(age).unwrap_or(UNIX_EPOCH);
        let before_ms = before.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        for run in journal.prune(i64::try_from(before_ms).unwrap_or(i64::MAX))? {
            deleted(&run.to_string(), global);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !args.delete.is_empty() {
        for name in &args.delete {
            let run = super::replay::find(&journal, name)?;
            journal.delete(&run)?;
            deleted(&run.to_string(), global);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let runs = journal.runs()?;
    for run in &runs {
        show(run, global);
    }
    if !global.json {
        let bytes: u64 = runs.iter().map(|run| run.bytes).sum();
        println!(
            "{} runs, {:.1} MB in {}",
            runs.len(),
            megabytes(bytes),
            folder.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn show(run: &RunSummary, global: &Global) {
    if global.json {
        println!(
            "{}",
            json!({
                "run": run.run, "started": run.started, "name": run.name, "goal": run.goal,
                "steps": run.steps, "end": run.end, "bytes": run.bytes,
            })
        );
        return;
    }
    let end = run.end.as_ref().map_or_else(
        || "open".to_owned(),
        |end| format!("{:?}", end.kind).to_lowercase(),
    );
    println!(
        "{}  {:>3} steps  {:>7.2} MB  {end:<9}  {}",
        run.run,
        run.steps,
        megabytes(run.bytes),
        reveal(&run.goal, false)
    );
}

fn deleted(run: &str, global: &Global) {
    if global.json {
        println!("{}", json!({"deleted": run}));
    } else {
        println!("deleted {run}");
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
