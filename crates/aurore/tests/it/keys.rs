//! `aurore keys`, and a server that uses what it makes.

use std::process::Command;

use serde_json::Value;

use crate::serve::Serving;

/// Runs `aurore keys` in a home of its own: what it prints.
fn keys(home: &std::path::Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_aurore"))
        .arg("keys")
        .args(args)
        .env("AURORE_HOME", home)
        .output()
        .unwrap();
    let [said, wrong] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    if output.status.success() {
        Ok(said)
    } else {
        Err(wrong)
    }
}

#[test]
fn a_key_is_made_used_and_revoked_under_a_running_server() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| keys(home.path(), args);
    assert!(run(&["list"]).unwrap().contains("no keys"));
    let key = run(&["make", "laptop"]).unwrap().trim().to_owned();
    let serving = Serving::at(home.path(), &[]);
    // There is a key, so none is made up.
    assert_eq!(serving.said["key"], Value::Null);
    assert!(serving.ask(Some(&key)).starts_with("HTTP/1.1 200"));
    let later = run(&[
        "make",
        "phone",
        "--json",
        "--requests-per-minute",
        "1",
        "--days",
        "2",
    ])
    .unwrap();
    let later: Value = serde_json::from_str(&later).unwrap();
    let phone = later["key"].as_str().unwrap();
    assert!(serving.ask(Some(phone)).starts_with("HTTP/1.1 200"));
    let refused = serving.ask(Some(phone));
    assert!(
        refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: "),
        "{refused}"
    );
    let list = run(&["list"]).unwrap();
    assert!(
        list.contains("laptop") && list.contains("1 requests/min") && list.contains("ends in 2 days"),
        "{list}"
    );
    assert!(!list.contains(&key) && !list.contains(phone));
    run(&["revoke", "laptop"]).unwrap();
    run(&["revoke", later["id"].as_str().unwrap()]).unwrap();
    // The last one is gone, and still nobody comes in without a key.
    assert!(serving.ask(Some(&key)).starts_with("HTTP/1.1 401"));
    assert!(serving.ask(None).starts_with("HTTP/1.1 401"));
    assert!(
        run(&["revoke", "laptop"])
            .unwrap_err()
            .contains("aurore keys list")
    );
    assert!(
        run(&["make", "x", "--scope", "everything"])
            .unwrap_err()
            .contains("infer, manage or agent")
    );
}
