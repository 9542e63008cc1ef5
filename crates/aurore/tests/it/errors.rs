//! Wrong use: a clear message, a hint, the right exit code.

use crate::program::{Program, Said};

fn check(name: &str, code: i32, said: &Said) {
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    insta::assert_snapshot!(format!("error_{name}"), said.err);
}

#[test]
fn a_model_that_is_not_there() {
    check(
        "model",
        1,
        &Program::new().run(&["run", "hello", "--model", "no-such-model"]),
    );
}

#[test]
fn a_picture_that_is_none() {
    let program = Program::new();
    let picture = program.file("empty.png", "");
    let said = program.run(&["run", "what is this?", "--image", picture.to_str().unwrap()]);
    check("picture_empty", 1, &said);
    check(
        "picture_missing",
        1,
        &program.run(&["run", "what is this?", "--image", "none.png"]),
    );
}

#[test]
fn nothing_to_answer() {
    check("prompt_empty", 1, &Program::new().run(&["run", " "]));
}

#[test]
fn seeds_that_are_no_range() {
    let said = Program::new().run(&["eval", "bundled", "--tasks", "cookies", "--seeds", "9..3"]);
    check("seeds", 2, &said);
}

#[test]
fn a_task_or_goal_that_is_not_there() {
    let program = Program::new();
    check(
        "task",
        1,
        &program.run(&["eval", "bundled", "--tasks", "cookies,juggling", "--seeds", "1"]),
    );
    check("goal", 1, &program.run(&["demo", "--goals", "juggling"]));
}

#[test]
fn pages_that_were_not_fetched() {
    let program = Program::new();
    let said = program.run(&["eval", "miniwob", "--tasks", "click-test", "--seeds", "1"]);
    check("miniwob", 1, &said);
    let said = program.run(&["demo", "--miniwob", "nowhere"]);
    check("miniwob_named", 1, &said);
}

#[test]
fn a_run_that_is_not_in_the_journal() {
    check("run", 1, &Program::new().run(&["replay", "last"]));
}

#[test]
fn a_browser_that_is_not_there() {
    let program = Program::new();
    let script = program.file("script.jsonl", "");
    let said = program.run(&[
        "agent",
        "Look.",
        "--browser",
        "http://127.0.0.1:1/",
        "--browser-path",
        "no-such-browser",
        "--script",
        script.to_str().unwrap(),
    ]);
    check("browser", 1, &said);
}

#[test]
fn a_server_that_would_be_open_to_all() {
    let program = Program::new();
    let said = program.run(&["serve", "--host", "0.0.0.0", "--no-auth"]);
    check("serve_open", 1, &said);
    let keys = program.file("keys", "\n \n");
    let said = program.run(&["serve", "--key-file", keys.to_str().unwrap()]);
    check("serve_keys", 1, &said);
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let said = Program::new().run(&["replay", "last", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(said.code, 1);
    assert!(!error["error"].as_str().unwrap().is_empty());
    assert!(!error["hint"].as_str().unwrap().is_empty());
}
