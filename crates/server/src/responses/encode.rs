//! A response as an object that grows, and the events of its growth.

use std::fmt::Write;
use std::sync::Arc;

use aurore_chat::{Content, Message, ToolCall};
use serde_json::{Value, json};

use super::store::Kept;
use crate::answers::Encoder;
use crate::app::App;
use crate::dialect::Dialect;
use crate::ids;
use crate::problem::Problem;
use crate::reading::{End, Piece, Usage};

/// A response under way.
pub(super) struct Growing {
    app: App,
    /// The whole object, output and status as far as they are known.
    pub(super) object: Value,
    /// The conversation so far, to keep with its answer; absent if nothing is to be kept.
    keep: Option<Vec<Message>>,
    said: Message,
    open: Option<Open>,
    output: Vec<Value>,
    events: usize,
}

/// An item that is being written.
struct Open {
    id: String,
    is_thinking: bool,
    text: String,
}

impl Open {
    /// `reasoning_text` or `output_text`.
    fn kind(&self) -> &'static str {
        if self.is_thinking {
            "reasoning_text"
        } else {
            "output_text"
        }
    }

    fn part(&self, text: &str) -> Value {
        if self.is_thinking {
            json!({"type": "reasoning_text", "text": text})
        } else {
            json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
        }
    }

    fn item(&self, status: &str, content: &Value) -> Value {
        if self.is_thinking {
            json!({"type": "reasoning", "id": self.id, "summary": [], "content": content, "status": status})
        } else {
            json!({"type": "message", "id": self.id, "role": "assistant", "content": content, "status": status})
        }
    }
}

impl Growing {
    pub(super) fn new(app: &App, object: Value, keep: Option<Vec<Message>>) -> Self {
        Self {
            app: Arc::clone(app),
            object,
            keep,
            said: Message {
                content: Vec::new(),
                ..Message::assistant(None, "", Vec::new())
            },
            open: None,
            output: Vec::new(),
            events: 0,
        }
    }

    fn event(&mut self, kind: &str, fields: &Value, out: &mut String) {
        let mut data = json!({"type": kind, "sequence_number": self.events});
        self.events += 1;
        if let (Value::Object(data), Value::Object(fields)) = (&mut data, fields) {
            data.extend(fields.clone());
        }
        _ = write!(out, "event: {kind}\ndata: {data}\n\n");
    }

    fn whole(&mut self, kind: &str, out: &mut String) {
        let fields = json!({"response": self.object});
        self.event(kind, &fields, out);
    }

