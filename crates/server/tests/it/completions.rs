//! Text without turns, its tokens and its vectors.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::client::{Reply, Running, eos, nano};

/// The prompt that the conversation "Close the message." is.
const RENDERED: &str = "<|im_start|>user\nClose the message.<|im_end|>\n<|im_start|>assistant\n";

fn complete(running: &Running, more: Value) -> Reply {
    let mut body = json!({"model": "nano", "prompt": RENDERED, "temperature": 0, "max_tokens": 12});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    running.post("/v1/completions", &body)
}

fn text(choice: &Value) -> &str {
    choice["text"].as_str().unwrap()
}

#[test]
fn a_text_goes_on_in_every_form() {
    let running = Running::new();
    let whole = complete(&running, json!({}));
    assert_eq!(whole.status, 200, "{whole:?}");
    let whole = whole.json();
    let said = text(&whole["choices"][0]).to_owned();
    assert!(!said.is_empty());
    assert_eq!(whole["object"], "text_completion");
    let ids = nano().spelled(RENDERED).unwrap();
    assert_eq!(whole["usage"]["prompt_tokens"], ids.len());
    // As ids.
    let again = complete(&running, json!({"prompt": ids})).json();
    assert_eq!(again["choices"], whole["choices"]);
    // Several prompts, several answers, in order.
    let several = complete(&running, json!({"prompt": [RENDERED, "One", RENDERED], "n": 2})).json();
    let choices = several["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 6);
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
        assert_eq!(text(choice) == said, index / 2 != 1, "{several}");
    }
    let one = nano().spelled("One").unwrap().len();
    assert_eq!(several["usage"]["prompt_tokens"], 2 * ids.len() + one);
    // Streamed.
    let events = complete(
        &running,
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    )
    .events();
    let streamed: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["text"].as_str())
        .collect();
    assert_eq!(streamed, said);
    let reasons = events
        .iter()
        .filter(|event| event["choices"][0]["finish_reason"].is_string());
    assert_eq!(reasons.count(), 1);
    assert_eq!(
        events.last().unwrap()["usage"]["completion_tokens"],
        whole["usage"]["completion_tokens"]
    );
}

#[test]
fn limits_stops_and_probabilities() {
    let running = Running::new();
    let said = complete(&running, json!({})).json();
    let said = text(&said["choices"][0]).to_owned();
    let stop: String = said.chars().skip(2).take(2).collect();
    let stopped = complete(&running, json!({"stop": stop})).json();
    assert_eq!(text(&stopped["choices"][0]), said.split(&stop).next().unwrap());
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    let bias: Value = eos().iter().map(|id| (id.to_string(), json!(-100))).collect();
    let cut = complete(
        &running,
        json!({"max_tokens": 3, "logprobs": 2, "logit_bias": bias}),
    );
    let choice = &cut.json()["choices"][0];
    assert_eq!(choice["finish_reason"], "length");
    let facts = &choice["logprobs"];
    let tokens: Vec<&str> = facts["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token.as_str().unwrap())
        .collect();
    assert_eq!((tokens.len(), tokens.concat()), (3, text(choice).to_owned()));
    let mut letters = 0;
    for (place, token) in tokens.iter().enumerate() {
        assert_eq!(facts["text_offset"][place], letters);
        letters += token.chars().count();
        let top = facts["top_logprobs"][place].as_object().unwrap();
        assert_eq!(
            (top.len(), &top[*token]),
            (2, &facts["token_logprobs"][place]),
            "{choice}"
        );
    }
    // Without a limit it is this dialect's own.
    let long = complete(&running, json!({"max_tokens": null, "logit_bias": bias})).json();
    assert_eq!(long["usage"]["completion_tokens"], 16);
}

#[test]
fn what_is_not_there_is_said() {
    let running = Running::new();
    let context = running.scheduler.engine().context();
    for (more, param) in [
        (json!({"echo": true}), "echo"),
        (json!({"suffix": "x"}), "suffix"),
        (json!({"best_of": 3}), "best_of"),
        (json!({"n": 0}), "n"),
        (json!({"n": 16, "prompt": ["a", "b", "c", "d", "e"]}), "prompt"),
        (json!({"prompt": ""}), "prompt"),
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": [[1], []]}), "prompt"),
        (json!({"prompt": [99_999_999]}), "prompt"),
        (json!({"prompt": 5}), "prompt"),
        (json!({"prompt": "<|image_pad|>"}), "prompt"),
        (json!({"prompt": vec![5; context]}), "prompt"),
        (json!({"logprobs": 21}), "logprobs"),
        (json!({"temperature": -1}), "temperature"),
        (json!({"logit_bias": {"x": 1}}), "logit_bias"),
    ] {
        let reply = complete(&running, more.clone());
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (400, &json!(param)),
            "{more} {reply:?}"
        );
    }
}

fn embed(running: &Running, more: Value) -> Reply {
    let mut body = json!({"model": "nano", "input": "Close the message."});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    running.post("/v1/embeddings", &body)
}

fn vector(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap() as f32).collect()
}

