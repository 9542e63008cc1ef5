//! A run's folder: its state, its checkpoints, its log and its report.
//!
//! ```text
//! state.safetensors        what the run goes on from
//! checkpoints/step-000100/ the official layout; the newest few
//! log.jsonl                a line per step and evaluation
//! report.html              curves
//! ```
//!
//! A run that teaches an adapter has that in its folder instead of checkpoints, and a whole checkpoint under `merged/` when
//! it was asked for.
//!
//! Everything is written beside its place and then renamed, so a kill at any moment leaves the last whole one.

use std::fs::File;
use std::path::{Path, PathBuf};

use aurore_checkpoint::{Checkpoint, Config, Files, Merged, Weights, export};

use super::{Log, TrainError, Trainer, state};
use crate::official::Official;

/// Files beside the weights that come along from the checkpoint that was begun with.
const COMPANIONS: [&str; 10] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "generation_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "aurore.json",
];

/// The folder, held by one process at a time.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Where a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// At its first step.
    Fresh,
    /// After the step of the state on disk.
    After(u64),
}

impl Folder {
    /// Makes or opens it.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Write {
            file: path.display().to_string(),
            source,
            kept: 0,
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let lock = File::create(path.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|_| TrainError::Busy {
            folder: path.display().to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on from the state on disk, if there is one. `samples`: how many there are to learn from.
    ///
    /// # Errors
    /// When it cannot be read, or belongs to other settings.
    pub fn resume(&self, trainer: &mut Trainer, samples: usize) -> Result<Resumed, TrainError> {
        let found = state::restore(trainer, samples, &self.state())?;
        Ok(if found {
            Resumed::After(trainer.steps())
        } else {
            Resumed::Fresh
        })
    }

    /// The log of a run that is at `step`.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn log(&self, step: u64) -> Result<Log, TrainError> {
        Log::open(&self.path.join("log.jsonl"), step)
    }

    /// Writes the state, and the adapter or the checkpoint with the companions of `files`.
    ///
    /// # Errors
    /// When something cannot be written: what was there before stays.
    pub fn keep(&self, trainer: &mut Trainer, samples: usize, files: &Files) -> Result<(), TrainError> {
        state::save(trainer, samples, &self.state())?;
        trainer.kept = trainer.steps();
        let config = trainer.network().config();
        if let Some((adapter, about)) = trainer.adapter() {
            return Ok(adapter.write(&self.path, config, &about)?);
        }
        let name = self.checkpoint(trainer.steps());
        let averaged = trainer.averaged();
        self.write_checkpoint(config, &Official(&averaged), files, &name, trainer.kept)?;
        self.prune(trainer.settings().keep.checkpoints, trainer.kept)
    }

    /// Writes the checkpoint that the adapter and its base make together; `None` where no adapter learns. A packed base
    /// gives the weights that it was rounded to.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn merge(&self, trainer: &Trainer, base: &Checkpoint) -> Result<Option<PathBuf>, TrainError> {
        let (Some((adapter, _)), Some(frozen)) = (trainer.adapter(), trainer.frozen()) else {
            return Ok(None);
        };
        let base_weights: &dyn Weights = match base.packed_file() {
            Some(_) => frozen.as_ref(),
            None => base,
        };
        let merged = Merged::new(base_weights, &adapter);
        let to = self.path.join("merged");
        self.write_checkpoint(
            trainer.network().config(),
            &merged,
            base.files(),
            &to,
            trainer.kept,
        )?;
        Ok(Some(to))
    }

    /// The folder of the checkpoint after a step.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.path.join("checkpoints").join(format!("step-{step:06}"))
    }

    /// Writes a text file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str, kept: u64) -> Result<PathBuf, TrainError> {
        let path = self.path.join(name);
        let failed = |source| TrainError::Write {
            file: path.display().to_string(),
            source,
            kept,
        };
        let partial = path.with_added_extension("partial");
        durable(&partial, text.as_bytes()).map_err(failed)?;
        std::fs::rename(&partial, &path).map_err(failed)?;
        Ok(path)
    }

    fn state(&self) -> PathBuf {
        self.path.join("state.safetensors")
    }

    fn write_checkpoint(
        &self,
        config: &Config,
        weights: &dyn Weights,
        files: &Files,
        to: &Path,
        kept: u64,
    ) -> Result<(), TrainError> {
        let partial = to.with_added_extension("partial");
        let failed = |source| TrainError::Write {
            file: partial.display().to_string(),
            source,
            kept,
        };
        if partial.exists() {
            std::fs::remove_dir_all(&partial).map_err(failed)?;
        }
        std::fs::create_dir_all(&partial).map_err(failed)?;
        export(weights, config, &partial, u64::MAX, &mut |_, _| true)?;
        for name in COMPANIONS {
            if let Some(bytes) = files.read(name)? {
                durable(&partial.join(name), &bytes).map_err(failed)?;
            }
        }
        sync_folder(&partial).map_err(failed)?;
        if to.exists() {
            std::fs::remove_dir_all(to).map_err(failed)?;
        }
        std::fs::rename(&partial, to).map_err(failed)?;
        sync_folder(to.parent().unwrap_or(&self.path)).map_err(failed)
    }

    /// Leaves the newest checkpoints.
    fn prune(&self, count: usize, kept: u64) -> Result<(), TrainError> {
        let folder = self.path.join("checkpoints");
        let failed = |source| TrainError::Write {
            file: folder.display().to_string(),
            source,
            kept,
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.starts_with("step-") {
                found.push((name.ends_with(".partial"), path));
            }
        }
        found.sort();
        let (whole, partial): (Vec<_>, Vec<_>) = found.into_iter().partition(|(partial, _)| !partial);
        let old = whole.len().saturating_sub(count);
        for (_, path) in whole[..old].iter().chain(&partial) {
            std::fs::remove_dir_all(path).map_err(failed)?;
        }
        Ok(())
    }
}

fn durable(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes renames in a folder last, where folders can be opened.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()
    } else {
        Ok(())
    }
}
