//! `aurore train`: teaches a checkpoint from recorded episodes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use aurore_checkpoint::{Checkpoint, Config};
use aurore_trainer::{Parameters, Settings, Trainer, initialise};

use crate::failure::hinted;
use crate::global::Global;
use crate::models;
use crate::teaching::{Lessons, Teaching};

/// Options of `aurore train`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// The file of settings (TOML). A run that was stopped goes on where it was.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
}

const EXAMPLE: &str = "\
The least that a file of settings holds:
  output = \"runs/first\"          # state, checkpoints, log and report
  start = \"nano\"                 # the checkpoint that is taught
  [data]
  train = [\"episodes\"]           # folders of recorded steps
  [steps]
  total = 1000

docs/training.md lists every key.";

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let settings = Settings::open(&args.config)?;
    let start = models::open(&settings.start)?;
    let config = shape(&settings, &start)?;
    let lessons = Lessons::open(
        &settings.data,
        &start,
        &config,
        "data.train",
        settings.reading > 0.0,
    )?;
    let trainer = Trainer::new(&settings, &config, parameters(&settings, &start, &config)?);
    let mut teaching = Teaching::begin(start, lessons, trainer, global)?;
    let finished = teaching.steps(global)?;
    teaching.end(finished, None)
}

/// The network that is taught.
fn shape(settings: &Settings, start: &Checkpoint) -> anyhow::Result<Config> {
    let Some(path) = &settings.shape else {
        return Ok(start.config().clone());
    };
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("{file} cannot be read"))?;
    let config = Config::from_json(&text, &file)?;
    if config.text.vocab_size < start.config().text.vocab_size {
        return Err(hinted(
            format!(
                "{file} has a vocabulary of {}, and the tokeniser of {} one of {}",
                config.text.vocab_size,
                settings.start,
                start.config().text.vocab_size
            ),
            "give it at least as many rows as the checkpoint under `start` has",
        ));
    }
    Ok(config)
}

fn parameters(settings: &Settings, start: &Checkpoint, config: &Config) -> anyhow::Result<Parameters> {
    if settings.fresh {
        let mut parameters = Parameters::zeros(config);
        initialise(&mut parameters, config.text.num_hidden_layers, settings.seed);
        return Ok(parameters);
    }
    if start.packed_file().is_some() {
        return Err(hinted(
            format!("{} is packed: its weights are rounded", settings.start),
            "start from the checkpoint folder that it was packed from",
        ));
    }
    Ok(Parameters::load(start, config)?)
}
