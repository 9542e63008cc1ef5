//! Experts on small pages, and drawn screens, as data.

use std::path::Path;

use serde_json::Value;

use crate::program::Program;

fn steps(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_expert_of_the_bundled_pages_reaches_every_goal() {
    let program = Program::new();
    let said = program.run(&[
        "record", "bundled", "--out", "episodes", "--seeds", "0..2", "--json",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let told = &said.json_lines()[0];
    assert_eq!((&told["episodes"], &told["failed"]), (&12.into(), &0.into()));
    for step in steps(&program.home().join("episodes/colour-1.jsonl")) {
        assert!(
            step["goal"].as_str().unwrap().starts_with("Choose the "),
            "{step}"
        );
        assert_eq!(step["carried_out"], true, "{step}");
        // The target is what the page itself says is there.
        let [x, y] = [0, 1].map(|i| step["point"][i].as_i64().unwrap());
        let [left, top, width, height] = [0, 1, 2, 3].map(|i| step["target"]["box"][i].as_i64().unwrap());
        assert!(
            (left..left + width).contains(&x) && (top..top + height).contains(&y),
            "{step}"
        );
    }
    // Beside the step, questions about what else is to be read there.
    let checkout = steps(&program.home().join("episodes/checkout-0.jsonl"));
    let asked = checkout[0]["questions"].as_array().unwrap();
    assert!(
        asked
            .iter()
            .any(|question| question["ask"].as_str().unwrap().starts_with("Where are ")),
        "{asked:?}"
    );
    let again = program.run(&[
        "record", "bundled", "--out", "episodes", "--seeds", "0..2", "--json",
    ]);
    assert_eq!(again.json_lines()[0]["episodes"], 0);
}

#[test]
fn the_expert_of_small_pages_gives_up_when_it_is_told_no_and_says_why() {
    let program = Program::new();
    let refused = |task: &str| {
        let line = [
            "eval", "bundled", "--tasks", task, "--expert", "--refuse", "--seeds", "0",
        ];
        let said = program.run(&[&line[..], &["--journal", "journals", "--json"]].concat());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.json_lines()[0].clone()
    };
    // Nothing is asked about a tab.
    assert_eq!(refused("tabs")["success_rate"], 1.0);
    // Up front, which a no does not end, and then about the press.
    let paying = refused("checkout");
    assert_eq!(
        (&paying["success_rate"], &paying["asked_per_episode"]),
        (&0.0.into(), &2.0.into())
    );
    let records = program
        .run(&["replay", "last", "--journal", "journals", "--json"])
        .json_lines();
    let records: Vec<&Value> = records.iter().map(|line| &line["record"]).collect();
    let end = &records.last().unwrap()["end"];
    assert_eq!(end["kind"], "gave_up", "{end}");
    let message = end["message"].as_str().unwrap();
    assert!(
        message.contains("this was refused: Click the button Pay now"),
        "{message}"
    );
    // What was asked about was not done, and not tried again.
    let presses: Vec<&&Value> = records
        .iter()
        .filter(|record| record["event"] == "decision" && record["action"]["kind"] == "click")
        .collect();
    assert_eq!(presses.len(), 1, "{presses:#?}");
    assert_eq!(presses[0]["perform"], false);
}

#[test]
fn an_expert_says_what_should_be_done_where_a_model_gets_to() {
    let program = Program::new();
    let record = |out: &str, more: &[&str]| {
        let pages = [
            "record", "bundled", "--tasks", "tabs", "--seeds", "0..4", "--json", "--out", out,
        ];
        program.run(&[&pages, more].concat())
    };
    let said = record("labels", &["--corrections-of", "nano"]);
    assert_eq!(said.code, 0, "{}", said.err);
    // Episodes that the model did not get right are kept too.
    assert_eq!(said.json_lines()[0]["episodes"], 4);
    assert_eq!(record("own", &[]).code, 0);
    for seed in 0..4 {
        let of = |folder: &str| steps(&program.home().join(format!("{folder}/tabs-{seed}.jsonl")));
        let (labels, own) = (of("labels"), of("own"));
        for field in ["goal", "done", "did", "thinking", "intent", "expect", "action"] {
            assert_eq!(labels[0][field], own[0][field], "{field}");
        }
    }
}

#[test]
fn drawn_screens_are_recorded_with_questions_that_stand_alone() {
    let program = Program::new();
    let said = program.run(&["record", "drawn", "--out", "drawn", "--seeds", "5..25", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let steps = steps(&program.home().join("drawn/drawn-5.jsonl"));
    assert_eq!(said.json_lines()[0]["steps"], steps.len());
    assert!(steps.len() > 20);
    for step in &steps {
        let frame =
            std::fs::read(program.home().join("drawn").join(step["frame"].as_str().unwrap())).unwrap();
        assert!(frame.starts_with(b"\x89PNG"));
        for words in ["goal", "thinking", "intent", "expect"] {
            assert!(!step[words].as_str().unwrap().is_empty(), "{words}: {step}");
        }
        for word in step["words"].as_array().unwrap() {
            let side = |index: usize| word["box"][index].as_f64().unwrap();
            assert!(side(0) >= 0.0 && side(0) + side(2) <= 160.0, "{word}");
            assert!(side(1) >= 0.0 && side(1) + side(3) <= 210.0, "{word}");
        }
    }
    // What a lesson says of a screen stands among its words.
    let said = steps
        .iter()
        .find(|step| step["goal"].as_str().unwrap().starts_with("What does"))
        .unwrap();
    let words: String = said["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word["text"].as_str().unwrap())
        .collect();
    assert!(words.contains(said["action"]["text"].as_str().unwrap()), "{said}");
    let again = program.run(&["record", "drawn", "--out", "drawn", "--seeds", "5..25", "--json"]);
    assert_eq!(again.json_lines()[0]["steps"], 0);
}

#[test]
fn an_expert_is_named_where_it_does_not_know_a_task() {
    let said = Program::new().run(&["record", "bundled", "--out", "episodes", "--tasks", "nothing"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("that the expert knows"), "{}", said.err);
}
