//! What tests of runs that learn share.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Program, Said};

/// One of the frames that nano's calibration has.
pub(crate) fn picture(number: usize) -> PathBuf {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/nano/samples");
    PathBuf::from(samples).join(format!("calibration-{number:02}.png"))
}

/// Loss and length of every step in the log of a run's folder, in order.
pub(crate) fn log(program: &Program, folder: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(program.home().join(folder).join("log.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["kind"] == "step")
        .map(|line| json!([line["step"], line["loss"], line["length"]]))
        .collect()
}

/// The command failed, and said these words and a hint.
pub(crate) fn refused(said: &Said, says: &[&str]) {
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    for part in says.iter().chain(&["hint:"]) {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
}

/// Runs a command that learns until it ends, killed and begun again so many times before.
pub(crate) fn run_through_kills(program: &Program, arguments: &[&str], kills: usize) {
    for left in (0..=kills).rev() {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aurore"))
            .args(arguments)
            .env("AURORE_HOME", program.home())
            .current_dir(program.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed while it keeps what a step made: that comes right after the step's line.
        let stepped = lines.any(|line| left > 0 && line.unwrap().contains("\"kind\":\"step\""));
        if stepped {
            child.kill().unwrap();
        }
        assert_eq!(child.wait().unwrap().success(), left == 0, "{left} kills left");
    }
}
