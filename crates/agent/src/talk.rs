//! One question to another program: JSON on its standard input, an answer on its standard output.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// A longer answer is none.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Runs a command line (by `sh -c`, `cmd /C` on Windows), gives it `question` and waits for what it says.
///
/// # Errors
/// In words, when it does not start, does not answer in time, or ends with another code than 0.
pub(crate) fn ask(command: &str, question: &serde_json::Value, wait: Duration) -> Result<String, String> {
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let mut child = Command::new(shell)
        .args([flag, command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| format!("{command:?} could not be started: {error}"))?;
    let answer = converse(command, &mut child, question, wait);
    if answer.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    answer
}

fn converse(
    command: &str,
    child: &mut Child,
    question: &serde_json::Value,
    wait: Duration,
) -> Result<String, String> {
    let deadline = Instant::now() + wait;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("the program has no input or output".to_owned());
    };
    let text = question.to_string();
    // Both ways at once: a program may answer without reading all, or read late.
    thread::spawn(move || input.write_all(text.as_bytes()));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut answer = String::new();
        let read = output.take(LONGEST_ANSWER).read_to_string(&mut answer);
        let _ = sender.send(read.map(|_| answer));
    });
    let left = deadline.saturating_duration_since(Instant::now());
    let answer = match receiver.recv_timeout(left) {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(format!("{command:?} answered what is no text: {error}")),
        Err(_) => return Err("nobody answered in time".to_owned()),
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(answer),
            Ok(Some(status)) => return Err(format!("{command:?} ended with {status}")),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            Ok(None) => return Err(format!("{command:?} did not end in time")),
            Err(error) => return Err(error.to_string()),
        }
    }
}
