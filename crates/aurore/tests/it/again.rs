//! A journal decides again, without a model.

use std::sync::{Arc, Mutex};

use serde_json::json;

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
