use std::fs;

use aurore_action::{Frame, FrameId, Size};
use rusqlite::Connection;

use super::{EndRecord, Event, Journal, RunId, StartRecord, sha256};
use crate::{Budgets, End, EndKind, JournalError};

pub(super) fn start(goal: &str) -> Event {
    Event::Start(StartRecord {
        goal: goal.into(),
        name: String::new(),
        principal: "script:test".into(),
        fingerprint: String::new(),
        rules: String::new(),
        budgets: Budgets::default(),
        written_rules: String::new(),
        still_allowed: Vec::new(),
        known_origins: Vec::new(),
    })
}

fn end(frame: &Frame) -> Event {
    Event::End(EndRecord {
        end: End {
            kind: EndKind::Finished,
            message: "done".into(),
        },
        frame: Some(frame.id.clone()),
    })
}

pub(super) fn frame(content: &[u8]) -> Frame {
    Frame {
        id: FrameId(sha256(content)),
        size: Size { width: 1, height: 1 },
        png: content.into(),
        url: None,
        origin: String::new(),
        title: String::new(),
        tabs: Vec::new(),
        notes: Vec::new(),
    }
}

fn written(folder: &std::path::Path) -> (Journal, RunId) {
    let journal = Journal::in_folder(folder).unwrap();
    let run = journal.new_run().unwrap();
    let picture = frame(b"picture");
    journal.append(&run, &start("goal"), &[]).unwrap();
    journal.append(&run, &start("more"), &[]).unwrap();
    journal.append(&run, &end(&picture), &[&picture]).unwrap();
    (journal, run)
}

#[test]
fn a_chain_that_nobody_touched_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, run) = written(folder.path());
    drop(journal);
    let journal = Journal::in_folder(folder.path()).unwrap();
    let found = journal.verify(&run).unwrap();
    assert!(
        found.is_whole() && found.notes.is_empty() && found.records == 3,
        "{found:?}"
    );
    let summary = journal.runs().unwrap().remove(0);
    assert_eq!((summary.run, summary.goal.as_str()), (run, "more"));
    assert!(summary.bytes > 100);
    assert!(matches!(
        journal.find("nothing"),
        Err(JournalError::UnknownRun { .. })
    ));
}

#[test]
fn every_change_is_found_and_named() {
    let changes = [
        (
            "DROP TRIGGER records_are_final; UPDATE records SET body = replace(body, 'goal', 'gaol') WHERE sequence = 0",
            "record 0",
        ),
        (
            "DROP TRIGGER records_are_final; UPDATE records SET at_ms = 7 WHERE sequence = 1",
            "record 1",
        ),
        ("DELETE FROM records WHERE sequence = 1", "record 1 is missing"),
        ("DELETE FROM records WHERE sequence = 2", "the end was cut off"),
        ("UPDATE frames SET png = x'00'", "frame"),
        ("DELETE FROM records", "the end was cut off"),
    ];
    for (sql, words) in changes {
        let folder = tempfile::tempdir().unwrap();
        let (journal, run) = written(folder.path());
        Connection::open(journal.file())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let found = journal.verify(&run).unwrap();
        assert!(
            found.problems.iter().any(|problem| problem.contains(words)),
            "{sql}: {found:?}"
        );
    }
}

#[test]
fn a_chain_rewritten_without_the_key_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, run) = written(folder.path());
    drop(journal);
    fs::remove_file(folder.path().join("journal.key")).unwrap();
    let journal = Journal::in_folder(folder.path()).unwrap();
    let found = journal.verify(&run).unwrap();
    assert!(
        found
            .problems
            .iter()
            .any(|problem| problem.contains("this user's key")),
        "{found:?}"
    );
}

#[test]
fn records_cannot_be_changed_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = written(folder.path());
    let changed = Connection::open(journal.file())
        .unwrap()
        .execute("UPDATE records SET body = ''", []);
    assert!(changed.unwrap_err().to_string().contains("never changed"));
}

#[test]
fn a_head_that_is_one_behind_is_a_crash_and_no_forgery() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_folder(folder.path()).unwrap();
    let run = journal.new_run().unwrap();
    journal.append(&run, &start("goal"), &[]).unwrap();
    let head = fs::read(journal.head_file(&run)).unwrap();
    journal.append(&run, &start("more"), &[]).unwrap();
    fs::write(journal.head_file(&run), &head).unwrap();
    let found = journal.verify(&run).unwrap();
    assert!(found.is_whole() && found.notes.len() == 1, "{found:?}");
    journal.append(&run, &start("more"), &[]).unwrap();
    fs::write(journal.head_file(&run), &head).unwrap();
    assert!(!journal.verify(&run).unwrap().is_whole());
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (journal, run) = written(&folder.path().join("runs"));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("runs")), 0o700);
    for file in [
        journal.file(),
        &folder.path().join("runs/journal.key"),
        &journal.head_file(&run),
    ] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert!(
        journal
            .head_file(&RunId("../../x".into()))
            .starts_with(folder.path().join("runs/heads"))
    );
}

#[test]
fn deleting_a_run_takes_its_frames_but_not_those_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, first) = written(folder.path());
    let second = journal.new_run().unwrap();
    let (shared, own) = (frame(b"picture"), frame(b"own"));
    journal.append(&second, &start("goal"), &[&shared, &own]).unwrap();
    journal.delete(&second).unwrap();
    assert!(journal.frame(&shared.id).unwrap().is_some());
    assert!(journal.frame(&own.id).unwrap().is_none());
    assert!(journal.verify(&first).unwrap().is_whole());
    assert_eq!(journal.prune(i64::MAX).unwrap(), [first]);
    assert!(journal.runs().unwrap().is_empty());
}

#[test]
fn a_newer_format_and_a_key_that_is_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = written(folder.path());
    Connection::open(journal.file())
        .unwrap()
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    assert!(matches!(
        Journal::in_folder(folder.path()),
        Err(JournalError::Version { found: 99, .. })
    ));
    fs::write(folder.path().join("journal.key"), "secret").unwrap();
    assert!(matches!(
        Journal::in_folder(folder.path()),
        Err(JournalError::Key { .. })
    ));
}
