//! Whole workflows in a real browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::Program;

#[test]
fn the_expert_meets_every_goal_and_asks_only_about_consequences() {
    let said = Program::new().run(&["eval", "workflows", "--expert", "--seeds", "1", "--json"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let lines = said.json_lines();
    assert_eq!(lines.len(), 12, "families of two suites");
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
fn the_expert_gives_up_when_it_is_told_no_and_says_why() {
    let program = Program::new();
    let refused = |family: &str| {
        let line = [
            "eval",
            "workflows",
            "--expert",
            "--refuse",
            "--family",
            family,
            "--seeds",
            "1",
            "--json",
            "--journal",
            "journals",
        ];
        let said = program.run(&line);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.json_lines()[0].clone()
    };
    // Counting is asked about up front alone, and a no to that is no denial.
    assert_eq!(refused("count")["success_rate"], 1.0);
    let booking = refused("flight");
    assert_eq!(booking["success_rate"], 0.0, "{booking}");
    assert!(booking["asked_per_episode"].as_f64().unwrap() >= 1.0, "{booking}");
    let records = program
        .run(&["replay", "last", "--journal", "journals", "--json"])
        .json_lines();
    let records: Vec<&Value> = records.iter().map(|line| &line["record"]).collect();
    let end = records.last().unwrap();
    assert_eq!(end["end"]["kind"], "gave_up", "{end}");
    let message = end["end"]["message"].as_str().unwrap();
    assert!(message.contains("was refused"), "{message}");
    // What was asked about was not done, and not tried again.
    let decided: Vec<&&Value> = records
        .iter()
        .filter(|record| record["event"] == "decision" && record["approval"]["allowed"] == false)
        .collect();
    assert_eq!(decided.len(), 1, "{decided:#?}");
    assert_eq!(decided[0]["perform"], false);
}

#[test]
fn a_model_on_a_server_is_evaluated_as_one_in_the_program() {
    let program = Program::new();
    let mind =
        crate::ledger::model(|_| Some(serde_json::json!({"action": "terminate", "status": "failure"})));
    let line = [
        "eval",
        "workflows",
        "--family",
        "count",
        "--seeds",
        "1..3",
        "--json",
    ];
    let said = program.run(&[&line[..], &["--model-url", &mind.address]].concat());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let told = &said.json_lines()[0];
    assert_eq!(
        (&told["model"], &told["success_rate"], &told["steps_mean"]),
        (&"played".into(), &0.0.into(), &1.0.into())
    );
    // A server that gives no answers says nothing about its model.
    let refusing = crate::ledger::Serve::start(|path, _| match path {
        "/v1/models" => Some((200, "application/json", r#"{"data": [{"id": "m"}]}"#.into())),
        _ => Some((
            400,
            "application/json",
            r#"{"error": {"message": "m is not a multimodal model"}}"#.into(),
        )),
    });
    let said = program.run(&[&line[..], &["--model-url", &refusing.address]].concat());
    assert_eq!(said.code, 1);
    assert!(
        said.out.is_empty() && said.err.contains("not a multimodal model"),
        "{}{}",
        said.out,
        said.err
    );
}

#[cfg(nano_embedded)]
#[test]
fn auroras_own_server_is_evaluated_as_the_program_itself() {
    let serving = crate::serve::Serving::new(&[]);
    let url = format!("http://{}/v1", serving.said["address"].as_str().unwrap());
    let program = Program::new();
    let tasks = [
        "eval", "bundled", "--tasks", "dialog", "--seeds", "0..3", "--json",
    ];
    let here = program.run(&tasks);
    let key = [("KEY", serving.said["key"].as_str().unwrap())];
    let elsewhere = [
        "--model-url",
        &url,
        "--model-key-env",
        "KEY",
        "--model-memory",
        "intents",
    ];
    let there = program.run_with(&[&tasks[..], &elsewhere].concat(), &key);
    assert_eq!((here.code, there.code), (0, 0), "{}{}", here.err, there.err);
    let numbers = |said: &crate::program::Said| {
        let line = said.json_lines()[0].clone();
        ["success_rate", "steps_mean", "asked_per_episode"].map(|name| line[name].clone())
    };
    assert_eq!(numbers(&here), numbers(&there), "{}{}", here.out, there.out);
    assert_eq!(there.json_lines()[0]["model"], "nano");
    let workflows = [
        "eval",
        "workflows",
        "--family",
        "count",
        "--seeds",
        "1",
        "--max-steps",
        "2",
        "--json",
    ];
    let said = program.run_with(&[&workflows[..], &elsewhere].concat(), &key);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.json_lines()[0]["episodes"], 1);
}

#[test]
fn a_recorded_episode_is_whole_and_is_not_recorded_twice() {
    let program = Program::new();
    let record = [
        "record", "--out", "episodes", "--family", "entry", "--seeds", "1", "--json",
    ];
    let said = program.run(&record);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.json_lines()[0]["episodes"], 1);

    let folder = program.home().join("episodes");
    let text = std::fs::read_to_string(folder.join("entry-1.jsonl")).unwrap();
    let steps: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&steps[0]["format"], &steps[0]["version"]),
        (&"aurore-episode".into(), &1.into())
    );
    assert_eq!(said.json_lines()[0]["steps"], steps.len());
    let actions: Vec<&Value> = steps.iter().map(|step| &step["action"]["action"]).collect();
    for (before, step) in steps.iter().enumerate() {
        let done: Vec<&Value> = step["done"].as_array().unwrap().iter().collect();
        assert_eq!(done, actions[..before], "{step}");
    }
    for step in &steps {
        let frame = std::fs::read(folder.join(step["frame"].as_str().unwrap())).unwrap();
        assert!(frame.starts_with(b"\x89PNG"));
        for words in ["thinking", "intent", "expect", "result"] {
            assert!(!step[words].as_str().unwrap().is_empty(), "{words}: {step}");
        }
        if let (Some(point), Some(bounds)) = (step["point"].as_array(), step["target"]["box"].as_array()) {
            let number = |value: &Value| value.as_i64().unwrap();
            for side in 0..2 {
                let (at, from, length) = (
                    number(&point[side]),
                    number(&bounds[side]),
                    number(&bounds[side + 2]),
                );
                assert!((from..from + length).contains(&at), "{step}");
            }
        }
    }
    assert_eq!(*actions.last().unwrap(), "terminate");
    let asked = |step: &&Value| {
        step["questions"]
            .as_array()
            .is_some_and(|asked| !asked.is_empty())
    };
    assert_eq!(steps.iter().filter(asked).count(), steps.len());
    // Among them what has changed since the frame before, and whether the goal is met.
    let answer = |step: &Value, ask: &str| {
        let mut asked = step["questions"].as_array().unwrap().iter();
        asked.find(|question| question["ask"] == ask).cloned()
    };
    for (number, step) in steps.iter().enumerate() {
        let met = answer(step, "Is the goal met?").unwrap();
        let last = number + 1 == steps.len();
        assert_eq!(met["answer"], if last { "Yes." } else { "Not yet." });
        if let Some(question) = answer(step, "This was before. Which texts and ticks have changed?") {
            assert_eq!(question["before"], steps[number - 1]["frame"]);
        }
    }
    let typed = actions.iter().position(|action| **action == "type").unwrap();
    let changed = answer(
        &steps[typed + 1],
        "This was before. Which texts and ticks have changed?",
    )
    .unwrap();
    // What was typed can be read there, in its field.
    let text = steps[typed]["action"]["text"].as_str().unwrap();
    let words = steps[typed + 1]["words"].as_array().unwrap();
    let spelt: Vec<&str> = words
        .iter()
        .map(|word| word["text"].as_str().unwrap().trim())
        .collect();
    assert!(
        text.split(' ').all(|word| spelt.contains(&word)),
        "{text}: {spelt:?}"
    );
    let line = format!("New: {} [", steps[typed]["action"]["text"].as_str().unwrap());
    assert!(changed["answer"].as_str().unwrap().contains(&line), "{changed}");

    let again = program.run(&record);
    assert_eq!(again.json_lines()[0]["episodes"], 0);
}

/// Sends a request to an app and gives its whole answer.
fn ask(address: &str, request: &str, body: &str) -> String {
    let host = address.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(unix)]
#[test]
fn apps_are_served_until_the_end_and_checked_then() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aurore"))
        .args(["apps", "count", "--seed", "1", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let said = next();
    assert_eq!(said["start"], said["apps"]["stock"]);
    let stock = said["start"].as_str().unwrap();
    assert!(ask(stock, "GET /", "").starts_with("HTTP/1.1 200"));
    let posted = ask(stock, "POST /count", "article=1&pieces=4321");
    assert!(posted.starts_with("HTTP/1.1 303"), "{posted}");

    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let end = next();
    assert_eq!(end["met"], false);
    assert!(end["differences"].to_string().contains("4321"), "{end}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// The apps as a program, which ends with the test however that ends.
struct Apps(std::process::Child);

impl Drop for Apps {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_that_apps_print_knows_all_of_them() {
    let mut apps = Apps(
        Command::new(env!("CARGO_BIN_EXE_aurore"))
            .args(["apps", "trip", "--seed", "1", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(apps.0.stdout.take().unwrap()).lines();
    let said: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let line: Vec<&str> = said["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(line[..2], ["aurore", "agent"]);
    let program = Program::new();
    let script = ["flights", "hotels", "calendar"].map(|app| {
        let arguments = serde_json::json!({"action": "open_url", "url": said["apps"][app]});
        format!(
            "{}\n",
            serde_json::json!({"intent": "Go there.", "arguments": arguments})
        )
    });
    program.file("visit.jsonl", script.concat());
    // Nobody is there: what had to be asked about would be refused.
    let steps = |args: &[&str]| -> Vec<Value> {
        let more = ["--script", "visit.jsonl", "--headless", "--json"];
        let said = program.run(&[args, &more].concat());
        let lines = said
            .json_lines()
            .into_iter()
            .filter(|line| line["event"] == "step");
        lines
            .map(|line| line["step"]["outcome"].clone())
            .take(3)
            .collect()
    };
    let visited = steps(&line[1..]);
    // Of the address that it is at already it may look the same.
    assert!(
        visited.len() == 3 && !visited.contains(&"refused".into()),
        "{visited:?}"
    );
    let alone = steps(&line[1..5]);
    assert_eq!(alone[1..], ["refused", "refused"], "{alone:?}");
}

#[test]
fn the_demo_makes_a_journey_over_three_apps() {
    let program = Program::new();
    let said = program.run(&["demo", "--journey", "--json", "--report", "journey.html"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let lines = said.json_lines();
    let outcome = lines.iter().find(|line| line["event"] == "outcome").unwrap();
    assert_eq!(outcome["differences"], Value::Array(Vec::new()));
    let origins: std::collections::BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["step"]["target"]["origin"].as_str())
        .collect();
    assert_eq!(origins.len(), 3, "{origins:?}");
    let report = std::fs::read_to_string(program.home().join("journey.html")).unwrap();
    assert!(report.contains("cheapest direct flight"));
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
