//! What a client sends. Unknown fields are left alone.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::openai::inputs::Inputs;
use crate::shapes::{self, OneOrMany, StreamOptions};

/// Text that is to go on.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CompletionRequest")]
pub(crate) struct Completions {
    pub(super) model: Option<String>,
    pub(super) prompt: Inputs,
    /// Most tokens of an answer; 16 if absent.
    pub(super) max_tokens: Option<usize>,
    /// Answers to each prompt.
    #[schemars(range(min = 1, max = 16))]
    pub(super) n: Option<usize>,
    pub(super) stream: Option<bool>,
    #[serde(default, deserialize_with = "shapes::object")]
    pub(super) stream_options: Option<StreamOptions>,
    /// Texts that end an answer.
    pub(super) stop: Option<OneOrMany<String>>,
    pub(super) seed: Option<i64>,
    #[schemars(range(min = 0))]
    pub(super) temperature: Option<f32>,
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub(super) top_p: Option<f32>,
    pub(super) top_k: Option<i64>,
    #[schemars(range(min = 0, max = 1))]
    pub(super) min_p: Option<f32>,
    pub(super) presence_penalty: Option<f32>,
    pub(super) frequency_penalty: Option<f32>,
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(super) repetition_penalty: Option<f32>,
    /// By token id, each from -100 to 100.
    #[schemars(with = "Option<HashMap<u32, f32>>")]
    pub(super) logit_bias: Option<HashMap<String, f32>>,
    /// So many of the likeliest tokens are reported beside each.
    #[schemars(range(max = 20))]
    pub(super) logprobs: Option<usize>,
    /// The prompt is never repeated.
    #[schemars(extend("enum" = [false, null]))]
    pub(super) echo: Option<bool>,
    /// Nothing is put between two texts.
    #[schemars(length(max = 0))]
    pub(super) suffix: Option<String>,
    /// All answers are given, so it is the same as `n`.
    pub(super) best_of: Option<usize>,
}
