//! Answers in OpenAI's words: whole, and as chunks of a stream.

use aurore_chat::ToolCall;
use serde_json::{Value, json};

use crate::answers::Encoder;
use crate::dialect::Dialect;
use crate::ids;
use crate::problem::Problem;
use crate::reading::{End, Piece, TokenFacts, Usage};

/// What all parts of a response say.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
}

/// One answer, collected.
#[derive(Debug, Default)]
pub(super) struct Collected {
    thinking: String,
    answer: String,
    calls: Vec<Value>,
    facts: Vec<TokenFacts>,
    end: Option<End>,
    usage: Usage,
}

impl Collected {
    /// # Errors
    /// The problem that ended the answer.
    pub(super) fn take(&mut self, piece: Piece) -> Result<(), Problem> {
        match piece {
            Piece::Thinking(text) => self.thinking += &text,
            Piece::Answer(text, facts) => {
                self.answer += &text;
                self.facts.extend(facts);
            }
            Piece::Call(call) => self.calls.push(call_object(&call)),
            Piece::End(end, usage) => (self.end, self.usage) = (Some(end), usage),
            Piece::Failed(problem) => return Err(problem),
        }
        Ok(())
    }

    fn choice(self, index: usize, has_logprobs: bool) -> Value {
        let mut message = json!({"role": "assistant", "content": self.answer, "refusal": null});
        if self.answer.is_empty() && !self.calls.is_empty() {
            message["content"] = Value::Null;
        }
        if !self.thinking.is_empty() {
            message["reasoning_content"] = self.thinking.into();
        }
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.into();
        }
        let logprobs = has_logprobs.then(|| logprobs(&self.facts));
        json!({
            "index": index,
            "message": message,
            "logprobs": logprobs,
            "finish_reason": self.end.as_ref().map(finish_reason),
        })
    }
}

/// The whole response.
pub(super) fn completion(head: &Head, answers: Vec<Collected>, has_logprobs: bool) -> Value {
    let usage = total(answers.iter().map(|answer| answer.usage));
    let choices = answers.into_iter().enumerate();
    let choices: Vec<Value> = choices
        .map(|(index, answer)| answer.choice(index, has_logprobs))
        .collect();
    json!({
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": choices,
        "usage": usage_object(&usage),
    })
}

fn call_object(call: &ToolCall) -> Value {
    let arguments = Value::Object(call.arguments.clone()).to_string();
    json!({
        "id": ids::fresh("call_"),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    })
}

fn finish_reason(end: &End) -> &'static str {
    match end {
        End::Done | End::Stop(_) => "stop",
        End::Calls => "tool_calls",
        End::Length => "length",
    }
}

/// One prompt, several answers.
fn total(usages: impl Iterator<Item = Usage>) -> Usage {
    usages.fold(Usage::default(), |sum, usage| Usage {
        prompt: sum.prompt.max(usage.prompt),
        cached: sum.cached.max(usage.cached),
        answer: sum.answer + usage.answer,
        thinking: sum.thinking + usage.thinking,
        predicted: match (sum.predicted, usage.predicted) {
            (Some([right, wrong]), Some([more_right, more_wrong])) => {
                Some([right + more_right, wrong + more_wrong])
            }
            (one, other) => one.or(other),
        },
    })
}

pub(super) fn usage_object(usage: &Usage) -> Value {
    let mut details = json!({"reasoning_tokens": usage.thinking});
    if let Some([right, wrong]) = usage.predicted {
        details["accepted_prediction_tokens"] = right.into();
        details["rejected_prediction_tokens"] = wrong.into();
    }
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.answer,
        "total_tokens": usage.prompt + usage.answer,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": details,
    })
}

fn logprobs(facts: &[TokenFacts]) -> Value {
    let token = |bytes: &[u8], logprob: f32| json!({"token": String::from_utf8_lossy(bytes), "bytes": bytes, "logprob": logprob});
    let content: Vec<Value> = facts
        .iter()
        .map(|fact| {
            let mut entry = token(&fact.bytes, fact.logprob);
            let top = fact.top.iter().map(|(bytes, logprob)| token(bytes, *logprob));
            entry["top_logprobs"] = top.collect();
            entry
        })
        .collect();
    json!({"content": content, "refusal": null})
}

/// Chunks of a stream.
pub(super) struct Chunks {
    head: Head,
    include_usage: bool,
    has_logprobs: bool,
    /// Per answer: whether it has begun, and its calls so far.
    begun: Vec<bool>,
    calls: Vec<usize>,
    usages: Vec<Usage>,
}

impl Chunks {
    pub(super) fn new(head: Head, answers: usize, include_usage: bool, has_logprobs: bool) -> Self {
        Self {
            head,
            include_usage,
            has_logprobs,
            begun: vec![false; answers],
            calls: vec![0; answers],
            usages: Vec::new(),
        }
    }

    fn chunk(&self, choices: &Value, out: &mut String) {
        let mut chunk = json!({
            "id": self.head.id,
            "object": "chat.completion.chunk",
            "created": self.head.created,
            "model": self.head.model,
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        write_data(&chunk, out);
    }

    fn delta(
        &mut self,
        index: usize,
        delta: Value,
        logprobs: Option<&Value>,
        end: Option<&End>,
        out: &mut String,
    ) {
        let mut delta = delta;
        if !std::mem::replace(&mut self.begun[index], true)
            && let Value::Object(fields) = &mut delta
        {
            fields.insert("role".to_owned(), "assistant".into());
        }
        let choice = json!({
            "index": index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": end.map(finish_reason),
        });
        self.chunk(&json!([choice]), out);
    }
}

/// What ends every stream.
pub(super) const DONE: &str = "data: [DONE]\n\n";

pub(super) fn write_data(value: &Value, out: &mut String) {
    use std::fmt::Write as _;
    _ = write!(out, "data: {value}\n\n");
}

/// An end that is none, in the way that clients wait for one.
pub(super) fn write_failure(problem: &Problem, out: &mut String) {
    write_data(&Dialect::OpenAi.error(problem), out);
    out.push_str(DONE);
}

impl Encoder for Chunks {
    fn open(&mut self, out: &mut String) {
        for index in 0..self.begun.len() {
            self.delta(index, json!({"content": ""}), None, None, out);
        }
    }

    fn piece(&mut self, number: usize, piece: Piece, out: &mut String) {
        match piece {
            Piece::Thinking(text) => {
                self.delta(number, json!({"reasoning_content": text}), None, None, out);
            }
            Piece::Answer(text, facts) => {
                let facts = self.has_logprobs.then(|| logprobs(&facts));
                self.delta(number, json!({"content": text}), facts.as_ref(), None, out);
            }
            Piece::Call(call) => {
                let mut call = call_object(&call);
                call["index"] = self.calls[number].into();
                self.calls[number] += 1;
                self.delta(number, json!({"tool_calls": [call]}), None, None, out);
            }
            Piece::End(end, usage) => {
                self.usages.push(usage);
                self.delta(number, json!({}), None, Some(&end), out);
            }
            Piece::Failed(problem) => self.fail(&problem, out),
        }
    }

    fn close(&mut self, out: &mut String) {
        if self.include_usage {
            let usage = total(self.usages.iter().copied());
            let mut chunk = json!({
                "id": self.head.id,
                "object": "chat.completion.chunk",
                "created": self.head.created,
                "model": self.head.model,
                "choices": [],
            });
            chunk["usage"] = usage_object(&usage);
            write_data(&chunk, out);
        }
        out.push_str(DONE);
    }

    fn fail(&mut self, problem: &Problem, out: &mut String) {
        write_failure(problem, out);
    }
}
