//! From logits to one token.

mod likeliest;
mod sampler;
#[cfg(test)]
mod tests;

pub use sampler::Sampler;

use serde::{Deserialize, Serialize};

use crate::EngineError;

/// How the next token is chosen. The order of the steps is: penalties, temperature, top-k, top-p, min-p, draw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Divides the logits; 0 means greedy.
    pub temperature: f32,
    /// Keeps this many of the likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps the likeliest tokens that together reach this probability, in (0, 1].
    pub top_p: f32,
    /// Keeps tokens of at least this share of the likeliest token's probability, in [0, 1].
    pub min_p: f32,
    /// Subtracted from the logit of each token that was already generated.
    pub presence_penalty: f32,
    /// Subtracted from the logit of each token as many times as it was already generated.
    pub frequency_penalty: f32,
    /// Divides (multiplies, if negative) the logit of each token in prompt or answer; 1 does nothing.
    pub repetition_penalty: f32,
    /// Seed of the draw: the same seed gives the same answer.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self::greedy()
    }
}

impl Sampling {
    /// Always the likeliest token; of equals, the one with the lowest id.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }

    /// Whether no chance is involved.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0 || self.top_k == 1
    }

    /// Whether every parameter means something.
    ///
    /// # Errors
    /// [`EngineError::Sampling`] names the first that does not.
    pub fn check(&self) -> Result<(), EngineError> {
        let within = |field, value: f32, valid: bool, expected| {
            if valid && value.is_finite() {
                return Ok(());
            }
            Err(EngineError::Sampling {
                field,
                value: f64::from(value),
                expected,
            })
        };
        within(
            "temperature",
            self.temperature,
            self.temperature >= 0.0,
            "0 or more",
        )?;
        within(
            "top_p",
            self.top_p,
            self.top_p > 0.0 && self.top_p <= 1.0,
            "above 0 and at most 1",
        )?;
        within(
            "min_p",
            self.min_p,
            (0.0..=1.0).contains(&self.min_p),
            "from 0 to 1",
        )?;
        within("presence_penalty", self.presence_penalty, true, "finite")?;
        within("frequency_penalty", self.frequency_penalty, true, "finite")?;
        within(
            "repetition_penalty",
            self.repetition_penalty,
            self.repetition_penalty > 0.0,
            "above 0",
        )
    }
}
