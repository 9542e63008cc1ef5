//! A conversation as data.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::image::DecodedImage;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Standing instructions. Clients' `developer` means the same.
    #[serde(alias = "developer")]
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// What a tool answered.
    Tool,
}

impl Role {
    /// The role that a client's word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "system" | "developer" => Self::System,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" => Self::Tool,
            _ => return None,
        })
    }

    /// The template's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text; whatever it spells, it never becomes a control token.
    Text(String),
    /// A picture.
    Image(DecodedImage),
}

/// One turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said and shown, in order.
    pub content: Vec<Content>,
    /// What the model thought before it spoke (assistant only).
    pub reasoning: Option<String>,
    /// What the model called after it spoke (assistant only).
    pub tool_calls: Vec<ToolCall>,
}

impl Message {
    /// A message of text alone.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: vec![Content::Text(text.into())],
            reasoning: None,
            tool_calls: Vec::new(),
        }
    }

    /// Standing instructions.
    pub fn system(text: impl Into<String>) -> Self {
        Self::text(Role::System, text)
    }

    /// The person's words.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text)
    }

    /// A tool's answer.
    pub fn tool(text: impl Into<String>) -> Self {
        Self::text(Role::Tool, text)
    }

    /// The person's words under a picture.
    pub fn user_with_image(image: DecodedImage, text: impl Into<String>) -> Self {
        Self {
            content: vec![Content::Image(image), Content::Text(text.into())],
            ..Self::text(Role::User, "")
        }
    }

    /// The model's turn.
    pub fn assistant(
        reasoning: Option<String>,
        answer: impl Into<String>,
        tool_calls: Vec<ToolCall>,
    ) -> Self {
        Self {
            reasoning,
            tool_calls,
            ..Self::text(Role::Assistant, answer)
        }
    }

    /// All text of the message, joined.
    pub fn plain_text(&self) -> String {
        self.content
            .iter()
            .filter_map(|part| match part {
                Content::Text(text) => Some(text.as_str()),
                Content::Image(_) => None,
            })
            .collect()
    }
}

/// What the model wants done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The tool's name, as the model wrote it.
    pub name: String,
    /// Arguments in the order in which they were written, typed by the tool's schema.
    pub arguments: Map<String, Value>,
}

/// What a tool is called and takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSchema {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON schema of its arguments, an object.
    pub parameters: Value,
}

impl ToolSchema {
    /// In the form that templates and clients use.
    pub fn to_json(&self) -> Value {
        json!({
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters,
            },
        })
    }
}
