//! The embedded model, at work in a real browser.

use crate::program::Program;

#[test]
fn it_is_part_of_the_program() {
    let findings = Program::new().run(&["doctor", "--json"]).json_lines();
    let nano = findings
        .iter()
        .find(|finding| finding["what"] == "model nano")
        .unwrap();
    assert_eq!(nano["status"], "ok", "{nano}");
}

#[test]
fn it_reaches_most_goals_of_the_bundled_pages() {
    let said = Program::new().run(&[
        "eval",
        "bundled",
        "--tasks",
        "cookies,newsletter",
        "--seeds",
        "2000000..2000006",
        "--json",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines = said.json_lines();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["episodes"], 6);
        assert!(line["success_rate"].as_f64().unwrap() >= 0.5, "{line}");
    }
}

#[test]
fn the_same_seeds_give_the_same_episodes() {
    let program = Program::new();
    let steps = |run: &str| -> Vec<String> {
        let journal = program.home().join(run).display().to_string();
        let args = [
            "demo",
            "--no-miniwob",
            "--goals",
            "tabs,colour",
            "--json",
            "--journal",
            &journal,
        ];
        let lines = program.run(&args).json_lines();
        let steps = lines.iter().filter(|line| line["event"] == "step");
        // All but the times.
        steps
            .map(|line| {
                let step = &line["step"];
                format!(
                    "{} {} {} {} {}",
                    step["thinking"], step["intent"], step["expect"], step["action"], step["frame"]
                )
            })
            .collect()
    };
    let first = steps("first");
    assert!(!first.is_empty());
    assert_eq!(first, steps("second"));
}

#[test]
fn it_answers_a_prompt() {
    let said = Program::new().run(&["run", "Close the message.", "--max-tokens", "24", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let answer = &said.json_lines()[0];
    assert!(answer["tokens"].as_u64().unwrap() > 0, "{answer}");
    assert!(!answer["thinking"].as_str().unwrap().is_empty(), "{answer}");
}
