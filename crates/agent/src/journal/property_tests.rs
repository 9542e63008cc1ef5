//! Whatever is done to a chain afterwards is found and named.

use proptest::prelude::*;
use rusqlite::Connection;

use super::tests::{frame, start};
use super::{Event, Journal, ResultRecord, RunId};
use crate::StepOutcome;

/// Records of a run.
const RECORDS: i64 = 8;

fn written(folder: &std::path::Path) -> (Journal, RunId) {
    let journal = Journal::in_folder(folder).unwrap();
    let run = journal.new_run().unwrap();
    journal.append(&run, &start("goal"), &[]).unwrap();
    for step in 1..RECORDS as u32 {
        let picture = frame(&step.to_le_bytes());
        let result = ResultRecord {
            step,
            outcome: StepOutcome::Done,
            result: format!("result {step}"),
            frame: Some(picture.id.clone()),
            seconds: 1.0,
        };
        journal.append(&run, &Event::Result(result), &[&picture]).unwrap();
    }
    (journal, run)
}

/// What somebody does to the database.
#[derive(Debug, Clone)]
enum Tampering {
    /// Changes one character of a column of a record.
    Alter(i64, &'static str, usize),
    Drop(i64),
    /// Two records change places.
    Swap(i64, i64),
    /// Everything from here on is gone.
    Truncate(i64),
    /// A record is written twice.
    Repeat(i64),
    /// A picture is another, or gone.
    Picture(i64, bool),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let place = 0..RECORDS;
    let column = prop::sample::select(vec!["body", "hash", "mac", "previous"]);
    prop_oneof![
        (place.clone(), column, 0..60_usize)
            .prop_map(|(at, column, index)| Tampering::Alter(at, column, index)),
        place.clone().prop_map(Tampering::Drop),
        (place.clone(), place.clone())
            .prop_filter("two places", |(one, other)| one != other)
            .prop_map(|(one, other)| Tampering::Swap(one, other)),
        place.clone().prop_map(Tampering::Truncate),
        place.clone().prop_map(Tampering::Repeat),
        (1..RECORDS, any::<bool>()).prop_map(|(at, gone)| Tampering::Picture(at, gone)),
    ]
}

/// Does it; gives the words that the verification must say, with the place of the first break.
fn tamper(database: &Connection, what: &Tampering) -> String {
    let run = |sql: String| {
        database.execute_batch(&sql).unwrap();
    };
    match *what {
        Tampering::Alter(at, column, index) => {
            let text: String = database
                .query_row(
                    &format!("SELECT {column} FROM records WHERE sequence = {at}"),
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            let index = index % text.len();
            let old = text.as_bytes()[index];
            let new = if old == b'1' { '2' } else { '1' };
            let changed = format!("{}{new}{}", &text[..index], &text[index + 1..]);
            database
                .execute(
                    &format!("UPDATE records SET {column} = ?1 WHERE sequence = {at}"),
                    [changed],
                )
                .unwrap();
            format!("record {at}")
        }
        Tampering::Drop(at) => {
            run(format!("DELETE FROM records WHERE sequence = {at}"));
            if at == RECORDS - 1 {
                format!("the end was cut off: the head is record {at}")
            } else {
                format!("record {at} is missing")
            }
        }
        Tampering::Swap(one, other) => {
            run(format!(
                "UPDATE records SET sequence = 100 WHERE sequence = {one};
                 UPDATE records SET sequence = {one} WHERE sequence = {other};
                 UPDATE records SET sequence = {other} WHERE sequence = 100;"
            ));
            format!("record {}", one.min(other))
        }
        Tampering::Truncate(at) => {
            run(format!("DELETE FROM records WHERE sequence >= {at}"));
            "the end was cut off".to_owned()
        }
        Tampering::Repeat(at) => {
            run(format!(
                "INSERT INTO records SELECT run, {RECORDS}, at_ms, previous, body, hash, mac FROM records WHERE sequence = {at}"
            ));
            format!("record {RECORDS}")
        }
        Tampering::Picture(at, gone) => {
            let body: String = database
                .query_row(
                    &format!("SELECT body FROM records WHERE sequence = {at}"),
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            let id = body["frame"].as_str().unwrap();
            run(if gone {
                format!("PRAGMA foreign_keys = OFF; DELETE FROM frames WHERE id = '{id}'")
            } else {
                format!("UPDATE frames SET png = x'00' WHERE id = '{id}'")
            });
            format!("record {at}: frame {id} is missing or changed")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_done_to_a_chain_is_found_and_named(what in tampering()) {
        let folder = tempfile::tempdir().unwrap();
        let (journal, run) = written(folder.path());
        prop_assert!(journal.verify(&run).unwrap().is_whole());
        let database = Connection::open(journal.file()).unwrap();
        database.execute_batch("DROP TRIGGER records_are_final").unwrap();
        let words = tamper(&database, &what);
        let found = journal.verify(&run).unwrap();
        prop_assert!(
            found.problems.first().is_some_and(|problem| problem.contains(&words)),
            "{:?} is not named by {:?}: {:?}", what, words, found.problems
        );
    }
}
