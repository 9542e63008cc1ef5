//! `aurore quantize`: a checkpoint packed in few bits.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use aurore_chat::Chat;
use aurore_checkpoint::packed::Writer;
use aurore_checkpoint::{Checkpoint, Role};
use aurore_kernels::Format;
use aurore_model::{
    Calibration, Formats, LoadOptions, Method, Model, Packer, Packing, Precision, Want, format_named,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::failure::hinted;
use crate::global::Global;
use crate::{models, samples, size};

/// Options of `aurore quantize`.
#[derive(clap::Args)]
pub struct Args {
    /// `nano` or a checkpoint folder.
    #[arg(value_name = "NAME|DIR")]
    model: String,
    /// Bits of the matrices: 8, 4, `mixed` (4 where errors matter least, else 8), or bf16.
    #[arg(long, value_enum)]
    to: Target,
    /// The packed file; `NAME-FORMAT.aurore` in the current folder if absent.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Text, pictures and turns to run the model on, so that rounding spares what they use.
    /// See `aurore quality --help` for the kinds of files. The model must fit into memory.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    calibrate: Vec<PathBuf>,
    /// Pass errors on to later inputs for matrices of up to this many inputs; 0 for none. Needs calibration,
    /// and for each matrix memory for as many numbers as the square of its inputs.
    #[arg(long, default_value_t = 2048, value_name = "N")]
    feedback: usize,
    /// Another format for a kind of matrices, such as `head=q8`; may be given several times.
    #[arg(long = "keep", value_name = "ROLE=FORMAT")]
    keep: Vec<String>,
    /// Round to the nearest instead of searching for scales: quicker and worse.
    #[arg(long)]
    nearest: bool,
    /// Cut into files of at most this size, such as 4GB.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    shard_size: Option<u64>,
    /// Replace a finished file of that name.
    #[arg(long)]
    force: bool,
    /// Threads that compute; 0 for one per processor.
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    Q8,
    Q4,
    Mixed,
    Bf16,
}

impl Target {
    fn formats(self) -> Formats {
        match self {
            Self::Q8 => Formats::new(Precision::Q8),
            Self::Q4 => Formats::new(Precision::Q4),
            Self::Mixed => Formats::mixed(),
            Self::Bf16 => Formats::new(Precision::Bf16),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Q8 => "q8",
            Self::Q4 => "q4",
            Self::Mixed => "mixed",
            Self::Bf16 => "bf16",
        }
    }
}

/// Runs the command. Interrupted, it exits 1 and can be run again to go on.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let formats = formats(args.to, &args.keep)?;
    let checkpoint = models::open(&args.model)?;
    let output = match &args.output {
        Some(path) => path.clone(),
        None => default_output(&args.model, args.to),
    };
    let calibration = match args.calibrate.as_slice() {
        [] => None,
        files => Some(calibrate(&args, files, &checkpoint, global)?),
    };
    if global.is_interrupted() {
        return Err(hinted(
            "interrupted",
            "nothing was written yet; run the command again",
        ));
    }
    let packing = Packing {
        formats,
        method: if args.nearest {
            Method::Nearest
        } else {
            Method::Search
        },
        calibration: calibration.as_ref(),
    };
    let described = packing.formats.describe();
    let packer = Packer::new(&checkpoint, packing, args.shard_size, args.threads)?;
    let plan = packer.plan().clone();
    let total = plan
        .entries()
        .iter()
        .map(aurore_checkpoint::packed::Entry::len)
        .sum();
    let progress = bar(total, "comparing");
    let mut writer = Writer::open(&output, plan.clone(), args.force, |bytes| progress.inc(bytes))?;
    let resumed = (0..plan.entries().len())
        .filter(|index| writer.is_done(*index))
        .count();
    progress.set_position(0);
    for (index, entry) in plan.entries().iter().enumerate() {
        if global.is_interrupted() {
            progress.finish_and_clear();
            return Err(hinted(
                format!(
                    "interrupted after {index} of {} entries of {}",
                    plan.entries().len(),
                    output.display()
                ),
                "what is done is kept: the same command goes on from there",
            ));
        }
        progress.set_message(entry.name.clone());
        if !writer.is_done(index) {
            packer.write(index, &mut writer)?;
        }
        progress.inc(entry.len());
    }
    progress.set_message("finishing");
    let file = writer.finish()?;
    progress.finish_and_clear();
    let packed = Checkpoint::open(&file).context("the file that was just written cannot be read")?;
    let seconds = started.elapsed().as_secs_f64();
    let (weights, bytes) = (packed.total_parameters(), packed.total_bytes());
    let bits = 8.0 * bytes as f64 / weights.max(1) as f64;
    if global.json {
        let object = json!({
            "output": file.display().to_string(),
            "formats": described,
            "parameters": weights,
            "bytes": bytes,
            "bits_per_weight": bits,
            "source_bytes": checkpoint.total_bytes(),
            "seconds": seconds,
            "resumed_entries": resumed,
        });
        println!("{object}");
    } else {
        println!("{}", file.display());
        println!(
            "{described}: {:.1} MB, {bits:.2} bits a weight ({:.1} MB before), {seconds:.1} s{}",
            bytes as f64 / 1e6,
            checkpoint.total_bytes() as f64 / 1e6,
            if resumed > 0 { ", resumed" } else { "" }
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn formats(target: Target, keep: &[String]) -> anyhow::Result<Formats> {
    let mut formats = target.formats();
    for choice in keep {
        let known = || {
            let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
            hinted(
                format!("`{choice}` is no ROLE=FORMAT"),
                format!("roles are {}; formats f32, bf16, q8, q4", roles.join(", ")),
            )
        };
        let (role, format) = choice.split_once('=').ok_or_else(known)?;
        let format: Format = format_named(format).ok_or_else(known)?;
        let mut found = false;
        for own in Role::ALL.iter().filter(|own| own.name() == role || role == "all") {
            formats.set(*own, format);
            found = true;
        }
        if !found {
            return Err(known());
        }
    }
    Ok(formats)
}

fn default_output(model: &str, target: Target) -> PathBuf {
    let path = PathBuf::from(model);
    let name = path
        .canonicalize()
        .ok()
        .filter(|path| path.is_dir())
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| model.to_owned());
    PathBuf::from(format!("{name}-{}.aurore", target.name()))
}

/// Runs the model in bf16 on samples and keeps what its matrices were given.
fn calibrate(
    args: &Args,
    files: &[PathBuf],
    checkpoint: &Checkpoint,
    global: &Global,
) -> anyhow::Result<Calibration> {
    let chat = Chat::open(checkpoint)?;
    let samples = samples::read(files, &chat)?;
    let calibration = Calibration::new(args.feedback);
    let options = LoadOptions {
        threads: args.threads,
        ..LoadOptions::default()
    };
    let packing = Packing::new(options.precision);
    let model = Model::load_with(
        checkpoint,
        checkpoint.config(),
        &options,
        &packing,
        Some(&calibration),
    )?;
    let progress = ProgressBar::new(samples.len() as u64);
    if let Ok(style) =
        ProgressStyle::with_template("calibrating {bar:30} {pos}/{len} samples (about {eta} left)")
    {
        progress.set_style(style);
    }
    for sample in &samples {
        if global.is_interrupted() {
            break;
        }
        model.prefill(&mut model.new_sequence(), &sample.input(), Want::All)?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(calibration)
}

fn bar(total: u64, message: &'static str) -> ProgressBar {
    // Drawn on standard error, and only if that is a terminal.
    let progress = ProgressBar::new(total);
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} (about {eta} left) {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    progress.set_message(message);
    progress
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_kept_by_name() {
        let formats = formats(
            Target::Q4,
            &["head=q8".to_owned(), "vision-patch=bf16".to_owned()],
        )
        .unwrap();
        assert_eq!(formats.of(Role::Head), Format::Q8);
        assert_eq!(formats.of(Role::VisionPatch), Format::Bf16);
        assert_eq!(formats.of(Role::GateUp), Format::Q4);
        for wrong in ["head", "head=q5", "heads=q8", "=", ""] {
            let error = super::formats(Target::Q4, &[wrong.to_owned()]).unwrap_err();
            assert!(error.to_string().contains("ROLE=FORMAT"), "{wrong}");
        }
    }
}
