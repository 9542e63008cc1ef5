//! `aurore export`: a checkpoint in the layout that other programs of the field read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use aurore_checkpoint::{
    Checkpoint, CheckpointError, Config, Files, OFFICIAL, PreprocessorConfig, RandomWeights, Weights, export,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::failure::{WithHint, hinted};
use crate::global::Global;
use crate::models;

/// Files beside the weights that a checkpoint may have; the first one makes a tokeniser.
const COMPANIONS: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "generation_config.json",
    PREPROCESSOR,
    "video_preprocessor_config.json",
];

const PREPROCESSOR: &str = "preprocessor_config.json";

/// Options of `aurore export`.
#[derive(clap::Args)]
pub struct Args {
    /// `nano`, a checkpoint folder, or with --random-weights an official shape: 0.8B, 2B, 4B, 9B, 27B,
    /// 35B-A3B, 122B-A10B, 397B-A17B.
    #[arg(value_name = "NAME|DIR")]
    model: String,
    /// Layout of the files.
    #[arg(long, value_enum, default_value = "hf")]
    to: Layout,
    /// Folder to write to; made if it is not there.
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Random weights of the model's shape: for measuring other programs on shapes without files.
    #[arg(long)]
    random_weights: bool,
    /// Another seed makes other random weights; `aurore bench --random-weights` uses 1.
    #[arg(long, default_value_t = 1, requires = "random_weights")]
    seed: u64,
    /// Only the first layers: a large shape's layers on a small machine.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    layers: Option<u32>,
    /// Parts to leave out.
    #[arg(long, value_enum, value_delimiter = ',')]
    without: Vec<Left>,
    /// Take tokeniser and template from this checkpoint folder; random weights have none.
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// Start a new file before one grows larger than this many gigabytes.
    #[arg(long, value_name = "GB", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    shard_size: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Layout {
    /// config.json and safetensors files with the official names.
    Hf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Left {
    /// The vision tower: a text-only checkpoint.
    Vision,
    /// The multi-token-prediction head.
    Mtp,
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let Layout::Hf = args.to;
    let source = Source::open(&args)?;
    let config = reduced(source.config(), &args)?;
    make_folder(&args.output)?;
    let progress = bar(global);
    let written = export(
        source.weights(),
        &config,
        &args.output,
        args.shard_size.saturating_mul(1_000_000_000),
        &mut |done, total| {
            progress.set_length(total);
            progress.set_position(done);
            !global.is_interrupted()
        },
    );
    progress.finish_and_clear();
    let written = match written {
        Err(CheckpointError::Interrupted) => {
            return Err(hinted(
                "interrupted",
                format!("what is in {} so far is no checkpoint", args.output.display()),
            ));
        }
        other => other?,
    };
    let mut copied = Vec::new();
    if let Some(files) = source.files() {
        copy_companions(files, &args.output, &mut copied)?;
    }
    if let Some(folder) = &args.tokenizer {
        let files = Files::folder(folder);
        if files.read(COMPANIONS[0])?.is_none() {
            return Err(hinted(
                format!("{} has no {}", folder.display(), COMPANIONS[0]),
                "--tokenizer names the folder of a checkpoint with a tokeniser",
            ));
        }
        copy_companions(&files, &args.output, &mut copied)?;
    }
    let preprocessor = args.output.join(PREPROCESSOR);
    if config.vision.is_some() && !preprocessor.exists() {
        // The family's, which this engine takes where there is none; others insist on a file.
        std::fs::write(&preprocessor, PreprocessorConfig::default().to_json()).with_hint(
            &format!("{} cannot be written", preprocessor.display()),
            "check that the disk has room",
        )?;
    }
    if global.json {
        let line = json!({
            "output": args.output.display().to_string(),
            "files": written.files,
            "tensors": written.tensors,
            "bytes": written.bytes,
            "copied": copied,
        });
        println!("{line}");
    } else {
        println!(
            "{} tensors, {:.2} GB in {} file{}, and config.json: {}",
            written.tensors,
            written.bytes as f64 / 1e9,
            written.files.len(),
            if written.files.len() == 1 { "" } else { "s" },
            args.output.display(),
        );
        if copied.is_empty() {
            println!("no tokeniser: random weights have none (--tokenizer DIR copies one)");
        } else {
            println!("copied: {}", copied.join(", "));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the weights come from.
enum Source {
    Random(Config, RandomWeights),
    Checkpoint(Checkpoint),
}

impl Source {
    fn open(args: &Args) -> anyhow::Result<Self> {
        let name = &args.model;
        let is_folder = Path::new(name).exists();
        if !args.random_weights {
            if !is_folder && Config::official(name).is_some() {
                return Err(hinted(
                    format!("`{name}` is a shape without weights"),
                    "add --random-weights, or name a checkpoint folder",
                ));
            }
            return Ok(Self::Checkpoint(models::open(name)?));
        }
        let config = match Config::official(name) {
            Some(config) if !is_folder => config,
            // Any checkpoint's shape serves as well.
            _ => models::open(name)
                .map_err(|error| error.context(format!("official shapes are {}", OFFICIAL.join(", "))))?
                .config()
                .clone(),
        };
        // Of the shape that is written, so that a part that is left out costs nothing.
        let config = reduced(&config, args)?;
        let weights = RandomWeights::new(&config, args.seed);
        Ok(Self::Random(config, weights))
    }

    fn config(&self) -> &Config {
        match self {
            Self::Random(config, _) => config,
            Self::Checkpoint(checkpoint) => checkpoint.config(),
        }
    }

    fn weights(&self) -> &dyn Weights {
        match self {
            Self::Random(_, weights) => weights,
            Self::Checkpoint(checkpoint) => checkpoint,
        }
    }

    fn files(&self) -> Option<&Files> {
        match self {
            Self::Random(..) => None,
            Self::Checkpoint(checkpoint) => Some(checkpoint.files()),
        }
    }
}

/// The configuration without what is left out.
fn reduced(config: &Config, args: &Args) -> anyhow::Result<Config> {
    let mut config = config.clone();
    if let Some(layers) = args.layers {
        let has = config.text.num_hidden_layers;
        if layers as usize > has {
            return Err(hinted(
                format!("there are no {layers} layers to keep"),
                format!("this model has {has}"),
            ));
        }
        config = config.with_layers(layers as usize);
    }
    if args.without.contains(&Left::Vision) {
        config.vision = None;
    }
    if args.without.contains(&Left::Mtp) {
        config.text.mtp_num_hidden_layers = 0;
    }
    Ok(config)
}

/// The folder, empty: never among files that are there.
fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let hint = "give a new or an empty folder: --output DIR";
    std::fs::create_dir_all(folder)
        .with_hint(&format!("the folder {} cannot be made", folder.display()), hint)?;
    let mut entries = std::fs::read_dir(folder)
        .with_hint(&format!("the folder {} cannot be read", folder.display()), hint)?;
    if entries.next().is_some() {
        return Err(hinted(format!("{} is not empty", folder.display()), hint));
    }
    Ok(())
}

fn copy_companions(files: &Files, folder: &Path, copied: &mut Vec<&'static str>) -> anyhow::Result<()> {
    for name in COMPANIONS {
        let Some(content) = files.read(name)? else {
            continue;
        };
        let path = folder.join(name);
        std::fs::write(&path, content).with_hint(
            &format!("{} cannot be written", path.display()),
            "check that the disk has room",
        )?;
        if !copied.contains(&name) {
            copied.push(name);
        }
    }
    Ok(())
}

fn bar(global: &Global) -> ProgressBar {
    if global.json {
        return ProgressBar::hidden();
    }
    // It draws on standard error, and nothing where that is no terminal.
    let progress = ProgressBar::new(0).with_message("writing");
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {msg} {bytes} of {total_bytes} {wide_bar} {eta}")
    {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}
