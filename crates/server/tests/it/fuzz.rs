//! Requests of every dialect with anything anywhere: an answer or the dialect's own error, never a fault.
//!
//! `AURORE_FUZZ=N` tries N bodies of each kind instead of a few, from a seed that differs each time and is printed.

use aurore_engine::Limits;
use aurore_server::Options;
use serde_json::{Map, Value, json};

use crate::client::Running;

/// Numbers that look thrown.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.throw(from.len())]
    }
}

fn anything(dice: &mut Dice) -> Value {
    let texts = [
        "",
        "auto",
        "user",
        "tool",
        "none",
        "\u{0}",
        "<think>",
        "data:image/png;base64,AAAA",
        "{\"a\": 1}",
        "🦀",
        "</tool_call>",
        "json_schema",
        "function",
        "input_image",
        "../x",
    ];
    match dice.throw(10) {
        0 => Value::Null,
        1 => (*dice.pick(&[0i64, 1, -1, 2, 17, 65_536, i64::MAX, i64::MIN])).into(),
        2 => (*dice.pick(&[0.5, -0.0, 1e308, 1e-308, -7.25])).into(),
        3 => (dice.throw(2) == 0).into(),
        4 => json!([]),
        5 => json!({}),
        6 => json!([anything(dice), anything(dice)]),
        7 => json!({"type": *dice.pick(&texts), "content": anything(dice), "name": *dice.pick(&texts)}),
        8 => "x ".repeat(dice.throw(3000)).into(),
        _ => (*dice.pick(&texts)).into(),
    }
}

/// Changes a value somewhere inside.
fn change(value: &mut Value, dice: &mut Dice) {
    let deeper = dice.throw(4) > 0;
    match value {
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = dice.throw(items.len());
            match dice.throw(6) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => change(&mut items[at], dice),
            }
        }
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = dice.pick(&names).clone();
            match dice.throw(8) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert(format!("{name}s"), Value::Null)),
                _ => {
                    if let Some(inner) = fields.get_mut(&name) {
                        change(inner, dice);
                    }
                }
            }
        }
        // Deep, but no deeper than what is parsed.
        _ if dice.throw(12) == 0 => {
            for _ in 0..dice.throw(100) {
                *value = json!([value.take()]);
            }
        }
        _ => *value = anything(dice),
    }
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"enum": ["x", "y"]},
        "c": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "d": {"$ref": "#/$defs/d"}},
        "$defs": {"d": {"type": "array", "items": {"type": "number"}}}, "required": ["a"]})
}

/// A body of each kind that means something, with every field.
fn bodies() -> Vec<(&'static str, Value)> {
    let picture = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    vec![
        (
            "/v1/chat/completions",
            json!({"model": "nano", "max_tokens": 3, "stream": true, "stream_options": {"include_usage": true}, "n": 2,
                "temperature": 0.7, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "presence_penalty": 0.5, "seed": 3,
                "frequency_penalty": 0.1, "repetition_penalty": 1.1, "logit_bias": {"5": 1.5}, "logprobs": true,
                "top_logprobs": 2, "stop": ["x", "yy"], "enable_thinking": true, "thinking_budget": 2,
                "reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": false}, "tool_choice": "auto",
                "parallel_tool_calls": false, "ignore_eos": false,
                "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": schema()}}],
                "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": schema()}},
                "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "t"},
                    {"type": "image_url", "image_url": {"url": picture}}]}, {"role": "assistant", "content": null,
                    "reasoning_content": "r", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f",
                    "arguments": "{\"a\": 1}"}}]}, {"role": "tool", "tool_call_id": "1", "content": "done"}]}),
        ),
        (
            "/v1/responses",
            json!({"model": "nano", "max_output_tokens": 3, "stream": false, "instructions": "i", "store": true,
                "tools": [{"type": "function", "name": "f", "parameters": schema(), "strict": true}], "tool_choice": "auto",
                "parallel_tool_calls": false, "temperature": 1, "top_p": 0.5, "reasoning": {"effort": "low"},
                "text": {"format": {"type": "json_schema", "name": "r", "schema": schema()}}, "metadata": {"a": "b"},
                "previous_response_id": null, "input": [{"role": "user", "content": [{"type": "input_text", "text": "t"},
                    {"type": "input_image", "image_url": picture}]}, {"type": "reasoning", "content": [{"type":
                    "reasoning_text", "text": "r"}]}, {"type": "function_call", "call_id": "1", "name": "f", "arguments":
                    "{}"}, {"type": "function_call_output", "call_id": "1", "output": "done"}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "nano", "max_tokens": 3, "stream": true, "system": [{"type": "text", "text": "s"}],
                "temperature": 1, "top_p": 0.5, "top_k": 5, "stop_sequences": ["x"], "thinking": {"type": "enabled",
                "budget_tokens": 2}, "tools": [{"name": "f", "description": "d", "input_schema": schema()}],
                "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}, "output_config": {"effort": "low",
                "format": {"type": "json_schema", "schema": schema()}}, "messages": [{"role": "user", "content": [{"type":
                "text", "text": "t"}, {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data":
                &picture[22..]}}]}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature":
                "s"}, {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]}, {"role": "user", "content": [{"type":
                "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "done"}]}]}]}),
        ),
    ]
}

#[test]
fn anything_anywhere_is_answered_or_refused() {
    let longer: Option<usize> = std::env::var("AURORE_FUZZ")
        .ok()
        .and_then(|count| count.parse().ok());
    let seed = longer.map_or(1, |_| std::process::id().into());
    println!("seed {seed}");
    let (count, mut dice) = (longer.unwrap_or(120), Dice(seed));
    let options = Options {
        max_tokens: 9,
        ..Options::default()
    };
    let running = Running::with(options, Limits::default());
    for (path, good) in bodies() {
        let reply = running.post(path, &good);
        assert_eq!(reply.status, 200, "{reply:?}");
        let mut answered = 0;
        for _ in 0..count {
            let mut body = good.clone();
            for _ in 0..=dice.throw(3) {
                change(&mut body, &mut dice);
            }
            // Whatever limit of tokens came of it: this is about bodies.
            if let Value::Object(fields) = &mut body {
                shorten(fields);
            }
            let reply = running.post(path, &body);
            assert!(reply.status < 500, "{path} {body}: {reply:?}");
            if reply.status == 200 {
                answered += 1;
                continue;
            }
            let error = &reply.json()["error"];
            assert!(
                error["message"].is_string() && error["type"].is_string(),
                "{reply:?}"
            );
        }
        assert!(answered > 0, "{path}");
    }
    assert!(running.scheduler.is_ready());
}

fn shorten(fields: &mut Map<String, Value>) {
    for name in ["max_tokens", "max_output_tokens", "max_completion_tokens"] {
        if let Some(limit) = fields.get_mut(name)
            && limit.as_u64().is_some_and(|limit| limit > 9)
        {
            *limit = 9.into();
        }
    }
    if fields
        .get("n")
        .and_then(Value::as_u64)
        .is_some_and(|count| count > 3)
    {
        fields.insert("n".to_owned(), 3.into());
    }
}
