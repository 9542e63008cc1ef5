//! Teaching by showing: a person shows it, an adapter learns it, and their own page is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::Program;

/// The small app that no model was trained on.
fn parcels() -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../bench/teach");
    folder.join("parcels.html").display().to_string()
}

/// Where its trays stand, and its seal.
const TRAYS: [(&str, [i32; 2]); 5] = [
    ("Oslo", [42, 100]),
    ("Lima", [118, 100]),
    ("Cairo", [42, 140]),
    ("Perth", [118, 140]),
    ("Quito", [42, 180]),
];
const SEAL: [i32; 2] = [122, 183];

/// A recording, and a person with a key who acts in it over HTTP.
struct Person {
    child: Child,
    out: BufReader<ChildStdout>,
    host: String,
    key: String,
    last: u64,
    frame: Value,
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Person {
    fn record(program: &Program, more: &[&str]) -> Self {
        let made = program.run(&["keys", "make", "person", "--scope", "agent", "--json"]);
        let key = made.json_lines()[0]["key"].as_str().unwrap().to_owned();
        let mut child = Command::new(env!("CARGO_BIN_EXE_aurore"))
            .args(["record", "--viewport", "160x210", "--out", "shown", "--json"])
            .args(more)
            .env("AURORE_HOME", program.home())
            .current_dir(program.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let address = said["address"].as_str().unwrap();
        Self {
            host: address.strip_prefix("http://").unwrap().to_owned(),
            child,
            out,
            key,
            last: 0,
            frame: Value::Null,
        }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (host, key) = (&self.host, &self.key);
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    /// Waits for an entry of this kind.
    fn wait(&mut self, event: &str) -> Value {
        loop {
            let (_, said) = self.send("GET", &format!("/runs/current?after={}", self.last), &Value::Null);
            for entry in said["entries"].as_array().unwrap() {
                self.last = entry["sequence"].as_u64().unwrap();
                if entry["event"] == "looked" {
                    self.frame = entry["frame"].clone();
                }
                if entry["event"] == event {
                    return entry.clone();
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn hand(&self, action: &Value, purpose: &str) -> (u16, Value) {
        let wish = json!({"frame": self.frame, "action": action, "purpose": purpose});
        self.send("POST", "/runs/current/hand", &wish)
    }

    fn click(&mut self, [x, y]: [i32; 2], purpose: &str) {
        let at = json!({"x": x, "y": y});
        let action = json!({"kind": "click", "button": "left", "count": 1, "at": at, "modifiers": []});
        let (status, said) = self.hand(&action, purpose);
        assert_eq!(status, 200, "{said}");
        let done = self.wait("hand");
        assert_eq!(done["outcome"], "done", "{done}");
    }

    /// Waits until the screen is theirs; the goal.
    fn begin(&mut self) -> String {
        let goal = self.wait("began")["goal"].as_str().unwrap().to_owned();
        self.wait("mode");
        goal
    }

    fn order(&self, word: &str) {
        let (status, said) = self.send("POST", &format!("/runs/current/{word}"), &Value::Null);
        assert_eq!(status, 200, "{said}");
    }

    fn next_line(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// The tray of a goal.
fn tray(goal: &str) -> [i32; 2] {
    let city = goal.trim_end_matches('.').rsplit(' ').next().unwrap();
    TRAYS.iter().find(|(name, _)| *name == city).unwrap().1
}

fn steps(program: &Program, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(program.home().join(file)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn what_is_shown_on_an_own_page_is_learnt_and_measured() {
    let program = Program::new();
    let mut person = Person::record(&program, &["--browser", &parcels(), "--seeds", "0..2"]);
    // The wrong tray: the page counts its goal as missed, and it is shown again.
    let goal = person.begin();
    assert!(goal.starts_with("Send the parcel for "), "{goal}");
    let other = TRAYS.iter().find(|(_, at)| *at != tray(&goal)).unwrap().1;
    person.click(other, "");
    person.click(SEAL, "");
    assert_eq!(person.next_line()["kept"], false);
    for purpose in ["", "choose where it goes"] {
        let goal = person.begin();
        person.click(tray(&goal), purpose);
        // The page ends it: nobody has to say that it is done.
        person.click(SEAL, "");
        let said = person.next_line();
        assert_eq!(
            (&said["kept"], &said["steps"]),
            (&json!(true), &json!(2)),
            "{said}"
        );
    }
    assert_eq!(person.next_line()["episodes"], 2);
    assert!(person.child.wait().unwrap().success());

    let first = steps(&program, "shown/parcels-0.jsonl");
    assert_eq!(
        first[0]["thinking"],
        "The button Oslo is at the left, so I press it."
    );
    assert_eq!(first[1]["did"], json!(["Press the button Oslo."]));
    assert_eq!(first[1]["target"]["label"], "Seal");
    let second = steps(&program, "shown/parcels-1.jsonl");
    assert_eq!(second[0]["intent"], "Choose where it goes.");
    assert!(!second[0]["questions"].as_array().unwrap().is_empty());

    // A step whose text was left out is no lesson.
    let mut masked = first[0].clone();
    masked["masked"] = json!(true);
    let mut text = std::fs::read_to_string(program.home().join("shown/parcels-1.jsonl")).unwrap();
    text += &masked.to_string();
    text.push('\n');
    program.file("shown/parcels-1.jsonl", text);
    let tuned = program.run(&[
        "tune", "nano", "--data", "shown", "--out", "mine", "--steps", "2", "--batch", "2", "--rank", "2",
        "--json",
    ]);
    assert_eq!(tuned.code, 0, "{}", tuned.err);
    assert_eq!(tuned.json_lines()[0]["samples"], 4);
    let page = parcels();
    let measured = program.run(&[
        "eval",
        "page",
        "--page",
        &page,
        "--seeds",
        "2000000..2000002",
        "--adapter",
        "mine",
        "--json",
    ]);
    assert_eq!(measured.code, 0, "{}", measured.err);
    let line = &measured.json_lines()[0];
    assert_eq!(
        (&line["suite"], &line["task"]),
        (&json!("page"), &json!("parcels"))
    );
    assert_eq!(line["episodes"], 2);
}

#[test]
fn a_model_says_what_a_step_is_for_where_the_person_does_not() {
    let program = Program::new();
    let more = [
        "--browser",
        &parcels(),
        "--seeds",
        "0..1",
        "--purposes-by",
        "nano",
    ];
    let mut person = Person::record(&program, &more);
    let goal = person.begin();
    person.click(tray(&goal), "");
    person.click(SEAL, "close it");
    assert_eq!(person.next_line()["steps"], 2);
    let steps = steps(&program, "shown/parcels-0.jsonl");
    // nano was never asked such a thing: what it says may be no sentence, and then the plain words stay.
    let [intent, thinking] = ["intent", "thinking"].map(|field| steps[0][field].as_str().unwrap());
    if steps[0]["purpose_by"].is_null() {
        assert!(intent.starts_with("Press the button "), "{intent}");
        assert!(thinking.starts_with("The button "), "{thinking}");
    } else {
        assert_eq!(steps[0]["purpose_by"], "model");
        assert!(thinking.starts_with(intent), "{thinking}");
    }
    assert_eq!(steps[1]["did"], json!([intent]));
    assert_eq!(
        (&steps[1]["purpose_by"], &steps[1]["intent"]),
        (&json!("person"), &json!("Close it."))
    );
    let said = program.run(&[
        "record",
        "--out",
        "shown",
        "--browser",
        &parcels(),
        "--purposes-by",
        "nobody",
    ]);
    assert!(said.code == 1 && said.err.contains("nobody"), "{}", said.err);
}

#[test]
fn a_person_says_when_it_is_done_and_what_is_to_be_forgotten() {
    let program = Program::new();
    let more = [
        "--browser",
        &parcels(),
        "--goal",
        "Choose a tray, case {seed}.",
        "--seeds",
        "5..7",
    ];
    let mut person = Person::record(&program, &more);
    assert_eq!(person.begin(), "Choose a tray, case 5.");
    let (status, said) = person.hand(&json!({"kind": "back"}), &"x".repeat(301));
    assert_eq!(
        (status, &said["error"]["param"]),
        (400, &json!("purpose")),
        "{said}"
    );
    person.click(TRAYS[0].1, "");
    person.order("drop");
    let said = person.next_line();
    assert_eq!(
        (&said["kept"], &said["why"]),
        (&json!(false), &json!("it was dropped"))
    );
    for seed in [5, 6] {
        assert_eq!(person.begin(), format!("Choose a tray, case {seed}."));
        person.click(TRAYS[1].1, "");
        person.order("give_back");
        assert_eq!(person.next_line()["steps"], 2);
    }
    assert_eq!(person.next_line()["episodes"], 2);
    let steps = steps(&program, "shown/parcels-6.jsonl");
    assert_eq!(
        steps[1]["action"],
        json!({"action": "terminate", "status": "success"})
    );
    assert_eq!(steps[1]["goal"], "Choose a tray, case 6.");
    // Nothing is shown twice.
    let again = program.run(&[&["record", "--json", "--out", "shown"][..], &more[..]].concat());
    assert_eq!(again.json_lines().last().unwrap()["episodes"], 0, "{}", again.err);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let program = Program::new();
    let page = program.file(
        "plain.html",
        "<!doctype html><title>Plain</title><button>OK</button>",
    );
    let record = |more: &[&str]| program.run(&[&["record", "--out", "shown"][..], more].concat());
    let said = record(&["--browser", &page.display().to_string()]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("--goal"), "{}", said.err);
    let said = record(&["--browser", "nowhere"]);
    assert!(said.code == 1 && said.err.contains("is no page"), "{}", said.err);
    assert_eq!(record(&["--goal", "Close it."]).code, 2);
    let said = program.run(&["eval", "page"]);
    assert!(said.code == 2 && said.err.contains("--page"), "{}", said.err);
}
