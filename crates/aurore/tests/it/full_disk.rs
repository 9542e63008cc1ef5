//! A disk that takes no more: what was answered is there afterwards, and everything else is said.
//!
//! The shell's limit on the size of files stands for a disk that is full: it needs no rights and no file system of its own,
//! and the system refuses the same writes.

use std::process::Command;

use serde_json::{Value, json};

use crate::serve::Serving;

/// Blocks of the shell's limit, of 512 or 1,024 bytes.
const BLOCKS: u32 = 3000;
/// Most responses that are tried until one is refused, of 200 kB each.
const MOST: usize = 60;

fn ask(serving: &Serving, more: &Value) -> (u16, Value) {
    let mut body = json!({"input": "Close the message.", "max_output_tokens": 4});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (status, reply) = serving.send("POST", "/v1/responses", &body);
    (status, serde_json::from_str(&reply).unwrap())
}

/// A response in the background that takes a while.
fn long() -> Value {
    json!({"background": true, "max_output_tokens": 100_000, "reasoning": {"effort": "none"},
        "text": {"format": {"type": "regex", "pattern": "[a-f]{9000}"}}})
}

fn find(serving: &Serving, response: &Value) -> (u16, Value) {
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    let (status, reply) = serving.send("GET", &path, &Value::Null);
    (status, serde_json::from_str(&reply).unwrap())
}

fn delete(serving: &Serving, response: &Value) -> (u16, Value) {
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    let (status, reply) = serving.send("DELETE", &path, &Value::Null);
    let object = serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{status} {reply:?}: {error}"));
    (status, object)
}

#[test]
fn what_was_answered_is_there_and_the_rest_is_said() {
    let home = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    // The signal that says so would end the program; a full disk sends none.
    limited.args([
        "-c",
        &format!("trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$0\" \"$@\""),
    ]);
    limited.arg(env!("CARGO_BIN_EXE_aurore"));
    let serving = Serving::by(limited, home.path(), &["--no-auth"]);
    // One that ends when there is no room left.
    let (_, begun) = ask(&serving, &long());
    let large = json!({"metadata": {"much": "x".repeat(200_000)}});
    let mut kept = Vec::new();
    let refused = loop {
        assert!(kept.len() < MOST, "nothing was refused");
        let (status, reply) = ask(&serving, &large);
        if status != 200 {
            break (status, reply);
        }
        kept.push(reply);
    };
    assert!(kept.len() > 2, "{refused:?}");
    let code = refused.1["error"]["code"].as_str().unwrap();
    assert!(
        refused.0 == 507 && ["storage_full", "storage_failed"].contains(&code),
        "{refused:?}"
    );
    // What was answered can be seen, and what needs no disk goes on.
    for response in &kept {
        assert_eq!(find(&serving, response), (200, response.clone()));
    }
    assert_eq!(ask(&serving, &json!({"store": false})).0, 200);
    assert!(serving.ask(None).starts_with("HTTP/1.1 200"));
    // What cannot be forgotten is said in the dialect's own words, and is still there.
    let (status, reply) = delete(&serving, &kept[1]);
    let code = reply["error"]["code"].as_str().unwrap_or_default();
    assert!(
        status == 507 && ["storage_full", "storage_failed"].contains(&code),
        "{status} {reply}"
    );
    assert!(
        reply["error"]["message"].as_str().unwrap().contains("disk"),
        "{reply}"
    );
    assert_eq!(find(&serving, &kept[1]), (200, kept[1].clone()));
    // In the background too it is said at once, or kept.
    let mut background = large.clone();
    background["background"] = true.into();
    let (status, reply) = ask(&serving, &background);
    assert!(
        status == 507 || (status == 200 && find(&serving, &reply).0 == 200),
        "{reply}"
    );
    // It does not stay under way for ever, whether its end could be kept or not.
    let ended = loop {
        let (status, now) = find(&serving, &begun);
        assert_eq!(status, 200, "{now}");
        if now["status"] != "in_progress" {
            break now;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let is_lost = ended["status"] == "failed";
    assert_eq!(is_lost, ended["error"]["message"].is_string(), "{ended}");
    serving.kill();
    // With room again.
    let serving = Serving::at(home.path(), &["--no-auth"]);
    for response in &kept {
        assert_eq!(find(&serving, response), (200, response.clone()));
    }
    let (_, after) = find(&serving, &begun);
    assert_eq!(after["status"], ended["status"], "{after}");
    let next = json!({"previous_response_id": kept[0]["id"]});
    assert_eq!(ask(&serving, &next).0, 200);
    let (status, reply) = delete(&serving, &kept[1]);
    assert_eq!((status, &reply["deleted"]), (200, &json!(true)));
    assert_eq!(find(&serving, &kept[1]).0, 404);
    let (code, _) = serving.end();
    assert_eq!(code, Some(0));
}

#[test]
fn a_kill_leaves_what_was_answered_and_says_what_was_not() {
    let home = tempfile::tempdir().unwrap();
    let serving = Serving::at(home.path(), &["--no-auth"]);
    let (_, kept) = ask(&serving, &json!({}));
    let (status, begun) = ask(&serving, &long());
    assert_eq!((status, &begun["status"]), (200, &json!("in_progress")));
    serving.kill();
    let serving = Serving::at(home.path(), &["--no-auth"]);
    assert_eq!(find(&serving, &kept), (200, kept));
    let (status, lost) = find(&serving, &begun);
    assert_eq!((status, &lost["status"]), (200, &json!("failed")));
    assert!(
        lost["error"]["message"]
            .as_str()
            .unwrap()
            .contains("ended before"),
        "{lost}"
    );
}
