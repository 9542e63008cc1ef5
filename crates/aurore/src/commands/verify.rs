//! `aurore verify`: compare this engine with reference logits.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use aurore_checkpoint::Cases;
use aurore_model::LoadOptions;
use aurore_model::verify::{Path, Report, Status, Verifier};
use serde_json::json;

use crate::experts::ExpertMemory;
use crate::failure::hinted;
use crate::global::Global;
use crate::memory;
use crate::models::{self, Kept};
use crate::style::{Look, Style};

/// Options of `aurore verify`.
#[derive(clap::Args)]
pub struct Args {
    /// `nano`, a checkpoint folder, or a packed file, whose checksums are compared too.
    #[arg(value_name = "NAME|PATH")]
    model: String,
    /// Folder of verification cases: index.json and a safetensors file per case.
    cases: PathBuf,
    /// Largest absolute difference to allow, instead of each case's and the usual gates.
    #[arg(long, value_name = "NUMBER")]
    tolerance: Option<f64>,
    /// The engine's own path, or the slow clear one that it is tested with.
    #[arg(long, value_enum, default_value = "fast")]
    path: Which,
    /// How the fast path keeps weights that are not packed; all but f32 are judged by divergence, not by differences.
    #[arg(long, value_enum, default_value = "f32")]
    precision: Kept,
    /// Threads that compute; 0 for one per processor.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    #[command(flatten)]
    experts: ExpertMemory,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    Fast,
    Reference,
}

/// Runs the command. Exit code 1 when a case fails.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    if args
        .tolerance
        .is_some_and(|tolerance| tolerance.is_nan() || tolerance < 0.0)
    {
        return Err(hinted(
            "a tolerance cannot be below 0",
            "give the largest difference, such as 0.005",
        ));
    }
    let cases = Cases::open(&args.cases)?;
    let checkpoint = models::open(&args.model)?;
    if let Some(packed) = checkpoint.packed_file() {
        packed.check(|_| ())?;
    }
    let path = match args.path {
        Which::Reference if args.precision != Kept::F32 || checkpoint.packed_file().is_some() => {
            return Err(hinted(
                "the reference path computes in f32 only",
                "leave out --precision, and name a checkpoint that is not packed",
            ));
        }
        Which::Reference => Path::Reference,
        Which::Fast => {
            let options = LoadOptions {
                precision: models::coarsest(&checkpoint).unwrap_or(args.precision.precision()),
                threads: args.threads,
                ..LoadOptions::default()
            };
            let mut plan = memory::plan(&checkpoint, checkpoint.config(), &options);
            Path::Fast(LoadOptions {
                expert_memory: args.experts.place(&checkpoint, &mut plan, None)?,
                ..options
            })
        }
    };
    let mut verifier = Verifier::new(&checkpoint, checkpoint.config(), path, args.tolerance);
    let style = Style::new(global.color);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for entry in cases.entries() {
        if global.is_interrupted() {
            return Err(hinted("interrupted", "the cases printed so far are complete"));
        }
        let report = verifier.run(&cases, entry);
        match report.status {
            Status::Pass => passed += 1,
            Status::Fail => failed += 1,
            Status::Skipped => skipped += 1,
        }
        if global.json {
            println!("{}", as_json(&entry.case, &entry.kind, &report));
        } else {
            print_line(&entry.case, &report, style);
        }
    }
    if !global.json {
        println!("{passed} passed, {failed} failed, {skipped} skipped");
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Skipped => "skipped",
    }
}

fn as_json(case: &str, kind: &str, report: &Report) -> serde_json::Value {
    let found = report.comparison.as_ref();
    json!({
        "case": case,
        "kind": kind,
        "status": word(report.status),
        "max_abs": found.map(|found| found.max_abs),
        "rms": found.map(|found| found.rms),
        "kl": found.and_then(|found| found.kl),
        "top1": found.and_then(|found| found.top1),
        "greedy_match": report.greedy_match,
        "reason": report.reason,
    })
}

fn print_line(case: &str, report: &Report, style: Style) {
    let look = match report.status {
        Status::Pass => Look::Green,
        Status::Fail => Look::Red,
        Status::Skipped => Look::Yellow,
    };
    let mut line = format!(
        "{}  {case:<24}",
        style.paint(look, format!("{:<7}", word(report.status)))
    );
    if let Some(found) = &report.comparison {
        // Writing to a string cannot fail.
        let _ = write!(line, "  max {:.1e}  rms {:.1e}", found.max_abs, found.rms);
        if let (Some(kl), Some(top1)) = (found.kl, found.top1) {
            // A divergence of nothing may round below 0.
            let _ = write!(line, "  KL {:.1e}  top-1 {:.1} %", kl.max(0.0), 100.0 * top1);
        }
    }
    match report.greedy_match {
        Some(true) => line += "  greedy same",
        Some(false) => line += "  greedy differs",
        None => {}
    }
    if let Some(reason) = &report.reason {
        line += "  ";
        line += reason;
    }
    println!("{}", line.trim_end());
}
