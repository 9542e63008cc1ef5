//! What a client sends. Unknown fields are left alone.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub(super) struct Create {
    pub(super) model: Option<String>,
    pub(super) input: Input,
    pub(super) instructions: Option<String>,
    pub(super) previous_response_id: Option<String>,
    pub(super) store: Option<bool>,
    pub(super) background: Option<bool>,
    pub(super) stream: Option<bool>,
    pub(super) tools: Option<Vec<Tool>>,
    pub(super) tool_choice: Option<Value>,
    pub(super) parallel_tool_calls: Option<bool>,
    pub(super) max_output_tokens: Option<usize>,
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    pub(super) reasoning: Option<Reasoning>,
    pub(super) text: Option<Text>,
    pub(super) metadata: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Input {
    Text(String),
    Items(Vec<Item>),
}

#[derive(Debug, Deserialize)]
pub(super) struct Item {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) role: Option<String>,
    pub(super) content: Option<Content>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<Value>,
    pub(super) output: Option<Output>,
    pub(super) action: Option<Map<String, Value>>,
    pub(super) actions: Option<Vec<Map<String, Value>>>,
    pub(super) current_url: Option<String>,
}

/// What a call gave.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Output {
    Content(Content),
    /// Of a screen.
    Picture {
        image_url: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(alias = "refusal")]
    pub(super) text: Option<String>,
    pub(super) image_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) parameters: Option<Value>,
    pub(super) display_width: Option<u64>,
    pub(super) display_height: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reasoning {
    pub(super) effort: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Text {
    pub(super) format: Option<Value>,
}
