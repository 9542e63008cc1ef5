//! The file that `aurore train` is given.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::optimiser::{OptimiserSettings, Schedule};
use crate::{Balance, LoraSettings};

/// Everything that a run depends on.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The run's folder.
    pub output: PathBuf,
    /// The checkpoint that is taught: `nano` or a folder. Its tokeniser and template are kept.
    pub start: String,
    /// Begin with random weights instead of the checkpoint's.
    #[serde(default)]
    pub fresh: bool,
    /// Another network for a fresh start: a config.json for the same tokeniser.
    #[serde(default)]
    pub shape: Option<PathBuf>,
    /// Decides initial weights and the order of samples.
    #[serde(default = "one")]
    pub seed: u64,
    /// Parts of a batch that are computed beside each other; what is learnt depends on their number, not on that of
    /// threads.
    #[serde(default = "two")]
    pub lanes: usize,
    /// Threads; 0: one per processor.
    #[serde(default)]
    pub threads: usize,
    /// `bf16` or `f32` products.
    #[serde(default)]
    pub precision: Width,
    /// Keep less memory and compute each layer twice.
    #[serde(default)]
    pub recompute: bool,
    /// What is learnt from.
    pub data: DataSettings,
    /// How many samples a step sees.
    #[serde(default)]
    pub batch: BatchSettings,
    /// How long, and how rates change.
    pub steps: Schedule,
    /// How weights change.
    #[serde(default)]
    pub optimiser: OptimiserSettings,
    /// How experts are kept in use.
    #[serde(default)]
    pub experts: ExpertSettings,
    /// What it counts that the first head of each attention layer looks at the part of the picture that an answer is
    /// about; 0: not taught.
    #[serde(default)]
    pub grounding: f32,
    /// What it counts that the same rows' tokens can be read off after the first attention layer; 0: not taught.
    #[serde(default)]
    pub early: f32,
    /// What it counts that pictures' tokens can be read as the words that stand there, before the first layer; 0: not taught.
    #[serde(default)]
    pub reading: f32,
    /// The vision tower alone learns, by `reading`; what comes after it stays as it is, and is not run.
    #[serde(default)]
    pub tower_alone: bool,
    /// What is kept, and when.
    #[serde(default)]
    pub keep: KeepSettings,
    /// An adapter learns, and the checkpoint stays as it is; not in files.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraSettings>,
}

/// Products of matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// Rounded operands, f32 sums, f32 master weights.
    #[default]
    Bf16,
    /// f32 throughout.
    F32,
}

/// Files of episodes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// Files of steps, or folders of them.
    pub train: Vec<PathBuf>,
    /// The same, of what is known already and not to be forgotten.
    #[serde(default)]
    pub rehearse: Vec<PathBuf>,
    /// Which part of all samples are rehearsed ones.
    #[serde(default = "half")]
    pub share: f32,
    /// The same, never learnt from.
    #[serde(default)]
    pub evaluate: Vec<PathBuf>,
    /// Most samples of an evaluation.
    #[serde(default = "evaluated")]
    pub evaluate_samples: usize,
    /// Whether questions that stand beside steps are taught with them.
    #[serde(default = "yes")]
    pub questions: bool,
    /// What the digits of a coordinate count in the loss, the first one first.
    #[serde(default)]
    pub digits: Vec<f32>,
    /// Pictures are moved by at most so many pixels each way, another way each time that a sample is drawn, and all
    /// points in its texts with them. Evaluations see them where they are.
    #[serde(default)]
    pub shift: u16,
}

/// Sizes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchSettings {
    /// Samples of a step.
    pub samples: usize,
    /// Tokens that a lane has in memory at once; the rest of a step follows, and gradients add up.
    pub tokens: usize,
}

/// The balancing loss.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpertSettings {
    /// What it counts beside the cross-entropy.
    pub balance: f32,
    /// `layer`, or `network` as the official implementation does it.
    pub over: Over,
}