    fn text(&mut self, is_thinking: bool, text: &str, out: &mut String) {
        let index = self.output.len();
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.is_thinking != is_thinking)
        {
            self.close_item("completed", out);
            let open = Open {
                id: ids::fresh(if is_thinking { "rs_" } else { "msg_" }),
                is_thinking,
                text: String::new(),
            };
            let index = self.output.len();
            let item = open.item("in_progress", &json!([]));
            let part =
                json!({"item_id": open.id, "output_index": index, "content_index": 0, "part": open.part("")});
            self.open = Some(open);
            self.event(
                "response.output_item.added",
                &json!({"output_index": index, "item": item}),
                out,
            );
            self.event("response.content_part.added", &part, out);
            return self.text(is_thinking, text, out);
        }
        if let Some(open) = &mut self.open
            && !text.is_empty()
        {
            open.text += text;
            let kind = format!("response.{}.delta", open.kind());
            let mut fields =
                json!({"item_id": open.id, "output_index": index, "content_index": 0, "delta": text});
            if !is_thinking {
                fields["logprobs"] = json!([]);
            }
            self.event(&kind, &fields, out);
        }
    }

    fn close_item(&mut self, status: &str, out: &mut String) {
        let Some(open) = self.open.take() else { return };
        let index = self.output.len();
        let mut done =
            json!({"item_id": open.id, "output_index": index, "content_index": 0, "text": open.text});
        if !open.is_thinking {
            done["logprobs"] = json!([]);
        }
        self.event(&format!("response.{}.done", open.kind()), &done, out);
        let part = open.part(&open.text);
        let fields = json!({"item_id": open.id, "output_index": index, "content_index": 0, "part": part});
        self.event("response.content_part.done", &fields, out);
        let item = open.item(status, &json!([part]));
        self.event(
            "response.output_item.done",
            &json!({"output_index": index, "item": item}),
            out,
        );
        self.output.push(item);
        if open.is_thinking {
            self.said.reasoning.get_or_insert_default().push_str(&open.text);
        } else {
            self.said.content.push(Content::Text(open.text));
        }
    }

    fn call(&mut self, call: ToolCall, out: &mut String) {
        self.close_item("completed", out);
        let index = self.output.len();
        let id = ids::fresh("fc_");
        let arguments = Value::Object(call.arguments.clone()).to_string();
        let mut item = json!({"type": "function_call", "id": id, "call_id": ids::fresh("call_"), "name": call.name,
            "arguments": "", "status": "in_progress"});
        self.event(
            "response.output_item.added",
            &json!({"output_index": index, "item": item}),
            out,
        );
        let delta = json!({"item_id": id, "output_index": index, "delta": arguments});
        self.event("response.function_call_arguments.delta", &delta, out);
        let done = json!({"item_id": id, "output_index": index, "name": call.name, "arguments": arguments});
        self.event("response.function_call_arguments.done", &done, out);
        item["arguments"] = arguments.into();
        item["status"] = "completed".into();
        self.event(
            "response.output_item.done",
            &json!({"output_index": index, "item": item}),
            out,
        );
        self.output.push(item);
        self.said.tool_calls.push(call);
    }

    fn end(&mut self, end: &End, usage: &Usage, out: &mut String) {
        let status = if *end == End::Length {
            "incomplete"
        } else {
            "completed"
        };
        self.close_item(status, out);
        self.object["status"] = status.into();
        self.object["output"] = std::mem::take(&mut self.output).into();
        self.object["usage"] = json!({
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.answer,
            "output_tokens_details": {"reasoning_tokens": usage.thinking},
            "total_tokens": usage.prompt + usage.answer,
        });
        if *end == End::Length {
            self.object["incomplete_details"] = json!({"reason": "max_output_tokens"});
        }
        if let Some(mut messages) = self.keep.take() {
            messages.push(self.said.clone());
            let id = self.object["id"].as_str().unwrap_or_default();
            let object = self.object.clone();
            self.app.responses.keep(id, Kept { object, messages });
        }
        self.whole(&format!("response.{status}"), out);
    }
}

impl Encoder for Growing {
    fn open(&mut self, out: &mut String) {
        self.whole("response.created", out);
        self.whole("response.in_progress", out);
    }

    fn piece(&mut self, _number: usize, piece: Piece, out: &mut String) {
        match piece {
            Piece::Thinking(text) => self.text(true, &text, out),
            Piece::Answer(text, _) => self.text(false, &text, out),
            Piece::Call(call) => self.call(call, out),
            Piece::End(end, usage) => self.end(&end, &usage, out),
            Piece::Failed(problem) => self.fail(&problem, out),
        }
    }

    fn close(&mut self, _out: &mut String) {}

    fn fail(&mut self, problem: &Problem, out: &mut String) {
        self.close_item("incomplete", out);
        self.object["status"] = "failed".into();
        self.object["output"] = std::mem::take(&mut self.output).into();
        let error = &Dialect::OpenAi.error(problem)["error"];
        self.object["error"] =
            json!({"code": problem.code.unwrap_or("server_error"), "message": error["message"]});
        self.whole("response.failed", out);
    }

    fn pulse(&mut self, out: &mut String) {
        out.push_str(": working\n\n");
    }
}
