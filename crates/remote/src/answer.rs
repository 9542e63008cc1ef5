//! What comes back, put together from its pieces.

use aurore_chat::{Malformed, ToolCall, ToolSchema, Turn, parser};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::exchange::message_in;

/// More than this in one answer is no answer.
const MOST_TEXT: usize = 4 << 20;
/// More calls than this in one answer are no answer.
const MOST_CALLS: usize = 64;

/// Why an answer ends that is whole, as these servers say it.
const WHOLE: &[&str] = &[
    "stop",
    "tool_calls",
    "function_call",
    "eos",
    "eos_token",
    "stop_sequence",
    "end_turn",
    "tool_use",
];

/// Something that came, for whoever watches. It is not yet an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More thinking.
    Thinking(String),
    /// More of the answer; a server that sends its model's text as it is sends thinking here too.
    Text(String),
    /// What came before is void: the server failed, and is asked again.
    Again,
}

/// One whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Thinking, text and calls.
    pub turn: Turn,
    /// Whether it ended by itself; otherwise it was cut off, and it calls nothing.
    pub whole: bool,
    /// What the server says of why it ended: `stop`, `tool_calls`, `length`, …
    pub reason: String,
    /// Tokens generated, as the server counts them; `None` if it does not.
    pub tokens: Option<u32>,
    /// The model's name, as the server gives it.
    pub model: String,
}

/// A chunk of a stream, or a whole answer that was not streamed: everything that is not read is left alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    model: Option<String>,
    error: Option<Value>,
    /// `error` in place of a chunk, from servers that put no error into an object of its own.
    object: Option<String>,
    message: Option<String>,
    code: Option<Value>,
}

