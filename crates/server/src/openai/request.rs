//! `/v1/chat/completions`: what a client sends. Unknown fields are left alone.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::shapes::{Content, OneOrMany, StreamOptions};

/// A conversation that is to be answered.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "ChatRequest")]
pub(crate) struct Chat {
    pub(crate) model: Option<String>,
    pub(crate) messages: Vec<Message>,
    #[serde(default)]
    pub(crate) tools: Option<Vec<Tool>>,
    pub(crate) tool_choice: Option<Value>,
    pub(crate) parallel_tool_calls: Option<bool>,
    pub(crate) response_format: Option<Value>,
    pub(crate) stream: Option<bool>,
    pub(crate) stream_options: Option<StreamOptions>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) max_completion_tokens: Option<usize>,
    pub(crate) n: Option<usize>,
    pub(crate) stop: Option<OneOrMany<String>>,
    pub(crate) seed: Option<i64>,
    pub(crate) temperature: Option<f32>,
    pub(crate) top_p: Option<f32>,
    pub(crate) top_k: Option<i64>,
    pub(crate) min_p: Option<f32>,
    pub(crate) presence_penalty: Option<f32>,
    pub(crate) frequency_penalty: Option<f32>,
    pub(crate) repetition_penalty: Option<f32>,
    pub(crate) logit_bias: Option<HashMap<String, f32>>,
    pub(crate) logprobs: Option<bool>,
    pub(crate) top_logprobs: Option<usize>,
    pub(crate) reasoning_effort: Option<String>,
    pub(crate) enable_thinking: Option<bool>,
    pub(crate) thinking_budget: Option<usize>,
    pub(crate) chat_template_kwargs: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatMessage")]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) content: Option<Content<Part>>,
    #[serde(alias = "reasoning")]
    pub(crate) reasoning_content: Option<String>,
    pub(crate) tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatPart")]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(alias = "refusal")]
    pub(crate) text: Option<String>,
    pub(crate) image_url: Option<ImageUrl>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ImageUrl {
    Plain(String),
    Object { url: String },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatToolCall")]
pub(crate) struct ToolCall {
    pub(crate) function: Called,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCall")]
pub(crate) struct Called {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) arguments: Value,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatTool")]
pub(crate) struct Tool {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) function: Function,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatFunction")]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<Value>,
}
