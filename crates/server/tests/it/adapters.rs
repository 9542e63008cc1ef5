//! Adapters beside the model: listed, chosen by name, told apart.

use aurore_engine::Limits;
use aurore_server::{NamedAdapter, Options};
use serde_json::{Value, json};

use crate::client::{Running, adapter};

fn running() -> Running {
    let adapters = ["mail", "bills"]
        .iter()
        .zip(1..)
        .map(|(name, seed)| NamedAdapter {
            name: (*name).to_owned(),
            adapter: adapter(seed),
        });
    let options = Options {
        adapters: adapters.collect(),
        ..Options::default()
    };
    Running::with(options, Limits::default())
}

fn chat(running: &Running, model: &str) -> Value {
    let text = "What is to be done? ".repeat(20);
    let request = json!({
        "model": model, "temperature": 0, "max_tokens": 24, "logprobs": true,
        "messages": [{"role": "user", "content": text}],
    });
    running.post("/v1/chat/completions", &request).json()
}

/// The words with their probabilities, which an adapter changes also where the words stay.
fn said(reply: &Value) -> String {
    let choice = &reply["choices"][0];
    let message = &choice["message"];
    format!(
        "{}{}{}",
        message["reasoning_content"], message["content"], choice["logprobs"]
    )
}

#[test]
fn each_is_a_model_of_its_own() {
    let running = running();
    let list = running.get("/v1/models").json();
    let names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["nano", "mail", "bills"]);
    assert_eq!(list["data"][0]["parent"], Value::Null);
    assert_eq!(running.get("/v1/models/mail").json()["parent"], "nano");

    let mut first = Vec::new();
    for round in 0..2 {
        for (number, name) in names.iter().enumerate() {
            let reply = chat(&running, name);
            assert_eq!(reply["model"], *name);
            let cached = reply["usage"]["prompt_tokens_details"]["cached_tokens"]
                .as_u64()
                .unwrap();
            // The second time it finds what it read itself.
            assert_eq!(cached > 0, round > 0, "{name}: {reply}");
            if round == 0 {
                first.push(said(&reply));
            }
            assert_eq!(said(&reply), first[number], "{name}");
        }
    }
    assert!(
        first[0] != first[1] && first[1] != first[2] && first[0] != first[2],
        "{first:?}"
    );

    let problem = running
        .post(
            "/v1/chat/completions",
            &json!({"model": "letters", "messages": [{"role": "user", "content": "Hello"}]}),
        )
        .json();
    let message = problem["error"]["message"].as_str().unwrap();
    assert!(message.contains("mail, bills"), "{message}");
}

#[test]
fn other_dialects_choose_them_too() {
    let running = running();
    let vector = |model: &str| {
        let reply = running
            .post("/v1/embeddings", &json!({"model": model, "input": "one text"}))
            .json();
        assert_eq!(reply["model"], model);
        reply["data"][0]["embedding"].clone()
    };
    assert_ne!(vector("nano"), vector("mail"));
    let text = |model: &str| {
        let request = json!({"model": model, "prompt": "The", "max_tokens": 12, "temperature": 0});
        running.post("/v1/completions", &request).json()["choices"][0]["text"].clone()
    };
    assert_ne!(text("nano"), text("bills"));
    let message =
        json!({"model": "mail", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]});
    assert_eq!(running.post("/v1/messages", &message).json()["model"], "mail");
    let response = json!({"model": "mail", "max_output_tokens": 8, "input": "Hello", "store": false});
    assert_eq!(running.post("/v1/responses", &response).json()["model"], "mail");
}
