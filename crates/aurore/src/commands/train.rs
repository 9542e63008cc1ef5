//! `aurore train`: teaches a checkpoint from recorded episodes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use aurore_chat::Chat;
use aurore_checkpoint::{Checkpoint, Config};
use aurore_trainer::{
    Draw, Entry, Episodes, Folder, Log, Parameters, Resumed, Samples, Settings, StepResult, TrainError,
    Trainer, initialise, render,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::failure::hinted;
use crate::global::Global;
use crate::models;

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

/// Seconds between the report's renewals.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let settings = Settings::open(&args.config)?;
    let start = models::open(&settings.start)?;
    let config = shape(&settings, &start)?;
    let chat = Arc::new(Chat::from_files(start.files(), &config)?);
    let episodes = |paths: &[PathBuf]| Episodes::open(Arc::clone(&chat), paths, &settings.data.digits);
    let train = episodes(&settings.data.train)?;
    let held = episodes(&settings.data.evaluate)?;
    if train.count() == 0 {
        return Err(TrainError::NoSamples { what: "data.train" }.into());
    }
    let mut trainer = Trainer::new(&settings, &config, parameters(&settings, &start, &config)?);
    let folder = Folder::open(&settings.output)?;
    let resumed = folder.resume(&mut trainer, train.count())?;
    let log = folder.log(trainer.steps())?;
    let limits = trainer.cpu().limits();
    let mut run = Run {
        bar: bar(global, settings.steps.total, trainer.steps()),
        json: global.json,
        peak: limits
            .pair_operations_per_second
            .unwrap_or(limits.operations_per_second),
        settings,
        start,
        train,
        held,
        trainer,
        folder,
        log,
    };
    run.announce(resumed);
    let finished = run.steps(global)?;
    run.end(finished)
}

struct Run {
    settings: Settings,
    start: Checkpoint,
    train: Episodes,
    held: Episodes,
    trainer: Trainer,
    folder: Folder,
    log: Log,
    bar: ProgressBar,
    json: bool,
    /// Operations a second that the processor could do at best.
    peak: f64,
}

impl Run {
    fn announce(&self, resumed: Resumed) {
        if self.json {
            let step = self.trainer.steps();
            println!(
                "{}",
                json!({"kind": "start", "step": step, "samples": self.train.count(), "held_back": self.held.count(), "parameters": self.trainer.parameters().count()})
            );
            return;
        }
        println!(
            "{:.2} million parameters, {} samples, {} held back: {}",
            self.trainer.parameters().count() as f64 / 1e6,
            self.train.count(),
            self.held.count(),
            self.folder.path().display(),
        );
        if let Resumed::After(step) = resumed {
            println!("goes on after step {step}");
        }
    }

    /// Whether the last step was reached.
    fn steps(&mut self, global: &Global) -> anyhow::Result<bool> {
        let mut draw = Draw::new(self.settings.seed, self.train.count());
        let mut reported = Instant::now();
        let total = self.settings.steps.total;
        while self.trainer.steps() < total {
            if global.is_interrupted() {
                self.keep()?;
                return Ok(false);
            }
            let samples = self.trainer.draw(&self.train, &mut draw)?;
            let result = self.trainer.step(samples)?;
            self.log.push(Entry::from(&result), self.trainer.kept())?;
            self.show(&result);
            let step = result.step;
            if step % self.settings.keep.evaluate_every == 0 || step == total {
                self.evaluate()?;
            }
            if step % self.settings.keep.every == 0 || step == total {
                self.keep()?;
            }
            if reported.elapsed() >= REPORT_EVERY {
                self.report()?;
                reported = Instant::now();
            }
        }
        Ok(true)
    }

    fn evaluate(&mut self) -> anyhow::Result<()> {
        let count = self.held.count().min(self.settings.data.evaluate_samples);
        if count == 0 {
            return Ok(());
        }
        // The same ones every time, from all over.
        let chosen: Vec<usize> = (0..count)
            .map(|place| place * self.held.count() / count)
            .collect();
        let samples = self.trainer.read(&self.held, &chosen)?;
        let result = self.trainer.evaluate(samples)?;
        let step = self.trainer.steps();
        let entry = Entry::Evaluation { step, result };
        self.log.push(entry, self.trainer.kept())?;
        if self.json {
            println!("{}", serde_json::to_string(&entry)?);
        } else {
            self.bar.suspend(|| {
                println!(
                    "step {step}: held back: loss {:.4}, {:.1} % of {} tokens right",
                    result.loss,
                    100.0 * result.right,
                    result.targets,
                );
            });
        }
        Ok(())
    }

    fn keep(&mut self) -> anyhow::Result<()> {
        let samples = self.train.count();
        self.folder.keep(&mut self.trainer, samples, self.start.files())?;
        Ok(())
    }

    fn show(&self, result: &StepResult) {
        let seconds = result.seconds.max(1e-9);
        let (samples, tokens) = (result.samples as f64 / seconds, result.tokens as f64 / seconds);
        let share = result.operations as f64 / seconds / self.peak;
        if self.json {
            let mut line = serde_json::to_value(Entry::from(result)).unwrap_or_default();
            line["samples_per_second"] = json!(samples);
            line["tokens_per_second"] = json!(tokens);
            line["arithmetic_share"] = json!(share);
            println!("{line}");
            return;
        }
        self.bar.set_position(result.step);
        self.bar.set_message(format!(
            "loss {:.4}, {:.1} % right, {samples:.1} samples/s, {tokens:.0} tokens/s, {:.0} % of peak",
            result.plain,
            100.0 * result.right,
            100.0 * share,
        ));
    }

    fn report(&self) -> anyhow::Result<PathBuf> {
        let config = self.trainer.network().config();
        let page = render(
            &self.settings,
            config,
            self.trainer.parameters().count(),
            self.log.entries(),
        );
        Ok(self.folder.write("report.html", &page, self.trainer.kept())?)
    }

    fn end(&self, finished: bool) -> anyhow::Result<ExitCode> {
        self.bar.finish_and_clear();
        let report = self.report()?;
        let checkpoint = self.folder.checkpoint(self.trainer.kept());
        let step = self.trainer.steps();
        if self.json {
            println!(
                "{}",
                json!({"kind": "end", "step": step, "finished": finished, "checkpoint": checkpoint, "report": report})
            );
        } else if finished {
            println!("checkpoint: {}", checkpoint.display());
            println!("report: {}", report.display());
        } else {
            println!("stopped after step {step}; the same command goes on from there");
        }
        Ok(if finished {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
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

fn bar(global: &Global, total: u64, step: u64) -> ProgressBar {
    if global.json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total).with_position(step);
    // A fixed template: it cannot be wrong.
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar.reset_eta();
    bar
}
