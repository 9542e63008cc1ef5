//! What a run has said so far: a line of JSON per step, and one per evaluation.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{StepResult, TrainError};

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A step.
    Step {
        /// From 1.
        step: u64,
        /// Weighted mean cross-entropy, in nats.
        loss: f64,
        /// Without weights.
        plain: f64,
        /// Share of the targets that were likeliest.
        right: f64,
        /// The experts' balancing loss.
        balance: f64,
        /// How badly what answers are about was not looked at, in nats.
        #[serde(default, skip_serializing_if = "is_nothing")]
        missed: f64,
        /// Weighted mean cross-entropy of what is read off after the first attention layer.
        #[serde(default, skip_serializing_if = "is_nothing")]
        early: f64,
        /// Weighted mean cross-entropy of what pictures' tokens are read as.
        #[serde(default, skip_serializing_if = "is_nothing")]
        reading: f64,
        /// Length of the gradient.
        length: f32,
        /// What the rates were multiplied by.
        factor: f32,
        /// Of the step.
        samples: usize,
        /// Of the step, image tokens included.
        tokens: usize,
        /// Operations of the matrix products.
        operations: u64,
        /// Without reading samples.
        seconds: f64,
    },
    /// An evaluation after a step.
    Evaluation {
        /// The step.
        step: u64,
        /// What came of it.
        #[serde(flatten)]
        result: Evaluation,
    },
}

/// What samples cost that are not learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean cross-entropy of the targets, in nats.
    pub loss: f64,
    /// Share of them that were likeliest.
    pub right: f64,
    /// How many there were.
    pub targets: usize,
}

impl Entry {
    /// The step that it belongs to.
    pub fn step(&self) -> u64 {
        match self {
            Self::Step { step, .. } | Self::Evaluation { step, .. } => *step,
        }
    }
}

impl From<&StepResult> for Entry {
    fn from(result: &StepResult) -> Self {
        Self::Step {
            step: result.step,
            loss: result.loss,
            plain: result.plain,
            right: result.right,
            balance: result.balance,
            missed: result.missed,
            early: result.early,
            reading: result.reading,
            length: result.length,
            factor: result.factor,
            samples: result.samples,
            tokens: result.tokens,
            operations: result.operations,
            seconds: result.seconds,
        }
    }
}

/// The file of lines.
pub struct Log {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
}

impl Log {
    /// Opens the log of a run that is at `step`: lines of later steps, which are made again, are taken out, and so is
    /// what a stop left of a line.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path, step: u64) -> Result<Self, TrainError> {
        let write = |source| TrainError::Write {
            file: path.display().to_string(),
            source,
            kept: step,
        };
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(write(source)),
        };
        let entries: Vec<Entry> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|entry: &Entry| entry.step() <= step)
            .collect();
        let partial = path.with_added_extension("partial");
        let mut file = File::create(&partial).map_err(write)?;
        for entry in &entries {
            writeln!(file, "{}", line(entry)).map_err(write)?;
        }
        file.sync_all().map_err(write)?;
        std::fs::rename(&partial, path).map_err(write)?;
        let file = OpenOptions::new().append(true).open(path).map_err(write)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            entries,
        })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, entry: Entry, kept: u64) -> Result<(), TrainError> {
        writeln!(self.file, "{}", line(&entry)).map_err(|source| TrainError::Write {
            file: self.path.display().to_string(),
            source,
            kept,
        })?;
        self.entries.push(entry);
        Ok(())
    }

    /// All lines so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_nothing(value: &f64) -> bool {
    *value == 0.0
}

fn line(entry: &Entry) -> String {
    // Of numbers nothing can fail.
    serde_json::to_string(entry).unwrap_or_default()
}
