//! What is asked, in the dialect of chat completions.

use std::sync::Arc;

use aurore_chat::{Role, ToolCall, ToolSchema};
use serde_json::{Value, json};

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A picture as a `data:` address.
    Picture(Arc<str>),
}

/// One turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks. A tool's answer is to the calls of the turn before; pictures in it are sent in a user's turn after it,
    /// since most servers take only text from a tool.
    pub role: Role,
    /// What is said and shown.
    pub parts: Vec<Part>,
    /// What the model called (assistant only).
    pub calls: Vec<ToolCall>,
}

/// A conversation to be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The turns.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<ToolSchema>,
    /// Most tokens of the answer.
    pub max_tokens: usize,
}

impl Request {
    /// The body for a server.
    pub(crate) fn body(&self, model: &str) -> Value {
        let mut messages = Vec::new();
        let mut called = String::new();
        for (number, message) in self.messages.iter().enumerate() {
            match message.role {
                Role::Assistant => {
                    called = format!("call_{number}");
                    messages.push(assistant(message, &called));
                }
                Role::Tool => {
                    messages.push(
                        json!({"role": "tool", "tool_call_id": called, "content": text(&message.parts)}),
                    );
                    let shown: Vec<Value> = shown(&message.parts);
                    if !shown.is_empty() {
                        messages.push(json!({"role": "user", "content": shown}));
                    }
                }
                Role::System | Role::User => {
                    messages.push(json!({"role": message.role.name(), "content": content(&message.parts)}));
                }
            }
        }
        let tools: Vec<Value> = self.tools.iter().map(ToolSchema::to_json).collect();
        json!({
            "model": model,
            "messages": messages,
            "tools": tools,
            "tool_choice": "auto",
            "parallel_tool_calls": false,
            "max_tokens": self.max_tokens,
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    }
}

fn assistant(message: &Message, id: &str) -> Value {
    let mut turn = json!({"role": "assistant", "content": text(&message.parts)});
    if !message.calls.is_empty() {
        turn["tool_calls"] = message
            .calls
            .iter()
            .map(|call| {
                let arguments = Value::Object(call.arguments.clone()).to_string();
                json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
            })
            .collect();
    }
    turn
}

/// The text before the first picture.
fn text(parts: &[Part]) -> String {
    parts
        .iter()
        .map_while(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Picture(_) => None,
        })
        .collect()
}

/// Everything from the first picture on.
fn shown(parts: &[Part]) -> Vec<Value> {
    parts
        .iter()
        .skip_while(|part| matches!(part, Part::Text(_)))
        .map(part)
        .collect()
}

fn content(parts: &[Part]) -> Value {
    match parts {
        [Part::Text(text)] => text.as_str().into(),
        parts => parts.iter().map(part).collect(),
    }
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Picture(url) => json!({"type": "image_url", "image_url": {"url": &**url}}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_in_a_tools_answer_is_shown_by_the_user() {
        let call = ToolCall {
            name: "computer_use".into(),
            arguments: serde_json::from_value(json!({"action": "back"})).unwrap(),
        };
        let turn = |role, parts: &[Part]| Message {
            role,
            parts: parts.to_vec(),
            calls: Vec::new(),
        };
        let (said, seen) = (Part::Text("said".into()), Part::Picture("data:x".into()));
        let request = Request {
            messages: vec![
                turn(Role::System, std::slice::from_ref(&said)),
                turn(Role::User, &[said.clone(), seen.clone()]),
                Message {
                    calls: vec![call],
                    ..turn(Role::Assistant, std::slice::from_ref(&said))
                },
                turn(Role::Tool, &[said.clone(), seen, said]),
            ],
            tools: Vec::new(),
            max_tokens: 7,
        };
        let body = request.body("m");
        let messages = body["messages"].as_array().unwrap();
        assert_eq!(messages[0], json!({"role": "system", "content": "said"}));
        assert_eq!(messages[1]["content"][1]["image_url"]["url"], "data:x");
        assert_eq!(messages[2]["tool_calls"][0]["id"], messages[3]["tool_call_id"]);
        assert_eq!(
            messages[2]["tool_calls"][0]["function"]["arguments"],
            "{\"action\":\"back\"}"
        );
        assert_eq!(messages[3]["content"], "said");
        assert_eq!(messages[4]["role"], "user");
        assert_eq!(messages[4]["content"].as_array().unwrap().len(), 2);
        assert_eq!((&body["model"], &body["stream"]), (&json!("m"), &json!(true)));
    }
}
