//! `generation_config.json`: what the checkpoint's makers sample with.

use super::fields::{Fields, parse_object};
use crate::{CheckpointError, Files};

/// Sampling defaults; what the file leaves out is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationConfig {
    /// Tokens that end an answer.
    pub eos_token_ids: Option<Vec<u32>>,
    /// False means greedy.
    pub do_sample: Option<bool>,
    /// Divides logits.
    pub temperature: Option<f32>,
    /// Candidates kept by rank.
    pub top_k: Option<usize>,
    /// Candidates kept by probability mass.
    pub top_p: Option<f32>,
    /// Candidates kept by probability relative to the likeliest.
    pub min_p: Option<f32>,
    /// Subtracted from the logits of tokens that occurred.
    pub presence_penalty: Option<f32>,
    /// Divides (or multiplies) the logits of tokens that occurred.
    pub repetition_penalty: Option<f32>,
}

impl GenerationConfig {
    /// Reads the file, if there is one; without it every field is `None`.
    pub fn read(files: &Files) -> Result<Self, CheckpointError> {
        const NAME: &str = "generation_config.json";
        if files.read(NAME)?.is_none() {
            return Ok(Self::default());
        }
        let text = files.read_text(NAME, "it was there a moment ago")?;
        Self::from_json(&text, &files.describe_file(NAME))
    }

    /// Reads the file's text; `file` is its name for messages.
    pub fn from_json(text: &str, file: &str) -> Result<Self, CheckpointError> {
        let map = parse_object(text, file)?;
        let fields = Fields::new(file, "", &map);
        let number = |name, range| fields.number(name, range).map(|n| n.map(|n| n as f32));
        Ok(Self {
            eos_token_ids: fields.tokens("eos_token_id")?,
            do_sample: fields.flag("do_sample")?,
            temperature: number("temperature", 0.0..=100.0)?,
            top_k: fields.size_opt("top_k", 0..=1 << 24)?,
            top_p: number("top_p", 0.0..=1.0)?,
            min_p: number("min_p", 0.0..=1.0)?,
            presence_penalty: number("presence_penalty", -10.0..=10.0)?,
            repetition_penalty: number("repetition_penalty", 0.01..=100.0)?,
        })
    }
}