#[test]
fn texts_are_vectors() {
    let running = Running::new();
    let numbers = running.scheduler.engine().model().config().text.hidden_size;
    let reply = embed(
        &running,
        json!({"input": ["Close the message.", "Open the menu.", "Close the message."]}),
    );
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply = reply.json();
    let data = reply["data"].as_array().unwrap();
    let vectors: Vec<Vec<f32>> = data.iter().map(|entry| vector(&entry["embedding"])).collect();
    assert_eq!((data.len(), &data[1]["index"]), (3, &json!(1)));
    assert!(vectors.iter().all(|vector| vector.len() == numbers));
    assert_eq!(vectors[0], vectors[2]);
    assert_ne!(vectors[0], vectors[1]);
    let length = |vector: &[f32]| vector.iter().map(|number| number * number).sum::<f32>();
    assert!(vectors.iter().all(|vector| (length(vector) - 1.0).abs() < 1e-5));
    let counts = ["Close the message.", "Open the menu."].map(|text| nano().spelled(text).unwrap().len());
    assert_eq!(
        reply["usage"],
        json!({"prompt_tokens": 2 * counts[0] + counts[1], "total_tokens": 2 * counts[0] + counts[1]})
    );
    // As ids, and in base64.
    let ids = nano().spelled("Close the message.").unwrap();
    let packed = embed(&running, json!({"input": [ids], "encoding_format": "base64"})).json();
    let bytes = BASE64_STANDARD
        .decode(packed["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    let (words, []) = bytes.as_chunks() else {
        panic!("{packed}")
    };
    let unpacked: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    assert_eq!(unpacked, vectors[0]);
    // The beginning of one, again of unit length.
    let short = vector(&embed(&running, json!({"dimensions": 4})).json()["data"][0]["embedding"]);
    assert!(short.len() == 4 && (length(&short) - 1.0).abs() < 1e-5);
    assert!((short[0] / short[1] - vectors[0][0] / vectors[0][1]).abs() < 1e-3);
    let last = vector(&embed(&running, json!({"pooling": "last"})).json()["data"][0]["embedding"]);
    assert_ne!(last, vectors[0]);
    // One that was read before is pooled the same.
    let long = "Close the message. ".repeat(40);
    let first = embed(&running, json!({"input": long})).json();
    running.chat(json!({"messages": [{"role": "user", "content": long}]}));
    assert_eq!(
        embed(&running, json!({"input": long})).json()["data"],
        first["data"]
    );
}

#[test]
fn what_is_no_text_is_not_embedded() {
    let running = Running::new();
    let many = vec!["a"; 2049];
    for (more, param) in [
        (json!({"input": []}), "input"),
        (json!({"input": ["a", ""]}), "input"),
        (json!({"input": {"a": 1}}), "input"),
        (json!({"input": many}), "input"),
        (json!({"input": [99_999_999]}), "input"),
        (json!({"input": "word ".repeat(20_000)}), "input"),
        (json!({"dimensions": 0}), "dimensions"),
        (json!({"dimensions": 100_000}), "dimensions"),
        (json!({"encoding_format": "int8"}), "encoding_format"),
        (json!({"pooling": "max"}), "pooling"),
    ] {
        let reply = embed(&running, more.clone());
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (400, &json!(param)),
            "{reply:?}"
        );
    }
    let many = embed(&running, json!({"input": vec!["a"; 200]}));
    assert_eq!(many.json()["data"].as_array().unwrap().len(), 200);
}

#[test]
fn tokens_and_back() {
    let running = Running::new();
    let tokenize = |body: Value| running.post("/tokenize", &body);
    let cut = tokenize(json!({"model": "nano", "prompt": RENDERED, "return_token_strs": true})).json();
    let ids = nano().spelled(RENDERED).unwrap();
    assert_eq!((&cut["tokens"], &cut["count"]), (&json!(ids), &json!(ids.len())));
    assert_eq!(cut["max_model_len"], running.scheduler.engine().context());
    let strings: Vec<&str> = cut["token_strs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    assert_eq!(strings.concat(), RENDERED);
    // llama.cpp's words.
    assert_eq!(
        tokenize(json!({"content": RENDERED})).json()["tokens"],
        cut["tokens"]
    );
    let back = running.post("/detokenize", &json!({"tokens": ids})).json();
    assert_eq!(back, json!({"prompt": RENDERED, "content": RENDERED}));
    // A conversation is what it is when it is answered.
    let messages = json!([{"role": "user", "content": "Close the message."}]);
    let asked = running.chat(json!({"messages": messages})).json();
    let talk = tokenize(json!({"messages": messages})).json();
    assert_eq!(talk["count"], asked["usage"]["prompt_tokens"]);
    let closed = tokenize(json!({"messages": messages, "add_generation_prompt": false})).json();
    assert!(closed["count"].as_u64() < talk["count"].as_u64());
    for body in [
        json!({}),
        json!({"prompt": "a", "messages": []}),
        json!({"messages": [{"role": "x"}]}),
    ] {
        assert_eq!(tokenize(body).status, 400);
    }
    let reply = running.post("/detokenize", &json!({"tokens": [5, 99_999_999]}));
    assert_eq!(
        (reply.status, &reply.json()["error"]["param"]),
        (400, &json!("tokens[1]"))
    );
}
