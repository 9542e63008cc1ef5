//! A response as an object that grows, and the events of its growth.

use std::fmt::Write;
use std::sync::Arc;

use aurore_action::Size;
use aurore_chat::ToolCall;
use serde_json::{Value, json};

use super::computer::{self, Screen};
use super::store::Record;
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
    /// What to keep it with; absent if it is not to be kept, or was.
    keep: Option<Keep>,
    /// The screen that the client operates, and the size of the frame that calls point into.
    pub(super) screen: Option<(Screen, Size)>,
    /// Why it could not be kept.
    pub(super) refused: Option<Problem>,
    open: Option<Open>,
    output: Vec<Value>,
    events: usize,
}

/// How a response is kept.
pub(super) struct Keep {
    /// The items of its request.
    pub(super) input: Vec<Value>,
    /// Whose it is.
    pub(super) owner: String,
    /// Also when it fails: nobody hears of that otherwise.
    pub(super) always: bool,
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
    pub(super) fn new(app: &App, object: Value, keep: Option<Keep>) -> Self {
        Self {
            app: Arc::clone(app),
            object,
            keep,
            screen: None,
            refused: None,
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
    }

    fn call(&mut self, call: &ToolCall, out: &mut String) {
        self.close_item("completed", out);
        let index = self.output.len();
        let action = self.screen.and_then(|(_, frame)| computer::write(call, frame));
        if let (Some(action), Some((screen, _))) = (action, self.screen) {
            let mut item = json!({"type": "computer_call", "id": ids::fresh("cu_"), "call_id": ids::fresh("call_"),
                "pending_safety_checks": [], "status": "completed"});
            if screen.lists {
                item["actions"] = json!([action]);
            } else {
                item["action"] = action;
            }
            for kind in ["response.output_item.added", "response.output_item.done"] {
                self.event(kind, &json!({"output_index": index, "item": item}), out);
            }
            self.output.push(item);
            return;
        }
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
        // Before anybody hears of it.
        if let Err(problem) = self.store() {
            self.refused = Some(problem.clone());
            self.failed(&problem, out);
            return;
        }
        self.whole(&format!("response.{status}"), out);
    }

    /// Keeps it as it is now, if it is to be kept.
    pub(super) fn store(&mut self) -> Result<(), Problem> {
        let Some(keep) = &self.keep else { return Ok(()) };
        let record = Record {
            previous: self.object["previous_response_id"].as_str().map(str::to_owned),
            input: keep.input.clone(),
            owner: keep.owner.clone(),
            object: self.object.clone(),
        };
        tokio::task::block_in_place(|| self.app.responses.keep(&record))
    }

    /// Ends it because nobody wants it any more.
    pub(super) fn cancel(&mut self) {
        self.close_item("incomplete", &mut String::new());
        self.object["status"] = "cancelled".into();
        self.object["output"] = std::mem::take(&mut self.output).into();
        self.store_whatever_comes();
    }

    fn store_whatever_comes(&mut self) {
        if let Err(problem) = self.store() {
            tracing::warn!(%problem, "the end of a response in the background is lost");
        }
    }

    fn failed(&mut self, problem: &Problem, out: &mut String) {
        self.object["status"] = "failed".into();
        let error = &Dialect::OpenAi.error(problem)["error"];
        self.object["error"] =
            json!({"code": problem.code.unwrap_or("server_error"), "message": error["message"]});
        self.whole("response.failed", out);
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
            Piece::Call(call) => self.call(&call, out),
            Piece::End(end, usage) => self.end(&end, &usage, out),
            Piece::Failed(problem) => self.fail(&problem, out),
        }
    }

    fn close(&mut self, _out: &mut String) {}

    fn fail(&mut self, problem: &Problem, out: &mut String) {
        self.close_item("incomplete", out);
        self.object["output"] = std::mem::take(&mut self.output).into();
        self.failed(problem, out);
        if self.keep.as_ref().is_some_and(|keep| keep.always) {
            self.store_whatever_comes();
        }
    }

    fn pulse(&mut self, out: &mut String) {
        out.push_str(": working\n\n");
    }
}
