//! Answers that reach further than once hold when the program was killed and goes on, as long as nothing else changed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::ledger::{Deeds, Serve, ledger};
use crate::program::Program;

/// A page that is one button, as large as the window.
fn door() -> Serve {
    Serve::start(|_, _| {
        let page = "<!doctype html><title>Door</title><button style='position:fixed;inset:0;width:100%' \
                    onclick=\"this.style.background='green'\">Log in</button>";
        Some((200, "text/html", page.to_owned()))
    })
}

/// Keeps each question's kind, and says yes: to all up front, and from now on to the rest.
const ANSWERS: &str = r#"q=$(cat); case "$q" in
    *'"items"'*) echo up-front >> questions; echo '{"answer": "yes"}';;
    *) echo step >> questions; echo '{"answer": "yes", "scope": 0}';;
esac"#;

struct Answered {
    program: Program,
    door: Serve,
    other: Serve,
}

impl Answered {
    fn new() -> Self {
        let deeds: Deeds = Arc::new(Mutex::new(vec![0]));
        let program = Program::new();
        let press =
            json!({"intent": "Press it.", "arguments": {"action": "left_click", "coordinate": [500, 500]}});
        let wait = json!({"intent": "Wait.", "arguments": {"action": "wait", "time": 3}});
        let end = json!({"intent": "End.", "arguments": {"action": "terminate", "status": "success"}});
        program.file(
            "door.jsonl",
            [press.clone(), wait, press, end]
                .map(|line| format!("{line}\n"))
                .concat(),
        );
        Self {
            program,
            door: door(),
            other: ledger(&deeds),
        }
    }

    fn start(&self, more: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_aurore"))
            .args([
                "agent",
                "--script",
                "door.jsonl",
                "--json",
                "--approve-with",
                ANSWERS,
            ])
            .args(more)
            .env("AURORE_HOME", self.program.home())
            .current_dir(self.program.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Begins, and is killed in the middle of the second step.
    fn killed(&self) {
        let address = format!("{}/", self.door.address);
        let mut child = self.start(&[
            "Look at the door",
            "--browser",
            &address,
            "--site",
            &self.other.address,
        ]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(first["step"]["verdict"]["decision"], "ask", "{first}");
        assert_eq!(first["step"]["outcome"], "done", "{first}");
        // No chance to say goodbye.
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Goes on to the end; the decision about the button, and all questions so far.
    fn goes_on(&self, more: &[&str]) -> (String, Vec<String>) {
        let child = self.start(&[&["--resume", "last"], more].concat());
        let said = child.wait_with_output().unwrap();
        let lines: Vec<Value> = String::from_utf8(said.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let pressed = lines
            .iter()
            .rfind(|line| line["step"]["words"] == "click button 'Log in'")
            .unwrap_or_else(|| panic!("{lines:#?}"));
        let questions = std::fs::read_to_string(self.program.home().join("questions")).unwrap();
        (
            pressed["step"]["verdict"]["decision"]
                .as_str()
                .unwrap()
                .to_owned(),
            questions.lines().map(str::to_owned).collect(),
        )
    }
}

#[test]
fn after_a_kill_nothing_is_asked_a_second_time() {
    let run = Answered::new();
    run.killed();
    let (decision, questions) = run.goes_on(&[]);
    assert_eq!(
        (decision.as_str(), questions),
        ("allow", vec!["up-front".to_owned(), "step".to_owned()])
    );
    let text = run.program.run(&["replay", "last"]).out;
    assert!(text.contains("resumed; still allowed: for this run; "), "{text}");
    assert!(text.contains("left_click on button 'Log in'"), "{text}");
    assert_eq!(run.program.run(&["replay", "last", "--verify"]).code, 0);
}

#[test]
fn after_a_kill_other_rules_ask_again() {
    let run = Answered::new();
    run.killed();
    let rule = "[[rule]]\nname = \"r\"\ndecision = \"ask\"\nlabel = \"nothing\"\nreason = \"a test\"\n";
    run.program.file("rules.toml", rule);
    let (decision, questions) = run.goes_on(&[]);
    assert_eq!((decision.as_str(), questions.len()), ("ask", 4), "{questions:?}");
}
