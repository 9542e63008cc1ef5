//! What a client sends. Unknown fields are left alone.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::shapes::{self, Content};

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ResponseRequest")]
pub(crate) struct Create {
    pub(crate) model: Option<String>,
    pub(crate) input: Input,
    pub(crate) instructions: Option<String>,
    pub(crate) previous_response_id: Option<String>,
    pub(crate) store: Option<bool>,
    pub(crate) background: Option<bool>,
    pub(crate) stream: Option<bool>,
    pub(crate) tools: Option<Vec<Tool>>,
    pub(crate) tool_choice: Option<Value>,
    pub(crate) parallel_tool_calls: Option<bool>,
    pub(crate) max_output_tokens: Option<usize>,
    pub(crate) temperature: Option<f32>,
    pub(crate) top_p: Option<f32>,
    #[serde(default, deserialize_with = "shapes::object")]
    pub(crate) reasoning: Option<Reasoning>,
    #[serde(default, deserialize_with = "shapes::object")]
    pub(crate) text: Option<Text>,
    pub(crate) metadata: Option<Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ResponseInput")]
pub(crate) enum Input {
    Text(String),
    Items(Vec<Item>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ResponseItem")]
pub(crate) struct Item {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) content: Option<Content<Part>>,
    pub(crate) name: Option<String>,
    pub(crate) arguments: Option<Value>,
    pub(crate) output: Option<Output>,
    pub(crate) action: Option<Map<String, Value>>,
    pub(crate) actions: Option<Vec<Map<String, Value>>>,
    pub(crate) current_url: Option<String>,
    pub(crate) call_id: Option<String>,
    pub(crate) pending_safety_checks: Option<Vec<Check>>,
    pub(crate) acknowledged_safety_checks: Option<Vec<Check>>,
}

/// Something that a person should look at before a call is carried out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(rename = "ResponseCheck")]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
}

/// What a call gave.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ResponseOutput")]
pub(crate) enum Output {
    Content(Content<Part>),
    /// Of a screen.
    Picture {
        image_url: Option<String>,
    },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ResponsePart")]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(alias = "refusal")]
    pub(crate) text: Option<String>,
    pub(crate) image_url: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ResponseTool")]
pub(crate) struct Tool {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<Value>,
    pub(crate) display_width: Option<u64>,
    pub(crate) display_height: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ResponseReasoning")]
pub(crate) struct Reasoning {
    pub(crate) effort: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ResponseText")]
pub(crate) struct Text {
    pub(crate) format: Option<Value>,
}
