//! The program is killed at random moments, and goes on.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::ledger::{Deeds, Serve, ledger, model, press, pressed};
use crate::program::Program;

const ROWS: usize = 6;
/// Times that the program is killed.
const KILLS: u64 = 5;

/// The agent as a child, on its first call or after a crash.
fn agent(program: &Program, page: &Serve, mind: &Serve, resume: bool, approve: Option<&str>) -> Child {
    let url = format!("{}/", page.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurore"));
    command
        .arg("agent")
        .args(["--browser", &url, "--model-url", &mind.address, "--json"]);
    if resume {
        command.args(["--resume", "last"]);
    } else {
        command.arg("Do every deed once.");
    }
    if let Some(answer) = approve {
        command.args(["--approve-with", answer]);
    }
    command
        .env("AURORE_HOME", program.home())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the agent again and again after a varying number of lines and a varying time more, then lets it end.
/// Returns its last line.
fn torment(program: &Program, page: &Serve, mind: &Serve, approve: Option<&str>) -> Value {
    // Any sequence would do; this one is the same every time as far as the machine allows.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut began = false;
    for _ in 0..KILLS {
        let mut child = agent(program, page, mind, began, approve);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // At least one line, so that there is a run to go on with.
        let ended =
            (0..=random(2)).any(|_| lines.next().is_none_or(|line| line.unwrap().contains("\"end\"")));
        began = true;
        if !ended {
            std::thread::sleep(Duration::from_millis(random(700)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        whole(program);
    }
    let mut child = agent(program, page, mind, began, approve);
    let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .collect();
    child.wait().unwrap();
    whole(program);
    serde_json::from_str(lines.last().unwrap()).unwrap()
}

/// The journal verifies, whatever the moment.
fn whole(program: &Program) {
    let said = program.run(&["replay", "last", "--verify", "--json"]);
    assert_eq!(said.json_lines()[0]["whole"], true, "{}{}", said.out, said.err);
}

/// The rows that the journal says were about to be pressed, in order.
fn journaled(program: &Program) -> Vec<usize> {
    let records = program.run(&["replay", "last", "--json"]).json_lines();
    records
        .iter()
        .map(|line| &line["record"])
        .filter(|record| record["event"] == "decision" && record["perform"] == true)
        .filter_map(|record| record["action"]["at"]["y"].as_u64())
        .map(|y| y as usize / 60)
        .collect()
}

#[test]
fn nothing_is_lost_and_nothing_done_twice_by_a_model_that_looks_first() {
    let program = Program::new();
    let deeds: Deeds = Arc::new(Mutex::new(vec![0; ROWS]));
    let page = ledger(&deeds);
    let mind = model({
        let deeds = Arc::clone(&deeds);
        // What it sees on the page is what the page's server knows.
        move |_| match deeds.lock().unwrap().iter().position(|count| *count == 0) {
            Some(row) => Some(press(row)),
            None => Some(json!({"action": "terminate", "status": "success"})),
        }
    });
    // The person has looked, too.
    let end = torment(
        &program,
        &page,
        &mind,
        Some("cat > /dev/null; echo '{\"answer\": \"yes\"}'"),
    );
    assert_eq!(end["outcome"]["end"]["kind"], "finished", "{end}");
    assert_eq!(*deeds.lock().unwrap(), vec![1; ROWS]);
    let rows: HashSet<usize> = journaled(&program).into_iter().collect();
    assert_eq!(rows.len(), ROWS, "every deed stands in the journal");
}

#[test]
fn a_model_that_repeats_blindly_is_refused_where_nobody_can_be_asked() {
    let program = Program::new();
    let deeds: Deeds = Arc::new(Mutex::new(vec![0; ROWS]));
    let page = ledger(&deeds);
    let mind = model(|messages| {
        // It reads only what it is told: which rows it was told are done. What was interrupted, it does again.
        let mut done = HashSet::new();
        for pair in messages.windows(2) {
            let call = &pair[0]["tool_calls"][0]["function"]["arguments"];
            let Some(row) = call
                .as_str()
                .and_then(|text| pressed(&serde_json::from_str(text).ok()?))
            else {
                continue;
            };
            let told = pair[1]["content"].as_str().unwrap_or_default();
            if told.starts_with("Done") || told.starts_with("Refused") {
                done.insert(row);
            }
        }
        Some(
            (0..ROWS)
                .find(|row| !done.contains(row))
                .map_or_else(|| json!({"action": "terminate", "status": "success"}), press),
        )
    });
    let end = torment(&program, &page, &mind, None);
    assert_eq!(end["event"], "end", "{end}");
    let counts = deeds.lock().unwrap().clone();
    assert!(counts.iter().all(|count| *count <= 1), "done twice: {counts:?}");
    // What was done stands in the journal; what stands there without a result may have been done or not.
    let rows = journaled(&program);
    for (row, count) in counts.iter().enumerate() {
        assert!(
            *count as usize <= rows.iter().filter(|pressed| **pressed == row).count(),
            "{rows:?}"
        );
    }
}
