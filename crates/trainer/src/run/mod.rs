//! A training run: settings, steps, and what is kept of them on disk.

mod batch;
mod chart;
mod error;
mod folder;
mod log;
mod report;
mod settings;
mod state;
mod trainer;

pub use error::TrainError;
pub use folder::{Folder, Resumed};
pub use log::{Entry, Evaluation, Log};
pub use report::render;
pub use settings::{
    BatchSettings, DataSettings, ExpertSettings, KeepSettings, Settings, SettingsError, Width,
};
pub use trainer::{StepResult, Trainer};
