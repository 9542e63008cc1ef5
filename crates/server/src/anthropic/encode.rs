//! Answers in Anthropic's words: whole, and as events of a stream.

use std::fmt::Write;

use aurore_chat::ToolCall;
use serde_json::{Value, json};

use super::computer::Screen;
use crate::answers::Encoder;
use crate::dialect::Dialect;
use crate::ids;
use crate::problem::Problem;
use crate::reading::{End, Piece, Usage};

/// Stands where the official service signs its thinking; it is not checked when it comes back.
const SIGNATURE: &str = "unsigned";

/// An answer, collected.
#[derive(Debug)]
pub(super) struct Collected {
    screen: Option<Screen>,
    blocks: Vec<Value>,
    end: Option<(End, Usage)>,
}

impl Collected {
    pub(super) fn new(screen: Option<Screen>) -> Self {
        Self {
            screen,
            blocks: Vec::new(),
            end: None,
        }
    }

    /// # Errors
    /// The problem that ended the answer.
    pub(super) fn take(&mut self, piece: Piece) -> Result<(), Problem> {
        match piece {
            Piece::Thinking(text) => self.text("thinking", &text),
            Piece::Answer(text, _) => self.text("text", &text),
            Piece::Call(call) => {
                let call = said(self.screen, call);
                let input = Value::Object(call.arguments.clone());
                self.blocks.push(call_block(&call, &input));
            }
            Piece::End(end, usage) => self.end = Some((end, usage)),
            Piece::Failed(problem) => return Err(problem),
        }
        Ok(())
    }

    /// More of the last block, or a new one.
    fn text(&mut self, kind: &str, more: &str) {
        if more.is_empty() {
            return;
        }
        match self.blocks.last_mut() {
            Some(block) if block["type"] == kind => {
                let so_far = block[kind].as_str().unwrap_or_default();
                block[kind] = format!("{so_far}{more}").into();
            }
            _ => {
                let mut block = json!({"type": kind});
                block[kind] = more.into();
                if kind == "thinking" {
                    block["signature"] = SIGNATURE.into();
                }
                self.blocks.push(block);
            }
        }
    }

    pub(super) fn message(self, model: &str) -> Value {
        let (end, usage) = self.end.unwrap_or((End::Done, Usage::default()));
        let mut message = empty_message(model, &usage);
        message["content"] = self.blocks.into();
        message["stop_reason"] = stop_reason(&end).into();
        message["stop_sequence"] = stop_sequence(&end);
        message
    }
}

fn empty_message(model: &str, usage: &Usage) -> Value {
    json!({
        "id": ids::fresh("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage_object(usage),
    })
}

/// A call as the client's tool is called.
fn said(screen: Option<Screen>, call: ToolCall) -> ToolCall {
    match screen {
        Some(screen) => screen.say(call),
        None => call,
    }
}

fn call_block(call: &ToolCall, input: &Value) -> Value {
    json!({"type": "tool_use", "id": ids::fresh("toolu_"), "name": call.name, "input": input})
}

fn stop_reason(end: &End) -> &'static str {
    match end {
        End::Done => "end_turn",
        End::Calls => "tool_use",
        End::Stop(_) => "stop_sequence",
        End::Length => "max_tokens",
    }
}

fn stop_sequence(end: &End) -> Value {
    match end {
        End::Stop(text) => text.as_str().into(),
        _ => Value::Null,
    }
}

/// In this dialect tokens of the prompt that were found in the cache are counted apart.
fn usage_object(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt - usage.cached.min(usage.prompt),
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": usage.answer,
    })
}

/// Events of a stream.
pub(super) struct Events {
    model: String,
    screen: Option<Screen>,
    prompt: usize,
    /// Blocks so far, and the kind of the one that is open.
    blocks: usize,
    open: Option<&'static str>,
}

impl Events {
    pub(super) fn new(model: String, prompt: usize, screen: Option<Screen>) -> Self {
        Self {
            model,
            screen,
            prompt,
            blocks: 0,
            open: None,
        }
    }

    fn start(&mut self, kind: &'static str, block: &Value, out: &mut String) {
        self.stop(out);
        let data = json!({"type": "content_block_start", "index": self.blocks, "content_block": block});
        event(&data, out);
        self.open = Some(kind);
    }

    fn delta(&self, delta: &Value, out: &mut String) {
        event(
            &json!({"type": "content_block_delta", "index": self.blocks, "delta": delta}),
            out,
        );
    }

    fn stop(&mut self, out: &mut String) {
        if let Some(kind) = self.open.take() {
            if kind == "thinking" {
                self.delta(&json!({"type": "signature_delta", "signature": SIGNATURE}), out);
            }
            event(&json!({"type": "content_block_stop", "index": self.blocks}), out);
            self.blocks += 1;
        }
    }
}

fn event(data: &Value, out: &mut String) {
    let name = data["type"].as_str().unwrap_or_default();
    _ = write!(out, "event: {name}\ndata: {data}\n\n");
}

impl Encoder for Events {
    fn open(&mut self, out: &mut String) {
        let usage = Usage {
            prompt: self.prompt,
            ..Usage::default()
        };
        let message = empty_message(&self.model, &usage);
        event(&json!({"type": "message_start", "message": message}), out);
    }

    fn piece(&mut self, _number: usize, piece: Piece, out: &mut String) {
        match piece {
            Piece::Thinking(text) => {
                if self.open != Some("thinking") {
                    let block = json!({"type": "thinking", "thinking": "", "signature": ""});
                    self.start("thinking", &block, out);
                }
                self.delta(&json!({"type": "thinking_delta", "thinking": text}), out);
            }
            Piece::Answer(text, _) => {
                if self.open != Some("text") {
                    self.start("text", &json!({"type": "text", "text": ""}), out);
                }
                self.delta(&json!({"type": "text_delta", "text": text}), out);
            }
            Piece::Call(call) => {
                let call = said(self.screen, call);
                self.start("tool_use", &call_block(&call, &json!({})), out);
                let input = Value::Object(call.arguments).to_string();
                self.delta(&json!({"type": "input_json_delta", "partial_json": input}), out);
                self.stop(out);
            }
            Piece::End(end, usage) => {
                self.stop(out);
                let delta = json!({"stop_reason": stop_reason(&end), "stop_sequence": stop_sequence(&end)});
                let usage = usage_object(&usage);
                event(
                    &json!({"type": "message_delta", "delta": delta, "usage": usage}),
                    out,
                );
            }
            Piece::Failed(problem) => self.fail(&problem, out),
        }
    }

    fn close(&mut self, out: &mut String) {
        event(&json!({"type": "message_stop"}), out);
    }

    fn fail(&mut self, problem: &Problem, out: &mut String) {
        event(&Dialect::Anthropic.error(problem), out);
    }

    fn pulse(&mut self, out: &mut String) {
        event(&json!({"type": "ping"}), out);
    }
}