impl Chunk {
    /// What went wrong, if this is no piece of an answer but an error: its status, if it has one, and its words.
    pub(crate) fn trouble(&self) -> Option<(Option<u64>, String)> {
        if let Some(error) = self.error.as_ref().filter(|error| !error.is_null()) {
            let status = error.get("code").and_then(Value::as_u64);
            let words = message_in(&serde_json::json!({"error": error})).unwrap_or_default();
            return Some((status, words));
        }
        if self.object.as_deref() == Some("error") {
            let status = self.code.as_ref().and_then(Value::as_u64);
            return Some((status, self.message.clone().unwrap_or_default()));
        }
        None
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    index: Option<u32>,
    delta: Option<Delta>,
    /// Of an answer that was not streamed.
    message: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    /// Thinking, in the name that vLLM has given it since; for a while it sent both.
    reasoning: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<Called>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Called {
    index: Option<usize>,
    function: Option<Function>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function {
    name: Option<String>,
    /// Text that spells an object; some servers send the object.
    arguments: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    completion_tokens: Option<u32>,
}

/// An answer that is coming.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    thinking: String,
    text: String,
    calls: Vec<(String, String)>,
    finish: Option<String>,
    tokens: Option<u32>,
    model: String,
    size: usize,
}

impl Coming {
    /// Takes a chunk; gives what there is to watch.
    ///
    /// # Errors
    /// When the answer grows beyond all measure.
    pub(crate) fn push(&mut self, chunk: Chunk) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        if let Some(model) = chunk.model {
            self.model = model;
        }
        if let Some(tokens) = chunk.usage.and_then(|usage| usage.completion_tokens) {
            self.tokens = Some(tokens);
        }
        let choices = chunk.choices.unwrap_or_default();
        for choice in choices
            .into_iter()
            .filter(|choice| choice.index.unwrap_or(0) == 0)
        {
            let delta = choice.delta.or(choice.message).unwrap_or_default();
            let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
            let thinking = if said(&delta.reasoning) {
                delta.reasoning
            } else {
                delta.reasoning_content
            };
            if let Some(more) = thinking.filter(|more| !more.is_empty()) {
                self.grow(more.len())?;
                self.thinking += &more;
                pieces.push(Piece::Thinking(more));
            }
            if let Some(more) = delta.content.filter(|more| !more.is_empty()) {
                self.grow(more.len())?;
                self.text += &more;
                pieces.push(Piece::Text(more));
            }
            for (place, called) in delta.tool_calls.unwrap_or_default().into_iter().enumerate() {
                let index = called.index.unwrap_or(place);
                if index >= MOST_CALLS {
                    return Err(format!("it calls more than {MOST_CALLS} tools"));
                }
                if self.calls.len() <= index {
                    self.calls.resize_with(index + 1, Default::default);
                }
                let function = called.function.unwrap_or_default();
                let arguments = match function.arguments {
                    Value::String(text) => text,
                    Value::Null => String::new(),
                    object => object.to_string(),
                };
                let name = function.name.unwrap_or_default();
                self.grow(name.len() + arguments.len())?;
                if let Some(call) = self.calls.get_mut(index) {
                    // Some say it again with every piece.
                    if call.0 != name {
                        call.0 += &name;
                    }
                    call.1 += &arguments;
                }
            }
            if choice.finish_reason.is_some() {
                self.finish = choice.finish_reason;
            }
        }
        Ok(pieces)
    }

    fn grow(&mut self, bytes: usize) -> Result<(), String> {
        self.size += bytes;
        if self.size > MOST_TEXT {
            return Err(format!("it is longer than {MOST_TEXT} bytes"));
        }
        Ok(())
    }

    /// Whether the server said that the answer is at its end.
    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Why the server itself broke the answer off, if it says that it did.
    pub(crate) fn broken_off(&self) -> Option<&str> {
        self.finish
            .as_deref()
            .filter(|reason| matches!(*reason, "abort" | "error" | "cancelled"))
    }

    /// The answer, after its end. Tags that the server left in the text are read; the tools type their arguments.
    pub(crate) fn finish(self, tools: &[ToolSchema]) -> Answer {
        // A reason that is not known here may be one for breaking off.
        let whole = self
            .finish
            .as_deref()
            .is_some_and(|reason| WHOLE.contains(&reason));
        let mut turn = parser::raw(&self.text, tools, whole);
        if turn.thinking.is_empty() {
            self.thinking.trim().clone_into(&mut turn.thinking);
        }
        if !self.calls.is_empty() {
            // The server has read the calls itself.
            turn.calls.clear();
            turn.malformed.clear();
            for (name, arguments) in self.calls {
                match read(&name, &arguments, tools) {
                    Ok(call) => turn.calls.push(call),
                    Err(why) => turn.malformed.push(Malformed { text: arguments, why }),
                }
            }
        }
        if !whole && !turn.calls.is_empty() {
            // What was cut off may have been meant otherwise: nothing of it is done.
            turn.calls.clear();
            turn.malformed.push(Malformed {
                text: String::new(),
                why: "the answer was cut off before its end; nothing was done".to_owned(),
            });
        }
        Answer {
            turn,
            whole,
            reason: self.finish.unwrap_or_default(),
            tokens: self.tokens,
            model: self.model,
        }
    }
}

fn read(name: &str, arguments: &str, tools: &[ToolSchema]) -> Result<ToolCall, String> {
    if name.is_empty() {
        return Err("a call has no name".to_owned());
    }
    let wrong = |error: String| format!("its arguments are no JSON object: {error}");
    let parse = |text: &str| -> Result<Value, String> {
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))
    };
    let arguments = match parse(arguments)? {
        // Spelled twice.
        Value::String(inner) => parse(&inner)?,
        value => value,
    };
    let arguments = match arguments {
        Value::Object(arguments) => arguments,
        Value::Null => Map::new(),
        other => return Err(wrong(other.to_string().chars().take(80).collect())),
    };
    Ok(ToolCall {
        name: name.to_owned(),
        arguments: match tools.iter().find(|tool| tool.name == name) {
            Some(tool) => parser::retyped(arguments, tool),
            None => arguments,
        },
    })
}

