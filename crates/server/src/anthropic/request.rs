//! `/v1/messages`: what a client sends. Unknown fields are left alone.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::shapes::{self, Content};

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "MessagesRequest")]
pub(crate) struct Create {
    pub(crate) model: Option<String>,
    #[schemars(length(min = 1))]
    pub(crate) messages: Vec<Message>,
    pub(crate) system: Option<Content<Block>>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) stream: Option<bool>,
    pub(crate) stop_sequences: Option<Vec<String>>,
    #[schemars(range(min = 0))]
    pub(crate) temperature: Option<f32>,
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub(crate) top_p: Option<f32>,
    pub(crate) top_k: Option<usize>,
    #[serde(default, deserialize_with = "shapes::object")]
    pub(crate) thinking: Option<Thinking>,
    pub(crate) tools: Option<Vec<Tool>>,
    #[serde(default, deserialize_with = "shapes::object")]
    pub(crate) tool_choice: Option<ToolChoice>,
    #[serde(default, deserialize_with = "shapes::object")]
    pub(crate) output_config: Option<OutputConfig>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "MessagesMessage")]
pub(crate) struct Message {
    #[schemars(extend("enum" = ["user", "assistant"]))]
    pub(crate) role: String,
    pub(crate) content: Content<Block>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "MessagesBlock")]
pub(crate) struct Block {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["text", "image", "thinking", "redacted_thinking", "tool_use", "tool_result"]))]
    pub(crate) kind: String,
    pub(crate) text: Option<String>,
    pub(crate) thinking: Option<String>,
    pub(crate) source: Option<Source>,
    pub(crate) name: Option<String>,
    pub(crate) input: Option<Value>,
    pub(crate) content: Option<Content<Block>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "MessagesSource")]
pub(crate) struct Source {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["base64", "url"]))]
    pub(crate) kind: String,
    pub(crate) data: Option<String>,
    pub(crate) url: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "MessagesThinking")]
pub(crate) struct Thinking {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["enabled", "adaptive", "disabled"]))]
    pub(crate) kind: String,
    pub(crate) budget_tokens: Option<usize>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "MessagesOutputConfig")]
pub(crate) struct OutputConfig {
    pub(crate) format: Option<Value>,
    pub(crate) effort: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "MessagesTool")]
pub(crate) struct Tool {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["custom", "computer_20241022", "computer_20250124", "computer_20251124", null]))]
    pub(crate) kind: Option<String>,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) input_schema: Option<Value>,
    pub(crate) display_width_px: Option<u64>,
    pub(crate) display_height_px: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "MessagesToolChoice")]
pub(crate) struct ToolChoice {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["auto", "any", "tool", "none"]))]
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) disable_parallel_tool_use: Option<bool>,
}
