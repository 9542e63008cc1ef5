//! The page of a watched run, driven by Playwright in a real browser: whole workflows with approvals.
//!
//! The scripts stand in `tests/watch`; Playwright in a virtual environment that `cargo xtask setup` makes.

use std::path::Path;
use std::process::Command;

/// Runs a script with a home of its own.
///
/// # Panics
/// When Playwright is not there as pinned: a test that cannot run has not passed.
fn run(script: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watch");
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("watch-venv");
    let wanted = std::fs::read_to_string(folder.join("requirements.txt")).unwrap();
    let installed = std::fs::read_to_string(environment.join("requirements.txt")).unwrap_or_default();
    assert!(
        installed == wanted,
        "this test needs the packages of crates/aurore/tests/watch/requirements.txt in {}: run cargo xtask setup",
        environment.display()
    );
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(environment.join("bin/python"))
        .arg(folder.join(script))
        .env("AURORE", env!("CARGO_BIN_EXE_aurore"))
        .env("AURORE_HOME", home.path())
        .env("NO_COLOR", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Of whoever runs the tests, and none of theirs.
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .env_remove("ALL_PROXY")
        .env_remove("all_proxy")
        .output()
        .unwrap();
    let [said, wrong] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{said}{wrong}");
}

#[test]
fn a_workflow_with_every_kind_of_answer_and_its_replay() {
    run("workflow.py");
}

#[test]
fn what_is_asked_up_front_is_chosen_from_and_the_plan_is_shown() {
    run("beforehand.py");
}

#[test]
fn a_run_is_paused_taken_over_given_back_and_killed() {
    run("hold.py");
}

#[test]
fn what_a_person_shows_is_kept_without_what_is_private() {
    run("show.py");
}

#[test]
fn stray_presses_and_the_agent_itself_answer_nothing() {
    run("guard.py");
}

#[cfg(nano_embedded)]
#[test]
fn thinking_arrives_while_it_is_thought() {
    run("stream.py");
}
