//! Learning from episodes, as `aurore train` and `aurore tune` do it: steps, evaluations, what is said and kept of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurore_chat::Chat;
use aurore_checkpoint::{Checkpoint, Config};
use aurore_trainer::{
    DataSettings, Draw, Entry, Episodes, Folder, Log, Resumed, Samples, StepResult, TrainError, Trainer,
    render,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::global::Global;

/// Seconds between the report's renewals.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// What is learnt from, and what is held back.
pub struct Lessons {
    /// What is taught, and after it what is rehearsed.
    train: Episodes,
    taught: usize,
    held: Episodes,
}

impl Lessons {
    /// Opens the episodes for a checkpoint; `what` names the setting that should lead to some, and `reads`
    /// says whether words on pictures are learnt from.
    ///
    /// # Errors
    /// When they cannot be read, or there are none to learn from.
    pub fn open(
        settings: &DataSettings,
        start: &Checkpoint,
        config: &Config,
        what: &'static str,
        reads: bool,
    ) -> anyhow::Result<Self> {
        let chat = Arc::new(Chat::from_files(start.files(), config)?);
        let episodes = |paths: &[PathBuf]| {
            let episodes = Episodes::open(Arc::clone(&chat), paths, &settings.digits);
            episodes.map(|mut episodes| {
                if !settings.questions {
                    episodes = episodes.without_questions();
                }
                if !reads {
                    episodes = episodes.without_words();
                }
                episodes
            })
        };
        let (taught, held) = (episodes(&settings.train)?, episodes(&settings.evaluate)?);
        let train = if settings.rehearse.is_empty() {
            None
        } else {
            Some(episodes(&[&settings.train[..], &settings.rehearse].concat())?)
        };
        let (count, train) = (taught.count(), train.unwrap_or(taught));
        if count == 0 {
            return Err(TrainError::NoSamples { what }.into());
        }
        Ok(Self {
            train,
            taught: count,
            held,
        })
    }

    /// Samples that are taught.
    pub fn count(&self) -> usize {
        self.taught
    }

    fn rehearsed(&self) -> usize {
        self.train.count() - self.taught
    }
}

/// A run under way.
pub struct Teaching {
    start: Checkpoint,
    lessons: Lessons,
    trainer: Trainer,
    folder: Folder,
    log: Log,
    bar: ProgressBar,
    json: bool,
    /// Operations a second that the processor could do at best.
    peak: f64,
}

impl Teaching {
    /// Opens the run's folder, goes on from the state there if there is one, and says so.
    ///
    /// # Errors
    /// When the folder or its state cannot be used.
    pub fn begin(
        start: Checkpoint,
        lessons: Lessons,
        mut trainer: Trainer,
        global: &Global,
    ) -> anyhow::Result<Self> {
        let settings = trainer.settings();
        let (folder, total) = (Folder::open(&settings.output)?, settings.steps.total);
        let resumed = folder.resume(&mut trainer, lessons.train.count())?;
        let log = folder.log(trainer.steps())?;
        let limits = trainer.cpu().limits();
        let teaching = Self {
            bar: bar(global, total, trainer.steps()),
            json: global.json,
            peak: limits.bf16_operations_per_second(),
            start,
            lessons,
            trainer,
            folder,
            log,
        };
        teaching.announce(resumed);
        Ok(teaching)
    }

    fn announce(&self, resumed: Resumed) {
        if self.json {
            let step = self.trainer.steps();
            println!(
                "{}",
                json!({"kind": "start", "step": step, "samples": self.lessons.taught, "rehearsed": self.lessons.rehearsed(), "held_back": self.lessons.held.count(), "parameters": self.trainer.parameters().count()})
            );
            return;
        }
        println!(
            "{:.2} million parameters, {} samples{}, {} held back: {}",
            self.trainer.parameters().count() as f64 / 1e6,
            self.lessons.taught,
            match self.lessons.rehearsed() {
                0 => String::new(),
                rehearsed => format!(" and {rehearsed} rehearsed"),
            },
            self.lessons.held.count(),
            self.folder.path().display(),
        );
        if let Resumed::After(step) = resumed {
            println!("goes on after step {step}");
        }
    }

    /// Makes the steps that are left. Whether the last one was reached.
    ///
    /// # Errors
    /// When a sample or the disk cannot be used, or a loss is no number: what was kept stays.
    pub fn steps(&mut self, global: &Global) -> anyhow::Result<bool> {
        let settings = self.trainer.settings();
        let mut draw = Draw::new(settings.seed, self.lessons.taught)
            .rehearsing(self.lessons.rehearsed(), settings.data.share);
        let mut reported = Instant::now();
        let total = self.trainer.settings().steps.total;
        while self.trainer.steps() < total {
            if global.is_interrupted() {
                self.keep()?;
                return Ok(false);
            }
            let samples = self.trainer.draw(&self.lessons.train, &mut draw)?;
            let result = self.trainer.step(samples)?;
            self.log.push(Entry::from(&result), self.trainer.kept())?;
            self.show(&result);
            let step = result.step;
            if step % self.trainer.settings().keep.evaluate_every == 0 || step == total {
                self.evaluate()?;
            }
            if step % self.trainer.settings().keep.every == 0 || step == total {
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
        let count = self
            .lessons
            .held
            .count()
            .min(self.trainer.settings().data.evaluate_samples);
        if count == 0 {
            return Ok(());
        }
        // The same ones every time, from all over.
        let chosen: Vec<usize> = (0..count)
            .map(|place| place * self.lessons.held.count() / count)
            .collect();
        let samples = self.trainer.read(&self.lessons.held, &chosen)?;
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
        let samples = self.lessons.train.count();
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
            self.trainer.settings(),
            config,
            self.trainer.parameters().count(),
            self.log.entries(),
        );
        Ok(self.folder.write("report.html", &page, self.trainer.kept())?)
    }

    /// Merges what learnt into its base, where that is an adapter.
    ///
    /// # Errors
    /// When the checkpoint cannot be written.
    pub fn merge(&self) -> anyhow::Result<Option<PathBuf>> {
        Ok(self.folder.merge(&self.trainer, &self.start)?)
    }

    /// Says how it ended, and where everything is.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn end(&self, finished: bool, merged: Option<&Path>) -> anyhow::Result<ExitCode> {
        self.bar.finish_and_clear();
        let report = self.report()?;
        let (made, place) = if self.trainer.frozen().is_some() {
            ("adapter", self.folder.path().to_owned())
        } else {
            ("checkpoint", self.folder.checkpoint(self.trainer.kept()))
        };
        let step = self.trainer.steps();
        if self.json {
            let mut line =
                json!({"kind": "end", "step": step, "finished": finished, (made): place, "report": report});
            if let Some(merged) = merged {
                line["merged"] = json!(merged);
            }
            println!("{line}");
        } else if finished {
            println!("{made}: {}", place.display());
            if let Some(merged) = merged {
                println!("merged: {}", merged.display());
            }
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
