//! What a checkpoint says about itself to this program (`aurore.json`), and how to sample from it.

use aurore_checkpoint::{Config, Ffn, GenerationConfig};
use aurore_engine::Sampling;
use serde::Deserialize;

/// How an agent keeps what it saw and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// One user turn per step: the frame, the goal, the names of the deeds so far.
    Frame,
    /// The same, with what was meant by the last deeds instead of their names.
    Intents,
    /// The whole conversation, older screenshots folded.
    #[default]
    Conversation,
}

/// Wishes of the model toward an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    /// How to keep what was seen.
    pub memory: Memory,
    /// Width and height of the screen that it was trained on, CSS pixels.
    pub viewport: Option<[u32; 2]>,
    /// Most tokens that a step takes.
    pub max_new_tokens: Option<usize>,
}

/// The content of `aurore.json`; a checkpoint without one has all defaults.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The model's name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<serde_json::Value>,
    /// For agents.
    pub agent: AgentSettings,
}

/// What the sampling is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mode {
    /// Whether the answer starts with thinking.
    pub thinking: bool,
    /// Whether pictures are in the conversation.
    pub images: bool,
}

/// Hidden size up to which the family's cards recommend the small models' numbers (0.8B: 1024, 2B: 2048, 4B: 2560).
const SMALL_HIDDEN_SIZE: usize = 2048;

/// The family's recommendation for a size and mode: the model cards' table.
fn recommended(config: &Config, mode: Mode) -> Sampling {
    let small = config.text.hidden_size <= SMALL_HIDDEN_SIZE && matches!(config.text.ffn, Ffn::Dense { .. });
    let (temperature, top_p, presence_penalty) = match (small, mode.thinking, mode.images) {
        (true, true, true) => (0.6, 0.95, 0.0),
        (_, true, _) => (1.0, 0.95, 1.5),
        (true, false, false) => (1.0, 1.0, 2.0),
        (_, false, _) => (0.7, 0.8, 1.5),
    };
    Sampling {
        temperature,
        top_p,
        top_k: 20,
        min_p: 0.0,
        presence_penalty,
        frequency_penalty: 0.0,
        repetition_penalty: 1.0,
        seed: 0,
    }
}

/// What `generation_config.json` says, and the family's recommendation for what it lacks.
pub(crate) fn sampling(config: &Config, generation: &GenerationConfig, mode: Mode) -> Sampling {
    if generation.do_sample == Some(false) {
        return Sampling::greedy();
    }
    let fallback = recommended(config, mode);
    Sampling {
        temperature: generation.temperature.unwrap_or(fallback.temperature),
        top_k: generation.top_k.unwrap_or(fallback.top_k),
        top_p: generation.top_p.unwrap_or(fallback.top_p),
        min_p: generation.min_p.unwrap_or(fallback.min_p),
        presence_penalty: generation.presence_penalty.unwrap_or(fallback.presence_penalty),
        frequency_penalty: fallback.frequency_penalty,
        repetition_penalty: generation
            .repetition_penalty
            .unwrap_or(fallback.repetition_penalty),
        seed: 0,
    }
}
