//! The items of an answer as they are written, and the events that tell of them.

use std::fmt::Write;
use std::sync::Arc;

use aurore_action::Size;
use aurore_chat::ToolCall;
use aurore_policy::Rules;
use serde_json::{Value, json};

use super::computer::{self, Screen};
use super::request::Check;
use super::safety::Safety;
use crate::ids;

/// Items, the last of which may be open still.
#[derive(Default)]
pub(super) struct Output {
    done: Vec<Value>,
    open: Option<Open>,
    /// Events so far.
    pub(super) events: usize,
    /// The screen that the client operates.
    pub(super) desk: Option<Desk>,
}

/// A screen that the client operates, and what calls are judged by.
pub(super) struct Desk {
    pub(super) screen: Screen,
    /// The size of the frame that calls point into.
    pub(super) frame: Size,
    pub(super) safety: Safety,
    /// Who wants to act.
    pub(super) model: String,
    pub(super) rules: Arc<Rules>,
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

impl Output {
    /// Writes an event with its number.
    pub(super) fn event(&mut self, kind: &str, fields: &Value, out: &mut String) {
        let mut data = json!({"type": kind, "sequence_number": self.events});
        self.events += 1;
        if let (Value::Object(data), Value::Object(fields)) = (&mut data, fields) {
            data.extend(fields.clone());
        }
        _ = write!(out, "event: {kind}\ndata: {data}\n\n");
    }

    /// An event of an item as a whole.
    fn item_event(&mut self, what: &str, index: usize, item: &Value, out: &mut String) {
        let fields = json!({"output_index": index, "item": item});
        self.event(&format!("response.output_item.{what}"), &fields, out);
    }

    /// More thinking, or more of the answer.
    pub(super) fn text(&mut self, is_thinking: bool, text: &str, out: &mut String) {
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.is_thinking != is_thinking)
        {
            self.close("completed", out);
            self.open(is_thinking, out);
        }
        let index = self.done.len();
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

    fn open(&mut self, is_thinking: bool, out: &mut String) {
        let open = Open {
            id: ids::fresh(if is_thinking { "rs_" } else { "msg_" }),
            is_thinking,
            text: String::new(),
        };
        let index = self.done.len();
        let item = open.item("in_progress", &json!([]));
        let part =
            json!({"item_id": open.id, "output_index": index, "content_index": 0, "part": open.part("")});
        self.open = Some(open);
        self.item_event("added", index, &item, out);
        self.event("response.content_part.added", &part, out);
    }

    /// Ends the open item, if there is one.
    pub(super) fn close(&mut self, status: &str, out: &mut String) {
        let Some(open) = self.open.take() else { return };
        let index = self.done.len();
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
        self.item_event("done", index, &item, out);
        self.done.push(item);
    }

    /// A whole call.
    pub(super) fn call(&mut self, call: &ToolCall, out: &mut String) {
        self.close("completed", out);
        let index = self.done.len();
        let item = match self.on_screen(call) {
            Some(item) => {
                self.item_event("added", index, &item, out);
                item
            }
            None => self.function(call, out),
        };
        self.item_event("done", index, &item, out);
        self.done.push(item);
    }

    /// A call that operates the client's screen, in the dialect's words.
    fn on_screen(&self, call: &ToolCall) -> Option<Value> {
        let desk = self.desk.as_ref()?;
        let action = computer::write(call, desk.frame)?;
        let deed = computer::action(call, desk.frame)?;
        let checks = desk.safety.checks(&deed, &desk.model, &desk.rules);
        let checks: Vec<Value> = checks.iter().map(Check::object).collect();
        let mut item = json!({"type": "computer_call", "id": ids::fresh("cu_"), "call_id": ids::fresh("call_"),
            "pending_safety_checks": checks, "status": "completed"});
        if desk.screen.lists {
            item["actions"] = json!([action]);
        } else {
            item["action"] = action;
        }
        Some(item)
    }

    /// Tells of a call of a function, up to its end.
    fn function(&mut self, call: &ToolCall, out: &mut String) -> Value {
        let (index, id) = (self.done.len(), ids::fresh("fc_"));
        let arguments = Value::Object(call.arguments.clone()).to_string();
        let mut item = json!({"type": "function_call", "id": id, "call_id": ids::fresh("call_"), "name": call.name,
            "arguments": "", "status": "in_progress"});
        self.item_event("added", index, &item, out);
        let delta = json!({"item_id": id, "output_index": index, "delta": arguments});
        self.event("response.function_call_arguments.delta", &delta, out);
        let done = json!({"item_id": id, "output_index": index, "name": call.name, "arguments": arguments});
        self.event("response.function_call_arguments.done", &done, out);
        item["arguments"] = arguments.into();
        item["status"] = "completed".into();
        item
    }

    /// The items that are done, for good.
    pub(super) fn take(&mut self) -> Value {
        std::mem::take(&mut self.done).into()
    }

    /// The items as far as they are written.
    pub(super) fn so_far(&self) -> Value {
        let open = self
            .open
            .iter()
            .map(|open| open.item("in_progress", &json!([open.part(&open.text)])));
        self.done.iter().cloned().chain(open).collect()
    }
}

#[cfg(test)]
mod tests {
    use aurore_action::{Action, Button, Point};

    use super::*;

    #[test]
    fn what_a_person_should_look_at_stands_in_the_call() {
        let frame = Size {
            width: 100,
            height: 100,
        };
        let click = Action::Click {
            button: Button::Left,
            count: 1,
            at: Point::new(3, 4),
            modifiers: Vec::new(),
        };
        for (action, count) in [(click, 1), (Action::Screenshot, 0)] {
            let mut output = Output {
                desk: Some(Desk {
                    screen: Screen {
                        declared: None,
                        lists: false,
                    },
                    frame,
                    safety: Safety::default(),
                    model: "nano".to_owned(),
                    rules: Arc::new(Rules::builtin()),
                }),
                ..Output::default()
            };
            let mut events = String::new();
            output.call(&crate::screen::call(&action, frame), &mut events);
            let items = output.take();
            assert_eq!(items[0]["type"], "computer_call", "{items}");
            let checks = items[0]["pending_safety_checks"].as_array().unwrap();
            assert_eq!(checks.len(), count, "{items}");
            for check in checks {
                assert!(check["id"].as_str().unwrap().starts_with("cu_sc_"));
                assert!(check["code"].is_string() && check["message"].is_string());
                assert_eq!(events.matches(check["id"].as_str().unwrap()).count(), 2);
            }
        }
    }
}
