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

/// A body of each kind that means something, with every field.
const BODIES: [(&str, &str); 7] = [
    ("/v1/chat/completions", include_str!("bodies/chat.json")),
    ("/v1/responses", include_str!("bodies/responses.json")),
    ("/v1/messages", include_str!("bodies/messages.json")),
    ("/v1/completions", include_str!("bodies/completions.json")),
    ("/v1/embeddings", include_str!("bodies/embeddings.json")),
    ("/tokenize", include_str!("bodies/tokenize.json")),
    ("/detokenize", include_str!("bodies/detokenize.json")),
];

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
    for (path, good) in BODIES {
        let good: Value = serde_json::from_str(good).unwrap();
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
