//! A journal decides again, without a model.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::ledger::{Deeds, ledger, press};
use crate::program::Program;

#[test]
fn a_recorded_run_goes_the_same_way_on_the_same_page_and_says_where_another_differs() {
    let program = Program::new();
    let line = |arguments: serde_json::Value| {
        json!({"intent": "do it", "plan": ["[ ] both"], "arguments": arguments}).to_string()
    };
    let end = json!({"action": "answer", "text": "both are done"});
    let script = [line(press(0)), line(press(1)), line(end)].join("\n");
    let script = program.file("script.jsonl", script).display().to_string();
    let page = |rows: usize| -> (Deeds, crate::ledger::Serve) {
        let deeds: Deeds = Arc::new(Mutex::new(vec![0; rows]));
        let page = ledger(&deeds);
        (deeds, page)
    };
    let (_, first) = page(2);
    let said = program.run(&[
        "agent",
        "Do both.",
        "--browser",
        &format!("{}/", first.address),
        "--script",
        &script,
        "--json",
    ]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let recorded = program.run(&["runs", "--json"]).json_lines()[0]["run"]
        .as_str()
        .unwrap()
        .to_owned();

    // Another port, the same page.
    let (deeds, same) = page(2);
    let said = program.run(&[
        "replay",
        &recorded,
        "--against",
        &format!("{}/", same.address),
        "--json",
    ]);
    let last = said.json_lines().pop().unwrap();
    assert_eq!(
        (said.code, &last["same"], &last["replayed"]),
        (0, &json!(true), &json!(3)),
        "{}{}",
        said.out,
        said.err
    );
    assert_eq!(*deeds.lock().unwrap(), [1, 1]);

    // The second deed is not there.
    let (deeds, other) = page(1);
    let said = program.run(&[
        "replay",
        &recorded,
        "--against",
        &format!("{}/", other.address),
        "--json",
    ]);
    let last = said.json_lines().pop().unwrap();
    assert_eq!(
        (said.code, &last["same"]),
        (1, &json!(false)),
        "{}{}",
        said.out,
        said.err
    );
    let message = last["outcome"]["end"]["message"].as_str().unwrap();
    assert!(message.contains("another way at step 3"), "{message}");
    assert_eq!(*deeds.lock().unwrap(), [1]);
}

#[cfg(unix)]
#[test]
fn a_recorded_workflow_goes_the_same_way_over_the_same_apps_elsewhere() {
    let program = Program::new();
    let said = program.run(&[
        "eval",
        "workflows",
        "--expert",
        "--family",
        "trip",
        "--seeds",
        "1",
        "--journal",
        "journals",
        "--json",
    ]);
    assert_eq!(
        said.json_lines()[0]["success_rate"],
        1.0,
        "{}{}",
        said.out,
        said.err
    );

    // The same world, on other ports.
    let mut apps = Command::new(env!("CARGO_BIN_EXE_aurore"))
        .args(["apps", "trip", "--seed", "1", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(apps.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let served = next();
    let address = |app: &str| served["apps"][app].as_str().unwrap().to_owned();
    let again = program.run(&[
        "replay",
        "last",
        "--journal",
        "journals",
        "--against",
        &address("flights"),
        "--site",
        &address("hotels"),
        "--site",
        &address("calendar"),
        "--approve-with",
        "cat > /dev/null; echo '{\"answer\": \"yes\"}'",
        "--json",
    ]);
    let last = again.json_lines().pop().unwrap();
    Command::new("kill")
        .args(["-INT", &apps.id().to_string()])
        .status()
        .unwrap();
    let end = next();
    assert_eq!(apps.wait().unwrap().code(), Some(0), "{end}");
    assert_eq!(
        (again.code, &last["same"]),
        (0, &json!(true)),
        "{}{}",
        again.out,
        again.err
    );
    // Not only the same steps: what came of them is in the apps' own state.
    assert_eq!(end["met"], true, "{end}");
}
