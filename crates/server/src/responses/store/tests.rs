use serde_json::json;

use super::*;

fn record(id: &str, previous: Option<&str>, created: u64) -> Record {
    Record {
        previous: previous.map(str::to_owned),
        owner: "me".to_owned(),
        input: vec![json!({"type": "message", "role": "user", "content": format!("to {id}")})],
        object: json!({"id": id, "created_at": created, "status": "completed", "output": [{"said": id}]}),
        events: None,
    }
}

fn ids(store: &Responses, all: &[&str]) -> Vec<String> {
    let there = |id: &&&str| store.find(id, &Sight::All).unwrap().is_some();
    all.iter().filter(there).map(|id| (*id).to_owned()).collect()
}

#[test]
fn what_was_kept_is_there_after_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("responses.sqlite");
    let open = || Responses::open(&file, Retention::default()).unwrap();
    let store = open();
    store.keep(&record("a", None, 5)).unwrap();
    store.keep(&record("b", Some("a"), 6)).unwrap();
    let mut running = record("c", Some("b"), 7);
    running.object["status"] = "in_progress".into();
    store.keep(&running).unwrap();
    // Not closed, as after a kill: another one sees all of it.
    std::mem::forget(store);
    let store = open();
    assert_eq!(
        store.find("a", &Sight::All).unwrap().unwrap(),
        record("a", None, 5).object
    );
    let items = store.items("b", &Sight::All, true).unwrap().unwrap();
    let said: Vec<&Value> = items
        .iter()
        .map(|item| item.get("said").unwrap_or(&item["content"]))
        .collect();
    assert_eq!(said, ["to a", "a", "to b", "b"]);
    assert_eq!(store.items("b", &Sight::All, false).unwrap().unwrap().len(), 3);
    assert_eq!(store.items("x", &Sight::All, false).unwrap(), None);
    let ended = store.find("c", &Sight::All).unwrap().unwrap();
    assert_eq!(
        (&ended["status"], &ended["error"]["code"]),
        (&json!("failed"), &json!("server_error"))
    );
}

#[test]
fn what_is_deleted_is_gone_and_what_goes_on_from_it_stays() {
    let store = Responses::memory(Retention::default());
    for (id, previous) in [("a", None), ("b", Some("a")), ("c", Some("b"))] {
        store.keep(&record(id, previous, 1)).unwrap();
    }
    assert!(store.delete("a", &Sight::All).unwrap() && !store.delete("a", &Sight::All).unwrap());
    assert!(store.delete("b", &Sight::All).unwrap());
    assert_eq!(ids(&store, &["a", "b", "c"]), ["c"]);
    assert_eq!(store.items("a", &Sight::All, true).unwrap(), None);
    assert_eq!(store.items("c", &Sight::All, true).unwrap().unwrap().len(), 6);
    assert!(store.delete("c", &Sight::All).unwrap());
    let rows = store.read(|connection| {
        connection.query_row("SELECT count(*) FROM responses", [], |row| row.get::<_, i64>(0))
    });
    assert_eq!(rows.unwrap(), 0);
}

#[test]
fn what_is_somebodys_is_not_there_for_others() {
    let store = Responses::memory(Retention::default());
    for (id, owner) in [("a", "me"), ("b", "you"), ("c", "")] {
        let owner = owner.to_owned();
        store
            .keep(&Record {
                owner,
                ..record(id, None, 1)
            })
            .unwrap();
    }
    let own = |owner: &str| Sight::Own(owner.to_owned());
    let seen = |sight: &Sight| -> Vec<&str> {
        let all = ["a", "b", "c"].into_iter();
        all.filter(|id| {
            let found = store.find(id, sight).unwrap().is_some();
            assert_eq!(store.items(id, sight, true).unwrap().is_some(), found);
            found
        })
        .collect()
    };
    assert_eq!(seen(&own("me")), ["a"]);
    assert_eq!(seen(&own("you")), ["b"]);
    assert_eq!(seen(&own("")), ["c"]);
    assert_eq!(seen(&Sight::All), ["a", "b", "c"]);
    assert!(!store.delete("a", &own("you")).unwrap() && store.delete("a", &own("me")).unwrap());
    assert!(store.delete("b", &Sight::All).unwrap());
    assert_eq!(seen(&Sight::All), ["c"]);
}

