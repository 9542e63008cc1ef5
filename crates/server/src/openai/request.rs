//! `/v1/chat/completions`: what a client sends. Unknown fields are left alone.

use std::collections::HashMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::shapes::{self, Content, OneOrMany, StreamOptions};

/// A conversation that is to be answered.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "ChatRequest")]
#[expect(clippy::struct_field_names, reason = "fields have the names of the dialect")]
pub(crate) struct Chat {
    pub(crate) model: Option<String>,
    #[schemars(length(min = 1))]
    pub(crate) messages: Vec<Message>,
    #[serde(default)]
    pub(crate) tools: Option<Vec<Tool>>,
    /// `auto`, `none`, `required`, or a function.
    #[schemars(schema_with = "tool_choice")]
    pub(crate) tool_choice: Option<Value>,
    pub(crate) parallel_tool_calls: Option<bool>,
    /// The form of the answer.
    #[schemars(schema_with = "response_format")]
    pub(crate) response_format: Option<Value>,
    pub(crate) stream: Option<bool>,
    #[serde(default, deserialize_with = "shapes::object")]
    pub(crate) stream_options: Option<StreamOptions>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) max_completion_tokens: Option<usize>,
    #[schemars(range(min = 1, max = 16))]
    pub(crate) n: Option<usize>,
    pub(crate) stop: Option<OneOrMany<String>>,
    pub(crate) seed: Option<i64>,
    #[schemars(range(min = 0))]
    pub(crate) temperature: Option<f32>,
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub(crate) top_p: Option<f32>,
    pub(crate) top_k: Option<i64>,
    #[schemars(range(min = 0, max = 1))]
    pub(crate) min_p: Option<f32>,
    pub(crate) presence_penalty: Option<f32>,
    pub(crate) frequency_penalty: Option<f32>,
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) repetition_penalty: Option<f32>,
    /// What the answer will be for the most part, as the text that is to be changed: where it is, it comes sooner.
    #[serde(default, deserialize_with = "shapes::object")]
    pub(crate) prediction: Option<Prediction>,
    /// By token id, each from -100 to 100.
    #[schemars(with = "Option<HashMap<u32, f32>>")]
    pub(crate) logit_bias: Option<HashMap<String, f32>>,
    /// Goes on to the full length, whatever the model would end.
    pub(crate) ignore_eos: Option<bool>,
    pub(crate) logprobs: Option<bool>,
    /// Only with `logprobs`.
    #[schemars(range(max = 20))]
    pub(crate) top_logprobs: Option<usize>,
    #[schemars(extend("enum" = ["none", "minimal", "low", "medium", "high", "xhigh", null]))]
    pub(crate) reasoning_effort: Option<String>,
    pub(crate) enable_thinking: Option<bool>,
    pub(crate) thinking_budget: Option<usize>,
    pub(crate) chat_template_kwargs: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatPrediction")]
pub(crate) struct Prediction {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["content"]))]
    pub(crate) kind: String,
    pub(crate) content: Content<PredictionPart>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatPredictionPart")]
pub(crate) struct PredictionPart {
    pub(crate) text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatMessage")]
pub(crate) struct Message {
    #[schemars(extend("enum" = ["system", "developer", "user", "assistant", "tool"]))]
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
    #[schemars(extend("enum" = ["text", "input_text", "output_text", "refusal", "image_url", "input_image"]))]
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
    #[schemars(extend("enum" = ["function", null]))]
    pub(crate) kind: Option<String>,
    pub(crate) function: Function,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatFunction")]
pub(crate) struct Function {
    #[schemars(regex(pattern = r#"^[^<>"\u0000-\u001f\u007f-\u009f]+$"#))]
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// A JSON schema.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub(crate) parameters: Option<Value>,
}

/// What `tool_choice` may be.
fn tool_choice(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"enum": ["auto", "none", "required", "any", null]},
        {
            "type": "object",
            "required": ["function"],
            "properties": {"function": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
        },
        {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    ]})
}

/// What `response_format` may be.
fn response_format(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "null"},
        {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["text", "json_object"]}}},
        {
            "type": "object",
            "required": ["type", "json_schema"],
            "properties": {
                "type": {"const": "json_schema"},
                "json_schema": {"type": "object", "required": ["schema"], "properties": {"schema": {"type": "object"}}},
            },
        },
        {
            "type": "object",
            "required": ["type", "schema"],
            "properties": {"type": {"const": "json_schema"}, "schema": {"type": "object"}},
        },
        {
            "type": "object",
            "required": ["type"],
            "anyOf": [{"required": ["pattern"]}, {"required": ["regex"]}],
            "properties": {"type": {"const": "regex"}, "pattern": {"type": "string"}, "regex": {"type": "string"}},
        },
        {
            "type": "object",
            "required": ["type"],
            "anyOf": [{"required": ["grammar"]}, {"required": ["lark"]}],
            "properties": {
                "type": {"enum": ["grammar", "lark"]},
                "grammar": {"type": "string"},
                "lark": {"type": "string"},
            },
        },
    ]})
}
