//! Whole workflows in a real browser.

use serde_json::Value;

use crate::program::Program;

#[test]
fn the_expert_meets_every_goal_and_asks_only_about_consequences() {
    let said = Program::new().run(&["eval", "workflows", "--expert", "--seeds", "1", "--json"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let lines = said.json_lines();
    assert!(!lines.is_empty());
    for line in &lines {
        assert_eq!(line["success_rate"], 1.0, "{line}\n{}", said.err);
        assert_eq!(line["denied_per_episode"], 0.0, "{line}");
        let steps = line["steps_mean"].as_f64().unwrap();
        assert!((4.0..=25.0).contains(&steps), "{line}");
    }
    let keys: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "suite",
            "task",
            "model",
            "episodes",
            "success_rate",
            "steps_mean",
            "seconds_per_step",
            "asked_per_episode",
            "denied_per_episode",
            "seeds"
        ]
    );
}

#[test]
fn whoever_does_nothing_meets_no_goal() {
    let program = Program::new();
    let script = program.file(
        "idle.jsonl",
        "{\"intent\": \"Give up.\", \"arguments\": {\"action\": \"terminate\", \"status\": \"success\"}}\n",
    );
    let said = program.run(&[
        "eval",
        "workflows",
        "--family",
        "flight",
        "--seeds",
        "1..3",
        "--script",
        &script.display().to_string(),
        "--json",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<Value> = said.json_lines();
    assert_eq!(
        (&lines[0]["success_rate"], &lines[0]["episodes"]),
        (&0.0.into(), &2.into())
    );
}
