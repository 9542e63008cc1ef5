//! The clients that people have: OpenAI's and Anthropic's packages, Qwen-Agent, curl.
//!
//! The packages stand in a virtual environment that `cargo xtask setup` makes; the scripts in `tests/clients`.

use std::path::Path;
use std::process::Command;

use aurore_engine::Limits;
use aurore_server::{Keys, Options};
use serde_json::{Value, json};

use crate::client::{Running, body, eos};
use crate::python;

const KEY: &str = "the-key-of-these-tests";

fn served(queue: usize) -> Running {
    let options = Options {
        keys: Keys::new([KEY]),
        ..Options::default()
    };
    let limits = Limits {
        queue,
        ..Limits::default()
    };
    Running::with(options, limits)
}

/// Runs a script against a server, and one whose queue is always full.
fn run(script: &str) {
    let (running, busy) = (served(64), served(0));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let output = Command::new(python::programs("clients-venv", "clients/requirements.txt").join("python"))
        .arg(folder.join(script))
        // Some write where they stand.
        .current_dir(scratch)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AURORE_URL", format!("http://{}", running.address))
        .env("AURORE_BUSY_URL", format!("http://{}", busy.address))
        .env("AURORE_KEY", KEY)
        .env("AURORE_EOS", json!(eos()).to_string())
        // Of whoever runs the tests, and none of theirs.
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .env_remove("ALL_PROXY")
        .env_remove("all_proxy")
        .output()
        .unwrap();
    let [said, wrong] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{said}{wrong}");
    assert!(running.scheduler.is_ready());
}

#[test]
fn openais_package() {
    run("openai_sdk.py");
}

#[test]
fn anthropics_package() {
    run("anthropic_sdk.py");
}

#[test]
fn qwen_agent() {
    run("qwen_agent_run.py");
}

/// What curl prints.
fn curl(running: &Running, path: &str, more: &[&str]) -> String {
    curl_as(KEY, running, path, more)
}

fn curl_as(key: &str, running: &Running, path: &str, more: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--no-buffer", "--noproxy", "*"])
        .args(["--header", &format!("Authorization: Bearer {key}")])
        .args(more)
        .arg(format!("http://{}{path}", running.address))
        .output()
        .unwrap_or_else(|error| panic!("{error}: this test needs curl: run cargo xtask setup"));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn curls_requests() {
    let running = served(64);
    let ask = body(json!({})).to_string();
    let post = ["--json", ask.as_str()];
    let parse = |text: String| -> Value { serde_json::from_str(&text).unwrap() };
    let whole = parse(curl(&running, "/v1/chat/completions", &post));
    assert_eq!(whole["object"], "chat.completion");
    let long_form = [
        "--header",
        "Content-Type: application/json",
        "--data",
        ask.as_str(),
    ];
    let again = parse(curl(&running, "/v1/chat/completions", &long_form));
    assert_eq!(again["choices"], whole["choices"]);
    let stream = body(json!({"stream": true})).to_string();
    let events = curl(&running, "/v1/chat/completions", &["--json", &stream]);
    assert!(
        events.starts_with("data: {") && events.ends_with("data: [DONE]\n\n"),
        "{events}"
    );
    let respond = json!({"input": "Close the message.", "max_output_tokens": 5}).to_string();
    let made = parse(curl(&running, "/v1/responses", &["--json", &respond]));
    let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
    assert_eq!(parse(curl(&running, &path, &[]))["id"], made["id"]);
    let gone = parse(curl(&running, &path, &["--request", "DELETE"]));
    assert_eq!(gone["deleted"], true);
    // The same body fits Anthropic's dialect.
    let message = curl(
        &running,
        "/v1/messages",
        &["--header", "anthropic-version: 2023-06-01", "--json", &ask],
    );
    assert_eq!(parse(message)["type"], "message");
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    let path = "/v1/chat/completions";
    let status_as = |key: &str, more: &[&str]| curl_as(key, &running, path, &[&status, more].concat());
    let status = |more: &[&str]| status_as(KEY, more);
    assert_eq!(status(&["--json", "{"]), "400");
    assert_eq!(status_as("wrong", &["--json", &ask]), "401");
    assert_eq!(status(&[]), "405");
    // As files are sent: with a wait for the server's word before the body.
    let large = body(json!({"messages": [{"role": "user", "content": "x ".repeat(1_000_000)}]})).to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    std::fs::write(&file, large).unwrap();
    let from_file = format!("@{}", file.display());
    assert_eq!(
        status(&["--json", &from_file, "--header", "Expect: 100-continue"]),
        "400"
    );
}