/// Over what experts are to be used evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// In each layer.
    #[default]
    Layer,
    /// In all together.
    Network,
}

/// What is kept on disk.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepSettings {
    /// Steps between states on disk.
    pub every: u64,
    /// Steps between evaluations.
    pub evaluate_every: u64,
    /// Checkpoints that stay, the newest.
    pub checkpoints: usize,
    /// Decay of the weights' running mean, which is what checkpoints hold; 0: the weights themselves.
    pub average: f32,
}

/// A file of settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The system refused.
    #[error("{file}: {source}; hint: give a file of settings as docs/training.md describes it")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, or has a key or value that does not belong there.
    #[error("{file}: {message}hint: docs/training.md lists every key")]
    Toml {
        /// The file.
        file: String,
        /// What and where, over several lines.
        message: String,
    },
    /// A value that makes no sense.
    #[error("{file}: {key} is {found}; hint: {hint}")]
    Value {
        /// The file.
        file: String,
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What may stand there.
        hint: &'static str,
    },
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            samples: 32,
            tokens: 1024,
        }
    }
}

impl Default for ExpertSettings {
    fn default() -> Self {
        Self {
            balance: 0.01,
            over: Over::Layer,
        }
    }
}

impl Default for KeepSettings {
    fn default() -> Self {
        Self {
            every: 100,
            evaluate_every: 100,
            checkpoints: 2,
            average: 0.0,
        }
    }
}

impl From<Over> for Balance {
    fn from(over: Over) -> Self {
        match over {
            Over::Layer => Self::Layer,
            Over::Network => Self::Network,
        }
    }
}

fn one() -> u64 {
    1
}

fn two() -> usize {
    2
}

fn yes() -> bool {
    true
}

fn half() -> f32 {
    0.5
}

fn evaluated() -> usize {
    256
}

