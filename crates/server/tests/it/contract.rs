//! What `/openapi.json` says, held against the server by schemathesis: thousands of requests made from it, good and
//! damaged, whose answers must be those that it describes.
//!
//! Schemathesis stands in a virtual environment that `cargo xtask setup` makes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use aurore_engine::Limits;
use aurore_server::{Keys, Options};
use serde_json::{Map, Value, json};

use crate::client::Running;
use crate::python;

const KEY: &str = "the-key-of-these-tests";
fn served() -> Running {
    let options = Options {
        keys: Keys::new([KEY]),
        max_tokens: 4,
        ..Options::default()
    };
    // Requests that ask for a million tokens end where memory does.
    let memory = Running::memory(256);
    Running::with(
        options,
        Limits {
            memory,
            ..Limits::default()
        },
    )
}

fn document(running: &Running) -> Value {
    let reply = running.send("GET", "/openapi.json", &[("x-api-key", KEY)], "");
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[test]
fn it_describes_what_is_served() {
    let running = served();
    let document = document(&running);
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert_eq!(
        schemas["ChatRequest"]["properties"]["model"]["enum"],
        json!(["nano", null])
    );
    // Every reference leads somewhere, and nobody's name was taken twice.
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    assert!(
        !schemas
            .keys()
            .any(|name| name.ends_with(|letter: char| letter.is_ascii_digit())),
        "{:?}",
        schemas.keys()
    );
    // What is described is there.
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace(['{', '}'], "");
            let reply = running.send(&method.to_uppercase(), &path, &[("x-api-key", KEY)], "");
            let is_unknown = reply.status == 405 || reply.body.contains("unknown_url");
            assert!(!is_unknown, "{method} {path}: {reply:?}");
        }
    }
}

/// Bodies that the document gives as examples, with their paths.
fn examples(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let examples = methods.pointer("/post/requestBody/content/application~1json/examples");
        for example in examples
            .iter()
            .filter_map(|all| all.as_object())
            .flat_map(Map::values)
        {
            all.push((path.clone(), example["value"].clone()));
        }
    }
    all
}

#[test]
fn every_example_is_answered() {
    let running = served();
    let headers = [("x-api-key", KEY), ("content-type", "application/json")];
    let examples = examples(&document(&running));
    assert!(examples.len() > 15, "{}", examples.len());
    for (path, body) in examples {
        let reply = running.send("POST", &path, &headers, &body.to_string());
        assert_eq!(reply.status, 200, "{path} {body}: {reply:?}");
    }
}

/// How often each operation was answered with 200, by its method and path, from what schemathesis wrote down.
fn answered(document: &Value, archive: &Path) -> BTreeMap<String, usize> {
    let archive: Value = serde_json::from_slice(&std::fs::read(archive).unwrap()).unwrap();
    let mut counts = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            counts.insert(format!("{} {path}", method.to_uppercase()), 0);
        }
    }
    for entry in archive["log"]["entries"].as_array().unwrap() {
        let (request, status) = (&entry["request"], &entry["response"]["status"]);
        let url = request["url"].as_str().unwrap();
        let path = url
            .splitn(4, '/')
            .nth(3)
            .unwrap_or_default()
            .split('?')
            .next()
            .unwrap();
        let name = format!("{} /{path}", request["method"].as_str().unwrap());
        if let Some(count) = counts.get_mut(&name).filter(|_| *status == 200) {
            *count += 1;
        }
    }
    counts
}

#[test]
fn schemathesis_finds_nothing() {
    let running = served();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract");
    let scratch = tempfile::tempdir().unwrap();
    let document = document(&running);
    std::fs::write(scratch.path().join("openapi.json"), document.to_string()).unwrap();
    let output =
        Command::new(python::programs("contract-venv", "contract/requirements.txt").join("schemathesis"))
            .arg("--config-file")
            .arg(folder.join("schemathesis.toml"))
            .args([
                "run",
                "openapi.json",
                "--url",
                &format!("http://{}", running.address),
                "--report",
                "har",
                "--report-har-path",
                "archive.har",
            ])
            // What it remembers of earlier runs would make this one another.
            .current_dir(scratch.path())
            .env("AURORE_KEY", KEY)
            .env_remove("HTTP_PROXY")
            .env_remove("http_proxy")
            .env_remove("ALL_PROXY")
            .env_remove("all_proxy")
            .output()
            .unwrap();
    let [said, wrong] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{said}{wrong}");
    assert!(running.scheduler.is_ready());
    // Not only refusals: every body reaches the model, more than once.
    let answered = answered(&document, &scratch.path().join("archive.har"));
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods["post"]["requestBody"].is_object() {
            let count = answered[&format!("POST {path}")];
            assert!(count >= 3, "{path} was answered {count} times: {answered:?}");
        }
    }
    assert!(running.scheduler.statistics().answers > 30);
}
