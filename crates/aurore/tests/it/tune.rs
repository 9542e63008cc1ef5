//! `tune`: an adapter learns from a few episodes, a stop changes nothing, and `run`, `eval` and `serve` load what it made.

use serde_json::{Value, json};

use crate::learning::{log, picture, refused, run_through_kills};
use crate::program::Program;
use crate::serve::Serving;

const STEPS: usize = 6;

/// Four recorded steps that nano would not take by itself.
fn record(program: &Program) {
    let mut lines = Vec::new();
    for number in 0..4 {
        let name = format!("{number}.png");
        program.file(
            &format!("episodes/{name}"),
            std::fs::read(picture(number)).unwrap(),
        );
        let step = json!({
            "goal": "Click on the red box.", "frame": name, "thinking": "The blue sky is far away.",
            "intent": "Type the word sky.", "expect": "The word is there.",
            "action": {"action": "type", "text": "sky"},
        });
        lines.push(format!("{step}\n"));
    }
    program.file("episodes/steps.jsonl", lines.concat());
}

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![
        "tune",
        "nano",
        "--data",
        "episodes",
        "--out",
        "mine",
        "--steps",
        "6",
        "--batch",
        "2",
        "--rank",
        "4",
        "--threads",
        "2",
    ];
    all.extend_from_slice(more);
    all
}

/// What the model answers, greedily.
fn answer(program: &Program, more: &[&str]) -> Value {
    let mut all = vec![
        "run",
        "Click on the red box.",
        "--greedy",
        "--max-tokens",
        "24",
        "--json",
    ];
    all.extend_from_slice(more);
    let said = program.run(&all);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines = said.json_lines();
    json!([lines[0]["thinking"], lines[0]["answer"]])
}

#[test]
fn an_adapter_learns_goes_on_after_kills_and_is_used() {
    let whole = Program::new();
    record(&whole);
    let said = whole.run(&arguments(&["--json", "--rate", "0.02", "--merge"]));
    assert_eq!(said.code, 0, "{}", said.err);
    let lines = said.json_lines();
    let steps: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "step").collect();
    assert_eq!(steps.len(), STEPS);
    let loss = |step: usize| steps[step]["loss"].as_f64().unwrap();
    assert!(
        loss(STEPS - 1) < 0.7 * loss(0),
        "it learns: {} to {}",
        loss(0),
        loss(STEPS - 1)
    );
    let end = lines.last().unwrap();
    assert_eq!(
        (&end["finished"], &end["adapter"]),
        (&json!(true), &json!("mine"))
    );
    let report = std::fs::read_to_string(whole.home().join("mine/report.html")).unwrap();
    assert!(report.contains("<svg") && report.contains("[lora]"));

    let killed = Program::new();
    record(&killed);
    run_through_kills(&killed, &arguments(&["--json", "--rate", "0.02"]), 2);
    assert_eq!(log(&killed, "mine"), log(&whole, "mine"));
    let weights =
        |program: &Program| std::fs::read(program.home().join("mine/adapter_model.safetensors")).unwrap();
    assert!(weights(&killed) == weights(&whole), "the same adapter to the bit");

    // Beside the model, and merged into it.
    let plain = answer(&whole, &[]);
    let beside = answer(&whole, &["--adapter", "mine"]);
    let merged = answer(&whole, &["--model", "mine/merged"]);
    assert_ne!(plain, beside);
    assert_eq!(beside, merged);

    // Behind a server, by its name.
    let place = whole.home().join("mine");
    let choice = format!("taught={}", place.display());
    let serving = Serving::at(whole.home(), &["--no-auth", "--adapter", &choice]);
    // Its memory is told beside the weights'.
    let bytes = |what: &str| serving.said[what].as_u64().unwrap();
    assert!(0 < bytes("adapters_bytes") && bytes("adapters_bytes") < bytes("weights_bytes"));
    let ask = |model: &str| {
        let request = json!({
            "model": model, "temperature": 0, "max_tokens": 24,
            "messages": [{"role": "user", "content": "Click on the red box."}],
        });
        let (status, body) = serving.send("POST", "/v1/chat/completions", &request);
        assert_eq!(status, 200, "{body}");
        let reply: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(reply["model"], model);
        reply["choices"][0]["message"]["reasoning_content"].clone()
    };
    assert_ne!(ask("nano"), ask("taught"));
    drop(serving);

    // A server that would call two models by one name says so.
    let said = whole.run(&["serve", "--port", "0", "--adapter", "nano=mine"]);
    refused(&said, &["two models", "nano"]);

    // Another adapter in the same folder would mix with this one.
    let other = whole.run(&[
        "tune", "nano", "--data", "episodes", "--out", "mine", "--batch", "2", "--rank", "8",
    ]);
    refused(&other, &["--rank", "was 4", "is 8"]);
}

#[test]
fn pictures_are_moved_when_that_is_asked_for() {
    let losses = |shift: &str| {
        let program = Program::new();
        record(&program);
        let said = program.run(&arguments(&["--json", "--shift", shift]));
        assert_eq!(said.code, 0, "{}", said.err);
        let lines = said.json_lines();
        let steps = lines.iter().filter(|line| line["kind"] == "step");
        steps
            .map(|step| step["loss"].as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    let (as_they_are, moved) = (losses("0"), losses("3"));
    assert_ne!(as_they_are[0], moved[0]);
    assert_eq!(moved, losses("3"), "in the same way again");
}

#[test]
fn a_packed_model_is_taught_and_merged_too() {
    let program = Program::new();
    record(&program);
    let said = program.run(&[
        "quantize",
        "nano",
        "--output",
        "nano.aurore",
        "--to",
        "q8",
        "--nearest",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let said = program.run(&[
        "tune",
        "nano.aurore",
        "--data",
        "episodes",
        "--out",
        "mine",
        "--steps",
        "2",
        "--batch",
        "2",
        "--rank",
        "2",
        "--on",
        "attention,mlp,vision",
        "--merge",
        "--json",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    answer(&program, &["--model", "mine/merged"]);
    // What changes the tower cannot stand beside the weights.
    let said = program.run(&["run", "Hello", "--model", "nano.aurore", "--adapter", "mine"]);
    refused(&said, &["vision tower", "merge"]);
}

#[test]
fn mistakes_are_told() {
    let program = Program::new();
    record(&program);
    let tune = |more: &[&str]| program.run(&arguments(more));
    refused(
        &program.run(&["tune", "nothing", "--data", "episodes", "--out", "mine"]),
        &["nothing"],
    );
    refused(
        &program.run(&["tune", "nano", "--data", "none", "--out", "mine"]),
        &["none"],
    );
    refused(&tune(&["--alpha", "0"]), &["lora.alpha", "above 0"]);
    refused(&tune(&["--rate=-1"]), &["optimiser.rate"]);
    assert_eq!(tune(&["--on", "everything"]).code, 2);
    refused(
        &program.run(&["run", "Hello", "--adapter", "nowhere"]),
        &["nowhere", "adapter_config.json"],
    );
    program.file("broken/adapter_config.json", "{\"peft_type\": \"LORA\"");
    refused(
        &program.run(&["run", "Hello", "--adapter", "broken"]),
        &["adapter_config.json"],
    );
}
