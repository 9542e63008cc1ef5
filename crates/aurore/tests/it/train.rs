//! `train`: learns from episodes, goes on after a kill as if nothing had been, and says what is wrong with its input.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::learning::{log, picture, refused, run_through_kills};
use crate::program::Program;

const STEPS: usize = 4;

/// Five recorded steps, and settings for a short run.
fn prepare(program: &Program) {
    let mut lines = Vec::new();
    for number in 0..5 {
        let name = format!("{number}.png");
        program.file(
            &format!("episodes/{name}"),
            std::fs::read(picture(number)).unwrap(),
        );
        let step = json!({
            "goal": "Click on the red box.", "frame": name, "thinking": "The red box is at the left, so I click it.",
            "intent": "Click the red box.", "expect": "The red box is chosen.", "seed": number,
            "action": {"action": "left_click", "coordinate": [100 + number, 500]},
            "words": [{"text": "One", "box": [12.5, 4, 20, 9]}, {"text": " two", "box": [36, 4, 18.2, 9]}],
            "questions": [
                {"ask": "Where are One?", "answer": "One [250, 900]"},
                {"ask": "This was before. Which texts and ticks have changed?", "answer": "Nothing.", "before": name},
            ],
        });
        lines.push(format!("{step}\n"));
    }
    program.file("episodes/steps.jsonl", lines.concat());
    settings(program, "", 2);
}

fn settings(program: &Program, more: &str, samples: usize) {
    let text = format!(
        "output = 'run'\nstart = 'nano'\nthreads = 2\ngrounding = 0.3\nreading = 0.3\n{more}\n[data]\ntrain = ['episodes']\nevaluate = ['episodes']\n\
         digits = [4.0, 3.0, 0.5]\nshift = 2\n[batch]\nsamples = {samples}\n[steps]\ntotal = {STEPS}\n[optimiser]\nrate = 3e-4\n[keep]\nevery = 1\nevaluate_every = 2\n"
    );
    program.file("train.toml", text);
}

#[test]
fn a_run_that_is_killed_goes_on_as_if_it_had_not_been() {
    let whole = Program::new();
    prepare(&whole);
    let said = whole.run(&["train", "train.toml", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines = said.json_lines();
    assert_eq!(lines.last().unwrap()["finished"], true);
    let steps: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "step").collect();
    assert_eq!(steps.len(), STEPS);
    assert!(
        steps[STEPS - 1]["loss"].as_f64() < steps[0]["loss"].as_f64(),
        "it learns"
    );
    assert!(
        steps[STEPS - 1]["missed"].as_f64() < steps[0]["missed"].as_f64(),
        "where to look, too"
    );
    assert!(
        steps[STEPS - 1]["reading"].as_f64() < steps[0]["reading"].as_f64(),
        "and to read"
    );
    assert!(lines.iter().any(|line| line["kind"] == "evaluation"));
    let report = std::fs::read_to_string(whole.home().join("run/report.html")).unwrap();
    assert!(report.contains("<svg") && report.contains("held back"));

    let killed = Program::new();
    prepare(&killed);
    run_through_kills(&killed, &["train", "train.toml", "--json"], 3);
    assert_eq!(log(&killed, "run"), log(&whole, "run"));
    let weights = |program: &Program| {
        let name = format!("run/checkpoints/step-{STEPS:06}/model.safetensors");
        std::fs::read(program.home().join(name)).unwrap()
    };
    assert!(weights(&killed) == weights(&whole), "the same weights to the bit");

    // What it made is a checkpoint like any other, with its tokeniser.
    let checkpoint = format!("run/checkpoints/step-{STEPS:06}");
    let said = killed.run(&[
        "run",
        "Click on the red box.",
        "--model",
        &checkpoint,
        "--max-tokens",
        "4",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn what_is_moved_is_seen_elsewhere() {
    let program = Program::new();
    prepare(&program);
    let text = std::fs::read_to_string(program.home().join("train.toml")).unwrap();
    let first = |shift: &str, output: &str| {
        let text = text.replace("shift = 2", shift).replace("'run'", output);
        program.file(
            "train.toml",
            text.replace(&format!("total = {STEPS}"), "total = 1"),
        );
        let said = program.run(&["train", "train.toml", "--json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let step = said.json_lines().into_iter().find(|line| line["kind"] == "step");
        step.unwrap()["loss"].as_f64()
    };
    let still = first("", "'still'");
    assert_eq!(first("shift = 0", "'zero'"), still);
    assert_ne!(first("shift = 9", "'moved'"), still);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let program = Program::new();
    prepare(&program);
    let train = || program.run(&["train", "train.toml"]);
    refused(&program.run(&["train", "none.toml"]), &["none.toml"]);
    settings(&program, "warmup = 3", 5);
    refused(&train(), &["train.toml", "line 6", "warmup"]);
    // All samples in the first step.
    settings(&program, "", 5);

    let lines = std::fs::read_to_string(program.home().join("episodes/steps.jsonl")).unwrap();
    program.file("episodes/steps.jsonl", format!("{lines}{{\"role\": \"user\"}}\n"));
    refused(&train(), &["steps.jsonl, line 6", "goal"]);
    program.file("episodes/steps.jsonl", format!("{lines}\u{89}PNG\n"));
    refused(&train(), &["steps.jsonl, line 6"]);
    program.file("episodes/steps.jsonl", lines.replace("3.png", "../3.png"));
    refused(&train(), &["line 4", "../3.png"]);
    program.file("episodes/steps.jsonl", &lines);
    let cut = std::fs::read(picture(2)).unwrap();
    program.file("episodes/2.png", &cut[..200]);
    refused(&train(), &["steps.jsonl, line 3", "2.png"]);
    program.file("episodes/2.png", cut);

    // A disk that takes no more: nothing under the run's names but whole files.
    let said = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" train train.toml"])
        .arg(env!("CARGO_BIN_EXE_aurore"))
        .env("AURORE_HOME", program.home())
        .current_dir(program.home())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    assert!(
        !said.status.success() && err.contains("state.safetensors") && err.contains("hint:"),
        "{err}"
    );
    assert!(!program.home().join("run/state.safetensors").exists());
    std::fs::remove_dir_all(program.home().join("episodes")).unwrap();
    std::fs::create_dir(program.home().join("episodes")).unwrap();
    refused(&train(), &["episodes", "no episodes"]);
}
