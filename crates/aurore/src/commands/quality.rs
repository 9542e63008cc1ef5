//! `aurore quality`: how far a packed or rounded model is from an exact one.

use std::path::PathBuf;
use std::process::ExitCode;

use aurore_chat::Chat;
use aurore_checkpoint::Checkpoint;
use aurore_model::{LoadOptions, Model, Precision, Quality};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::experts::ExpertMemory;
use crate::failure::hinted;
use crate::global::Global;
use crate::memory;
use crate::models::{self, Kept};
use crate::samples;

/// Options of `aurore quality`.
#[derive(clap::Args)]
#[command(after_help = samples::KINDS)]
pub struct Args {
    /// The model to judge: a packed file, `nano` or a checkpoint folder.
    #[arg(value_name = "NAME|PATH")]
    model: String,
    /// What to compare with: the model that it was packed from, run in f32.
    #[arg(long, value_name = "NAME|PATH", default_value = models::DEFAULT)]
    against: String,
    /// Text, pictures and turns to run both on.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    samples: Vec<PathBuf>,
    /// How the model to judge is kept, if it is not packed.
    #[arg(long, value_enum, default_value = "bf16")]
    precision: Kept,
    /// Exit with 1 when the mean divergence is above this.
    #[arg(long, value_name = "NATS")]
    max_mean: Option<f64>,
    /// Threads that compute; 0 for one per processor.
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    #[command(flatten)]
    experts: ExpertMemory,
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let (exact, judged) = (models::open(&args.against)?, models::open(&args.model)?);
    let samples = samples::read(&args.samples, &Chat::open(&exact)?)?;
    let load = |checkpoint: &Checkpoint, precision, experts: Option<&ExpertMemory>| {
        let options = LoadOptions {
            precision,
            threads: args.threads,
            ..LoadOptions::default()
        };
        let mut plan = memory::plan(checkpoint, checkpoint.config(), &options);
        let place = experts.map(|experts| experts.place(checkpoint, &mut plan, None));
        let options = LoadOptions {
            expert_memory: place.transpose()?.flatten(),
            ..options
        };
        anyhow::Ok(Model::load(checkpoint, checkpoint.config(), &options)?)
    };
    let exact = load(&exact, Precision::F32, None)?;
    // After the exact one: it takes what that one leaves.
    let judged = load(&judged, args.precision.precision(), Some(&args.experts))?;
    let mut quality = Quality::default();
    // Drawn on standard error, and only if that is a terminal.
    let progress = ProgressBar::new(samples.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} samples (about {eta} left)") {
        progress.set_style(style);
    }
    for sample in &samples {
        if global.is_interrupted() {
            return Err(hinted(
                "interrupted",
                "figures over a part of the samples are not shown",
            ));
        }
        quality.add(&exact, &judged, &sample.input(), sample.from)?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    let (mean, max, top1) = (quality.mean(), quality.max(), quality.top1());
    let high = quality.quantile(0.99);
    if global.json {
        let object = json!({
            "model": args.model,
            "against": args.against,
            "samples": samples.len(),
            "positions": quality.positions(),
            "kl_mean": mean,
            "kl_99": high,
            "kl_max": max,
            "top1": top1,
            "weight_bytes": judged.memory_bytes(),
            "exact_weight_bytes": exact.memory_bytes(),
        });
        println!("{object}");
    } else {
        println!(
            "{} positions of {} samples: KL mean {mean:.6}, 99 % below {high:.5}, max {max:.4}; top-1 {:.2} %; {:.2} MB",
            quality.positions(),
            samples.len(),
            100.0 * top1,
            judged.memory_bytes() as f64 / 1e6
        );
    }
    Ok(match args.max_mean {
        Some(limit) if mean > limit || mean.is_nan() => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}
