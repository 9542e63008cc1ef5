//! `aurore serve`, from its start to its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The server as a program.
pub(crate) struct Serving {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    /// What it said when it began.
    pub(crate) said: Value,
    /// Where it keeps things, if that is its own.
    home: Option<tempfile::TempDir>,
}

impl Serving {
    /// In a home of its own, where nobody keeps keys or what was read.
    pub(crate) fn new(args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut serving = Self::at(home.path(), args);
        serving.home = Some(home);
        serving
    }

    /// One that finds what an earlier one left in its home.
    pub(crate) fn at(home: &Path, args: &[&str]) -> Self {
        Self::by(Command::new(env!("CARGO_BIN_EXE_aurore")), home, args)
    }

    /// One that a command starts, which is this program or leads to it.
    pub(crate) fn by(mut command: Command, home: &Path, args: &[&str]) -> Self {
        let mut child = command
            .args(["serve", "--json", "--port", "0", "--memory", "0.5"])
            .args(args)
            .env_remove("AURORE_API_KEY")
            .env("AURORE_HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Self {
            said: serde_json::from_str(&line).unwrap(),
            child,
            out,
            home: None,
        }
    }

    pub(crate) fn ask(&self, key: Option<&str>) -> String {
        self.ask_about(key, "Close the message.")
    }

    fn ask_about(&self, key: Option<&str>, text: &str) -> String {
        let address = self.said["address"].as_str().unwrap();
        let message = serde_json::json!({"role": "user", "content": text});
        let body = serde_json::json!({"messages": [message], "max_tokens": 5}).to_string();
        let key = key.map_or_else(String::new, |key| format!("authorization: Bearer {key}\r\n"));
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: \
             application/json\r\n{key}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }

    /// Sends a request without a key: the status and the body of its answer.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let address = self.said["address"].as_str().unwrap();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Ends it as nothing can prepare for.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits: its exit code and its last words.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn what_was_asked_is_logged_under_the_name_that_its_answer_has() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("log");
    let mut logging = Command::new(env!("CARGO_BIN_EXE_aurore"));
    logging
        .env("AURORE_LOG", "aurore_server=info")
        .env("AURORE_LOG_FORMAT", "json")
        .stderr(std::fs::File::create(&file).unwrap());
    let serving = Serving::by(logging, home.path(), &[]);
    let key = serving.said["key"].as_str().unwrap().to_owned();
    let named = |reply: &str, header: &str| {
        let mut lines = reply.lines();
        let found = lines.find_map(|line| line.strip_prefix(header)?.strip_prefix(": ").map(str::to_owned));
        found.unwrap_or_else(|| panic!("{header}: {reply}"))
    };
    let answered = serving.ask(Some(&key));
    let refused = serving.ask(None);
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let names = [&answered, &refused].map(|reply| named(reply, "x-request-id"));
    assert_eq!(
        names,
        [&answered, &refused].map(|reply| named(reply, "request-id"))
    );
    assert_ne!(names[0], names[1]);
    serving.end();

    let log = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |name: &String, message: &str| {
        let mut lines = lines.iter();
        let found = lines.find(|line| line["request"] == **name && line["message"] == message);
        found
            .unwrap_or_else(|| panic!("{message} of {name}: {log}"))
            .clone()
    };
    let line = of(&names[0], "answered");
    assert_eq!(
        (&line["status"], &line["whole"]),
        (&200.into(), &true.into()),
        "{line}"
    );
    assert!(
        line["path"].as_str().unwrap().contains("/v1/chat/completions"),
        "{line}"
    );
    assert!(line["bytes"].as_u64().unwrap() > 100, "{line}");
    let line = of(&names[0], "an answer has ended");
    assert!(line["prompt_tokens"].as_u64().unwrap() > 0, "{line}");
    assert!(
        (1..=5).contains(&line["answer_tokens"].as_u64().unwrap()),
        "{line}"
    );
    assert_eq!(of(&names[1], "answered")["status"], 401);
    // Neither what was said nor who may say it.
    assert!(!log.contains("Close the message") && !log.contains(&key), "{log}");
}

#[test]
fn it_serves_until_it_is_told_to_end() {
    let serving = Serving::new(&[]);
    assert_eq!(
        (&serving.said["model"], &serving.said["event"]),
        (&"nano".into(), &"listening".into())
    );
    assert!(
        serving.said["address"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    let key = serving.said["key"].as_str().unwrap().to_owned();
    assert!(serving.ask(None).starts_with("HTTP/1.1 401"));
    let reply = serving.ask(Some(&key));
    assert!(
        reply.starts_with("HTTP/1.1 200") && reply.contains("chat.completion"),
        "{reply}"
    );
    let (code, rest) = serving.end();
    assert_eq!((code, rest.trim()), (Some(0), r#"{"event":"ended"}"#));
}

#[test]
fn without_a_key_on_loopback_if_asked() {
    let serving = Serving::new(&["--no-auth", "--name", "mine"]);
    assert_eq!(
        (&serving.said["model"], &serving.said["key"]),
        (&"mine".into(), &Value::Null)
    );
    assert!(serving.ask(None).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_restart_finds_what_was_read() {
    let home = tempfile::tempdir().unwrap();
    let long = "Close the message. ".repeat(60);
    let cached = |serving: &Serving| {
        let reply = serving.ask_about(None, &long);
        let body = reply.split_once("\r\n\r\n").unwrap().1;
        let usage = serde_json::from_str::<Value>(body).unwrap()["usage"].clone();
        let count = |value: &Value| value.as_u64().unwrap();
        (
            count(&usage["prompt_tokens"]),
            count(&usage["prompt_tokens_details"]["cached_tokens"]),
        )
    };
    let serving = Serving::at(home.path(), &["--no-auth"]);
    let (prompt, before) = cached(&serving);
    assert!(prompt > 200 && before == 0);
    serving.end();
    let serving = Serving::at(home.path(), &["--no-auth"]);
    assert_eq!(cached(&serving), (prompt, (prompt - 1) / 64 * 64));
    serving.end();
    let serving = Serving::at(home.path(), &["--no-auth", "--cache-disk", "0"]);
    assert_eq!(serving.said["cache_folder"], Value::Null);
    assert_eq!(cached(&serving), (prompt, 0));
    serving.end();
    let kept = std::fs::read_dir(home.path().join("cache/prefix")).unwrap();
    assert_eq!(kept.count(), 1);
}