#[test]
fn number_size_and_age_have_limits() {
    let store = Responses::memory(Retention {
        responses: 3,
        bytes: 1000,
        age: Duration::from_secs(100),
    });
    store.keep(&record("a", None, 1000)).unwrap();
    store.keep(&record("b", None, 1001)).unwrap();
    store.keep(&record("a2", Some("a"), 1002)).unwrap();
    // Of the two conversations the second was left first.
    store.keep(&record("c", None, 1003)).unwrap();
    assert_eq!(ids(&store, &["a", "a2", "b", "c"]), ["a", "a2", "c"]);
    store.keep(&record("d", None, 1102)).unwrap();
    assert_eq!(ids(&store, &["a", "a2", "c", "d"]), ["c", "d"]);
    store.keep(&record("e", None, 1104)).unwrap();
    assert_eq!(ids(&store, &["c", "d", "e"]), ["d", "e"]);
    let mut large = record("f", None, 1104);
    large.input = vec![Value::from("x".repeat(700))];
    store.keep(&large).unwrap();
    assert_eq!(ids(&store, &["d", "e", "f"]), ["e", "f"]);
}

#[test]
fn nobody_pushes_out_what_others_keep() {
    let store = Responses::memory(Retention {
        responses: 4,
        bytes: 3000,
        ..Retention::default()
    });
    let keep = |id: &str, owner: &str, length: usize| {
        let record = Record {
            owner: owner.to_owned(),
            input: vec![Value::from("x".repeat(length))],
            ..record(id, None, 1)
        };
        store.keep(&record).unwrap();
    };
    keep("a", "me", 1);
    for id in ["b", "c", "d", "e", "f"] {
        keep(id, "you", 1);
    }
    assert_eq!(ids(&store, &["a", "b", "c", "d", "e", "f"]), ["a", "d", "e", "f"]);
    // Where bytes are too many, who has most bytes gives way.
    keep("g", "me", 1500);
    assert_eq!(ids(&store, &["a", "d", "e", "f", "g"]), ["a", "e", "f", "g"]);
    keep("h", "you", 1300);
    assert_eq!(ids(&store, &["a", "e", "f", "g", "h"]), ["e", "f", "h"]);
}

#[test]
fn a_full_disk_is_said_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Responses::open(&folder.path().join("full.sqlite"), Retention::default()).unwrap();
    store.check().unwrap();
    store.keep(&record("a", None, 1)).unwrap();
    let pages = "PRAGMA max_page_count = 24";
    store
        .read(|connection| connection.query_row(pages, [], |_| Ok(())))
        .unwrap();
    let mut large = record("b", None, 2);
    large.input = vec![Value::from("x".repeat(100_000))];
    let problem = store.keep(&large).unwrap_err();
    assert_eq!(
        (problem.kind, problem.code),
        (Kind::Storage, Some("storage_full"))
    );
    assert!(problem.message.contains("store"), "{problem}");
    assert_eq!(ids(&store, &["a", "b"]), ["a"]);
    store.keep(&record("c", Some("a"), 3)).unwrap();
    assert_eq!(store.items("c", &Sight::All, true).unwrap().unwrap().len(), 4);
}

#[test]
fn other_files_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (text, other) = (
        folder.path().join("notes.txt"),
        folder.path().join("other.sqlite"),
    );
    std::fs::write(
        &text,
        "mine, and long enough to be something else altogether".repeat(20),
    )
    .unwrap();
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE mine (x)")
        .unwrap();
    for file in [&text, &other, &folder.path().join("none").join("x.sqlite")] {
        let before = std::fs::read(file).ok();
        assert!(
            Responses::open(file, Retention::default()).is_err(),
            "{}",
            file.display()
        );
        assert_eq!(std::fs::read(file).ok(), before);
    }
}