#[cfg(test)]
mod tests {
    use aurore_chat::computer_use::schema;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn answer(chunks: &[Value]) -> Answer {
        let mut coming = Coming::default();
        for chunk in chunks {
            coming
                .push(serde_json::from_value(chunk.clone()).unwrap())
                .unwrap();
        }
        coming.finish(&[schema(false)])
    }

    fn delta(delta: &Value) -> Value {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    fn end(reason: &str) -> Value {
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": {"completion_tokens": 9}})
    }

    #[test]
    fn calls_come_in_pieces_beside_thinking_and_text() {
        for field in ["reasoning_content", "reasoning"] {
            let found = answer(&[
                delta(&json!({"role": "assistant", "content": ""})),
                delta(&json!({field: "I see "})),
                delta(&json!({field: "it."})),
                delta(&json!({"content": "Intent: press\nExpect: gone"})),
                delta(
                    &json!({"tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "computer_use", "arguments": ""}}]}),
                ),
                delta(
                    &json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"action\": \"left_click\", \"coord"}}]}),
                ),
                delta(
                    &json!({"tool_calls": [{"index": 0, "function": {"arguments": "inate\": [500, 300]}"}}]}),
                ),
                end("tool_calls"),
                json!({"choices": [], "usage": {"completion_tokens": 12}}),
            ]);
            assert_eq!(found.turn.thinking, "I see it.");
            assert_eq!(found.turn.answer, "Intent: press\nExpect: gone");
            assert_eq!(found.turn.calls[0].arguments["coordinate"], json!([500, 300]));
            assert!(found.whole);
            assert_eq!(found.tokens, Some(12));
        }
    }

    #[test]
    fn a_server_that_reads_nothing_sends_text() {
        let text = "why\n</think>\n\nIntent: a\nExpect: b\n\n<tool_call>\n<function=computer_use>\n<parameter=action>\nback\n</parameter>\n</function>\n</tool_call>";
        let found = answer(&[delta(&json!({"content": text})), end("stop")]);
        assert_eq!((found.turn.thinking.as_str(), found.turn.calls.len()), ("why", 1));
        // Not streamed.
        let whole = json!({"model": "m", "choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]});
        assert_eq!(answer(&[whole]).turn.calls[0].arguments["action"], "back");
    }

    #[test]
    fn what_was_cut_off_calls_nothing() {
        let call = json!({"tool_calls": [{"index": 0, "function": {"name": "computer_use", "arguments": "{\"action\": \"back\"}"}}]});
        let found = answer(&[delta(&call), end("length")]);
        assert!(found.turn.calls.is_empty() && !found.whole && found.turn.malformed.len() == 1);
        let half = json!({"tool_calls": [{"index": 0, "function": {"name": "computer_use", "arguments": "{\"action\": \"ba"}}]});
        let found = answer(&[delta(&half), end("stop")]);
        assert!(found.turn.calls.is_empty() && found.turn.malformed[0].why.contains("no JSON object"));
    }

    #[test]
    fn answers_are_bounded() {
        let mut coming = Coming::default();
        let more = delta(&json!({"content": "x".repeat(1 << 20)}));
        let refused = (0..10).find_map(|_| coming.push(serde_json::from_value(more.clone()).unwrap()).err());
        assert!(refused.unwrap().contains("longer than"));
        let far = delta(&json!({"tool_calls": [{"index": 4_000_000_000_u64, "function": {}}]}));
        assert!(
            Coming::default()
                .push(serde_json::from_value(far).unwrap())
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn any_cut_of_a_stream_gives_the_same(cuts in prop::collection::vec(1_usize..12, 0..40)) {
            let text = "Intent: größer 👍\nExpect: b";
            let mut chunks = Vec::new();
            let mut rest: Vec<char> = text.chars().collect();
            for cut in cuts {
                let tail = rest.split_off(cut.min(rest.len()));
                chunks.push(delta(&json!({"content": rest.iter().collect::<String>()})));
                rest = tail;
            }
            chunks.push(delta(&json!({"content": rest.iter().collect::<String>()})));
            chunks.push(end("stop"));
            prop_assert_eq!(answer(&chunks).turn.answer, text);
        }
    }
}
