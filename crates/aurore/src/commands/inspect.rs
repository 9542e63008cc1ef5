//! `aurore inspect`: a checkpoint's shape, sizes and memory plan.

mod experts;
mod facts;
mod plan;
mod table;

use std::path::Path;
use std::process::ExitCode;

use aurore_checkpoint::{Checkpoint, Config, OFFICIAL};
use serde_json::Value;

use self::experts::Expectation;
use self::facts::Facts;
use self::plan::{Machine, Wish};
use crate::failure::hinted;
use crate::global::Global;
use crate::models::{self, Kv};
use crate::style::Style;

/// The name that stands for all official shapes.
const ALL: &str = "all";

/// Options of `aurore inspect`.
#[derive(clap::Args)]
pub struct Args {
    /// `nano`, a checkpoint folder, a packed file, an official shape without files (0.8B, 2B, 4B, 9B, 27B,
    /// 35B-A3B, 122B-A10B, 397B-A17B), or `all` of these shapes.
    #[arg(value_name = "NAME|PATH", default_value = models::DEFAULT)]
    model: String,
    /// Compare everything in a packed file with its checksums.
    #[arg(long)]
    check: bool,
    /// Plan memory and speed for conversations of this many tokens, and say whether they fit this machine.
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    context: Option<u64>,
    /// Conversations at once that the plan is for.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    sequences: u64,
    /// How the plan keeps keys and values: bf16 unless the weights are f32.
    #[arg(long, value_enum, value_name = "FORMAT")]
    kv: Option<Kv>,
    /// Say what speed to expect of a packed checkpoint whose experts stay in its file, with so much memory for
    /// the most used ones, such as 8G. Measures disk and memory.
    #[arg(long, value_name = "SIZE", value_parser = crate::size::parse)]
    expert_memory: Option<u64>,
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let style = Style::new(global.color);
    // A folder of that name wins over shapes.
    let is_path = Path::new(&args.model).exists();
    if args.model == ALL && !is_path {
        if args.check {
            return Err(hinted("shapes have no checksums", "name a packed file"));
        }
        let wish = wish(&args).unwrap_or(Wish {
            context: 262_144,
            sequences: args.sequences,
            kv: args.kv.map(Kv::format),
        });
        table::run(&wish, &Machine::measure(), global);
        return Ok(ExitCode::SUCCESS);
    }
    let shape = if is_path {
        None
    } else {
        Config::official(&args.model)
    };
    if shape.is_some() && args.expert_memory.is_some() {
        return Err(hinted(
            "--expert-memory needs the file that experts stay in",
            "name a packed file, or leave the option out",
        ));
    }
    let (config, checkpoint) = match shape {
        Some(config) => (config, None),
        None => {
            let checkpoint = models::open(&args.model)
                .map_err(|error| error.context(format!("official shapes are {}", OFFICIAL.join(", "))))?;
            if args.check {
                check(&checkpoint)?;
            }
            (checkpoint.config().clone(), Some(checkpoint))
        }
    };
    let expectation = match (args.expert_memory, &checkpoint) {
        (Some(memory), Some(checkpoint)) => Some(Expectation::measure(checkpoint, memory)?),
        _ => None,
    };
    let facts = Facts::new(&args.model, &config, checkpoint.as_ref());
    let Some(wish) = wish(&args) else {
        if global.json {
            println!("{}", with(facts.to_json(), expectation.as_ref()));
        } else {
            facts.print(style);
            if let Some(expectation) = &expectation {
                expectation.print(style);
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let plans = plan::Plans::new(&args.model, &config, checkpoint.as_ref(), wish);
    let machine = Machine::measure();
    if global.json {
        let mut line = facts.to_json();
        line["plan"] = plans.to_json(&machine);
        println!("{}", with(line, expectation.as_ref()));
    } else {
        plans.print(&machine, style);
        if let Some(expectation) = &expectation {
            expectation.print(style);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn with(mut line: Value, expectation: Option<&Expectation>) -> Value {
    if let Some(expectation) = expectation {
        line["experts"] = expectation.to_json();
    }
    line
}

/// What to plan for, if a plan is asked for.
fn wish(args: &Args) -> Option<Wish> {
    let asked = args.context.is_some() || args.sequences > 1 || args.kv.is_some();
    asked.then(|| Wish {
        context: args.context.unwrap_or(4096),
        sequences: args.sequences,
        kv: args.kv.map(Kv::format),
    })
}

/// Reads all of a packed file.
fn check(checkpoint: &Checkpoint) -> anyhow::Result<()> {
    let Some(packed) = checkpoint.packed_file() else {
        return Err(hinted(
            "only packed files have checksums",
            "leave out --check, or pack the checkpoint with `aurore quantize`",
        ));
    };
    Ok(packed.check(|_| ())?)
}
