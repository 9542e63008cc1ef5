//! What the masks of grammars cost over a large vocabulary.
//!
//! `cargo run --release -p aurore-engine --example masks -- RANKS [SIZE]`, where `RANKS` is a vocabulary as tiktoken
//! writes it (a token in base64 and its rank on each line). Where it has fewer than `SIZE` tokens, pairs of them are
//! added: `bench/masks.py` says why. Prints a JSON object per grammar, times in microseconds.

#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use aurore_engine::{Constraint, EngineError, Grammar, Token, Vocabulary};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let ranks = arguments.next().ok_or("name a file of ranks")?;
    let size: usize = arguments.next().map_or(Ok(0), |size| size.parse())?;
    let (tokens, own) = tokens(&std::fs::read_to_string(ranks)?, size)?;
    let ids: HashMap<Vec<u8>, u32> = tokens
        .iter()
        .enumerate()
        .rev()
        .map(|(id, token)| (token.bytes.clone(), id as u32))
        .collect();
    let eos = tokens.len() as u32 - 1;
    let count = tokens.len();
    let began = Instant::now();
    let vocabulary = Vocabulary::new(tokens, vec![eos], Arc::new(|_| Vec::new()))?;
    // The first grammar builds what all share.
    Constraint::new(&Grammar::Regex("a".to_owned()), &vocabulary)?;
    println!(
        "{}",
        json!({"tokens": count, "of_the_file": own, "build_seconds": began.elapsed().as_secs_f64()})
    );
    for (name, grammar, text) in samples() {
        println!("{}", measure(name, &grammar, &text, &vocabulary, &ids)?);
    }
    Ok(())
}

/// The file's tokens, pairs of them up to a size, and one that ends an answer; how many are the file's.
fn tokens(ranks: &str, size: usize) -> Result<(Vec<Token>, usize), Failure> {
    let mut tokens = Vec::new();
    for line in ranks.lines().filter(|line| !line.is_empty()) {
        let word = line.split(' ').next().unwrap_or_default();
        tokens.push(Token {
            bytes: decode(word).ok_or("a line is no base64")?,
            control: false,
        });
    }
    let own = tokens.len();
    let mut state = 1u64;
    let mut dice = |n: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let mut known: std::collections::HashSet<Vec<u8>> =
        tokens.iter().map(|token| token.bytes.clone()).collect();
    while tokens.len() + 1 < size {
        // Frequent tokens have low ranks; a word's continuation begins without a space.
        let first = &tokens[dice(own.min(60_000))].bytes;
        let second = &tokens[256 + dice(own.min(20_000) - 256)].bytes;
        let bytes = [first.as_slice(), second.strip_prefix(b" ").unwrap_or(second)].concat();
        if known.insert(bytes.clone()) {
            tokens.push(Token {
                bytes,
                control: false,
            });
        }
    }
    tokens.push(Token {
        bytes: b"<end>".to_vec(),
        control: true,
    });
    Ok((tokens, own))
}

/// Base64 without a library: an example has no dependencies of its own.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    Some(bytes)
}

/// Grammars of the kinds that clients ask for, each with an answer that fits it.
fn samples() -> Vec<(&'static str, Grammar, String)> {
    let prose = "The committee met on Tuesday, and Mr. O'Neill (of Dublin) said: 40 % of all cafés — naïve or not — pay. "
        .repeat(6);
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "mail": {"type": "string", "pattern": "^[a-z.]+@[a-z]+\\.(com|org)$"},
        "kind": {"enum": ["person", "company", "public body"]},
        "notes": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
        "place": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
            "required": ["lat", "lon"], "additionalProperties": false}},
        "required": ["name", "age", "mail", "kind", "notes", "place"], "additionalProperties": false,
        "x-guidance": {"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "}});
    let document = format!(
        r#"{{"name": "{prose}", "age": 42, "mail": "a.person@example.org", "kind": "public body", "notes": ["{prose}", "short", "Zürich"], "place": {{"lat": 47.376887, "lon": 8.541694}}}}"#
    );
    let any = r#"{"a": [1, 2.5, -3e10, true, null], "b": {"c": "text \" quoted", "d": []}, "e": "ü"}"#;
    let call = r#"start: "\n<function=write>\n" "<parameter=path>\n" text ("<parameter=lines>\n" %json {"type": "integer"} "\n</parameter>\n")? "</function>\n"
NEWLINE: /\n/
ROW: /[^\n]+/
OTHER_ROW: /[^\n]+/ & ~/<\/parameter>/
text: ROW? (NEWLINE OTHER_ROW?)* NEWLINE "</parameter>\n"
"#;
    let called = format!(
        "\n<function=write>\n<parameter=path>\n{}\n</parameter>\n<parameter=lines>\n12\n</parameter>\n</function>\n",
        prose.replace(". ", ".\n")
    );
    vec![
        ("a JSON schema", Grammar::JsonSchema(schema), document),
        (
            "any JSON object",
            Grammar::JsonSchema(json!({"type": "object"})),
            any.to_owned(),
        ),
        ("a tool's call", Grammar::Lark(call.to_owned()), called),
        (
            "a regular expression",
            Grammar::Regex(r"([0-9]{4}-[0-9]{2}-[0-9]{2}(, )?)+".to_owned()),
            "2026-11-25, 1999-12-31, 2000-01-01".to_owned(),
        ),
    ]
}

/// Goes through an answer, the longest token first, and times the masks.
fn measure(
    name: &str,
    grammar: &Grammar,
    text: &str,
    vocabulary: &Vocabulary,
    ids: &HashMap<Vec<u8>, u32>,
) -> Result<Value, EngineError> {
    let began = Instant::now();
    let fresh = Constraint::new(grammar, vocabulary)?;
    let compile = began.elapsed().as_secs_f64();
    let (mut masks, mut pushes) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let mut constraint = fresh.fork();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let began = Instant::now();
            constraint.allowed()?;
            masks.push(began.elapsed().as_secs_f64() * 1e6);
            let longest = (1..=rest.len().min(64)).rev();
            let found = longest.filter_map(|length| Some((length, *ids.get(&rest[..length])?)));
            let mut taken = 0;
            for (length, id) in found {
                let began = Instant::now();
                if constraint.try_push(id)? {
                    pushes.push(began.elapsed().as_secs_f64() * 1e6);
                    taken = length;
                    break;
                }
            }
            if taken == 0 {
                return Err(EngineError::Grammar(format!("{name} stands at {rest:?}")));
            }
            rest = &rest[taken..];
        }
    }
    let share = |values: &mut Vec<f64>, of: f64| {
        values.sort_by(f64::total_cmp);
        values[((values.len() - 1) as f64 * of) as usize]
    };
    Ok(json!({
        "grammar": name, "tokens": masks.len() / 5, "compile_ms": compile * 1e3,
        "mask_us": {"median": share(&mut masks, 0.5), "p90": share(&mut masks, 0.9), "p99": share(&mut masks, 0.99),
            "largest": share(&mut masks, 1.0), "mean": masks.iter().sum::<f64>() / masks.len() as f64},
        "push_us": {"median": share(&mut pushes, 0.5), "p99": share(&mut pushes, 0.99)},
    }))
}