impl Settings {
    /// Reads a file; relative paths in it start from its folder.
    ///
    /// # Errors
    /// When it cannot be read, or holds a key or value that does not belong there.
    pub fn open(path: &Path) -> Result<Self, SettingsError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Io {
            file: file.clone(),
            source,
        })?;
        let mut settings = Self::parse(&text, &file)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let base = |path: &mut PathBuf| *path = folder.join(&*path);
        base(&mut settings.output);
        settings.shape.iter_mut().for_each(base);
        settings.data.train.iter_mut().for_each(base);
        settings.data.rehearse.iter_mut().for_each(base);
        settings.data.evaluate.iter_mut().for_each(base);
        if Path::new(&settings.start).components().count() > 1 {
            settings.start = folder.join(&settings.start).display().to_string();
        }
        Ok(settings)
    }

    /// Reads text; `file` is named in messages.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn parse(text: &str, file: &str) -> Result<Self, SettingsError> {
        let settings: Self = toml::from_str(text).map_err(|error| SettingsError::Toml {
            file: file.to_owned(),
            message: error.to_string(),
        })?;
        settings.check(file)?;
        Ok(settings)
    }

    /// Whether all values make sense; `file` is named in messages.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self, file: &str) -> Result<(), SettingsError> {
        let refuse = |key, found: String, hint| {
            Err(SettingsError::Value {
                file: file.to_owned(),
                key,
                found,
                hint,
            })
        };
        let optimiser = &self.optimiser;
        let rates = [
            ("optimiser.rate", optimiser.rate),
            ("optimiser.matrix_rate", optimiser.matrix_rate),
            ("optimiser.weight_decay", optimiser.weight_decay),
            ("optimiser.clip", optimiser.clip),
            ("experts.balance", self.experts.balance),
            ("grounding", self.grounding),
            ("early", self.early),
            ("reading", self.reading),
        ];
        for (key, value) in rates {
            if !value.is_finite() || value < 0.0 {
                return refuse(key, value.to_string(), "a number from 0 up");
            }
        }
        if self.tower_alone && self.reading == 0.0 {
            let hint = "with `reading` above 0, which is what it learns by";
            return refuse("tower_alone", "true".to_owned(), hint);
        }
        let shares = [
            ("optimiser.betas", optimiser.betas[0]),
            ("optimiser.betas", optimiser.betas[1]),
            ("optimiser.momentum", optimiser.momentum),
            ("keep.average", self.keep.average),
            ("data.share", self.data.share),
        ];
        for (key, value) in shares {
            if !(0.0..1.0).contains(&value) {
                return refuse(key, value.to_string(), "a number from 0 to below 1");
            }
        }
        if optimiser.epsilon.is_nan() || optimiser.epsilon <= 0.0 {
            return refuse(
                "optimiser.epsilon",
                optimiser.epsilon.to_string(),
                "a number above 0",
            );
        }
        let counts = [
            ("batch.samples", self.batch.samples as u64, 1 << 20),
            ("batch.tokens", self.batch.tokens as u64, 1 << 20),
            ("steps.total", self.steps.total, u64::MAX >> 1),
            ("keep.every", self.keep.every, u64::MAX >> 1),
            ("keep.evaluate_every", self.keep.evaluate_every, u64::MAX >> 1),
            ("keep.checkpoints", self.keep.checkpoints as u64, 1 << 20),
            ("lanes", self.lanes as u64, 256),
        ];
        for (key, value, most) in counts {
            if value == 0 || value > most {
                return refuse(
                    key,
                    value.to_string(),
                    "a whole number from 1 up, of ordinary size",
                );
            }
        }
        if self.threads > 1024 {
            return refuse(
                "threads",
                self.threads.to_string(),
                "at most 1024; 0: one per processor",
            );
        }
        if let Some(lora) = &self.lora {
            if lora.rank == 0 || lora.rank > 4096 {
                return refuse(
                    "lora.rank",
                    lora.rank.to_string(),
                    "a whole number from 1 to 4096",
                );
            }
            if !lora.alpha.is_finite() || lora.alpha <= 0.0 {
                return refuse("lora.alpha", lora.alpha.to_string(), "a number above 0");
            }
            if lora.on.is_empty() {
                return refuse("lora.on", "empty".to_owned(), "at least one kind of projections");
            }
        }
        if self.shape.is_some() && !self.fresh {
            return refuse("shape", "given".to_owned(), "only with `fresh = true`");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "output = 'run'\nstart = 'nano'\n[data]\ntrain = ['episodes']\n[steps]\ntotal = 10\n";

    #[test]
    fn the_least_that_is_needed() {
        let settings = Settings::parse(LEAST, "train.toml").unwrap();
        assert_eq!(
            (settings.batch.samples, settings.lanes, settings.seed),
            (32, 2, 1)
        );
        assert_eq!(settings.precision, Width::Bf16);
        // What is written reads back.
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(Settings::parse(&text, "again").unwrap(), settings);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let check = |text: String, says: &[&str]| {
            let error = Settings::parse(&text, "train.toml").unwrap_err().to_string();
            for part in says {
                assert!(error.contains(part), "{part}: {error}");
            }
            assert!(error.contains("hint:"), "{error}");
        };
        check(format!("{LEAST}warmup = 3\n"), &["warmup", "line 7", "warm_up"]);
        check(format!("lane = 3\n{LEAST}"), &["lane", "line 1"]);
        check(LEAST.replace("10", "0"), &["steps.total is 0"]);
        check(
            format!("{LEAST}[optimiser]\nrate = -1.0\n"),
            &["optimiser.rate is -1"],
        );
        check(format!("{LEAST}[keep]\naverage = 1.0\n"), &["keep.average is 1"]);
        check(format!("shape = 'config.json'\n{LEAST}"), &["fresh = true"]);
        check("output = 3".to_owned(), &["line 1"]);
    }
}
