//! Files of every kind of damage: none causes a panic, and none is used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aurore_model::Snapshot;
use tempfile::TempDir;

use super::key::{PathKey, path_keys};
use super::reader::Reader;
use super::shelf::Shelf;
use super::{DiskLimits, Model};
use crate::cache::block_keys;
use crate::cache::tests::Dice;
use crate::engine::tests::engine;
use crate::{Choosing, Limits, Priority, Prompt, Request, Scheduler};

/// Times that files are damaged and looked at.
const ROUNDS: usize = 400;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn limits(folder: &TempDir) -> DiskLimits {
    DiskLimits {
        folder: folder.path().join("cache"),
        bytes: 1 << 30,
        spare: 0,
        hourly: None,
        identity: b"fuzz".to_vec(),
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Files {
    let mut all = Files::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.append(&mut files(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            all.insert(path, bytes);
        }
    }
    all
}

/// What a snapshot holds: its blocks, then its state.
fn content(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let blocks = (0..snapshot.len() / Snapshot::EVERY).map(|number| {
        let mut bytes = Vec::new();
        assert!(snapshot.write_block(number, &mut bytes));
        bytes
    });
    let mut all: Vec<Vec<u8>> = blocks.collect();
    let mut state = Vec::new();
    snapshot.write_state(&mut state);
    all.push(state);
    all
}

/// The deepest state of a path, read as after a restart.
fn restored(limits: &DiskLimits, model: &Arc<Model>, path: &[PathKey]) -> Option<Snapshot> {
    let shelf = Arc::new(Shelf::open(limits, model).unwrap());
    Reader::new(shelf, Arc::clone(model)).restore(path, None)
}

fn random(dice: &mut Dice, length: usize) -> Vec<u8> {
    (0..length).map(|_| dice.below(256) as u8).collect()
}

/// Does something to one file of the folder.
fn damage(dice: &mut Dice, good: &Files) {
    let names: Vec<&PathBuf> = good.keys().collect();
    let (name, other) = (names[dice.below(names.len())], names[dice.below(names.len())]);
    let mut bytes = good[name].clone();
    match dice.below(9) {
        0 => bytes = random(dice, bytes.len()),
        1 => {
            let length = dice.below(2 * bytes.len());
            bytes = random(dice, length);
        }
        2 => bytes.truncate(dice.below(bytes.len())),
        3 => {
            let more = dice.below(200) + 1;
            bytes.extend(random(dice, more));
        }
        4 => {
            for _ in 0..=dice.below(4) {
                let at = dice.below(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
        }
        // In the head, where lengths and kinds stand.
        5 => {
            let at = dice.below(100.min(bytes.len()));
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)];
        }
        6 => {
            let from = dice.below(bytes.len());
            bytes[from..].fill(0);
        }
        7 => {
            let from = dice.below(bytes.len().min(good[other].len()));
            bytes.truncate(from);
            bytes.extend(&good[other][from..]);
        }
        // Another name, and what nobody wrote.
        _ => {
            let folder = name.parent().unwrap();
            let own = name.file_name().unwrap().to_str().unwrap();
            let strange = ["", "x", "partial-", "ffffffff-", own];
            let strange = format!("{}{}.kv", strange[dice.below(5)], dice.below(1000));
            fs::write(folder.join(strange), &bytes).unwrap();
            let _ = fs::rename(name, other);
            return;
        }
    }
    fs::write(name, bytes).unwrap();
}

#[test]
fn no_damage_is_used() {
    let folder = TempDir::new().unwrap();
    let limits = limits(&folder);
    let engine = engine();
    let mut prompt = Prompt::text((0..400u32).map(|id| (id * 7 + id / 64) % 200).collect());
    prompt.marks = vec![200];
    let path = path_keys(&block_keys(&prompt, None, &[]));
    let scheduler = Scheduler::start(
        engine.clone(),
        Limits {
            disk: Some(limits.clone()),
            ..Limits::default()
        },
    )
    .unwrap();
    let request = Request {
        prompt,
        choosing: Choosing {
            max_new_tokens: 1,
            ..Choosing::default()
        },
        priority: Priority::Normal,
    };
    scheduler.submit(request).unwrap().wait().unwrap();
    scheduler.drain(Duration::from_mins(1));
    drop(scheduler);
    let good = files(folder.path());
    let model = engine.model();
    // What each state holds, by its depth.
    let expected: BTreeMap<usize, Vec<Vec<u8>>> = (1..=path.len())
        .filter_map(|depth| restored(&limits, model, &path[..depth]))
        .map(|snapshot| (snapshot.len(), content(&snapshot)))
        .collect();
    assert!(expected.len() > 1, "{:?}", expected.keys());
    let deepest = *expected.keys().last().unwrap();
    let mut dice = Dice(4);
    let (mut none, mut less, mut all) = (0, 0, 0);
    for round in 0..ROUNDS {
        fs::remove_dir_all(&limits.folder).unwrap();
        for (name, bytes) in &good {
            fs::create_dir_all(name.parent().unwrap()).unwrap();
            fs::write(name, bytes).unwrap();
        }
        for _ in 0..=dice.below(3) {
            damage(&mut dice, &good);
        }
        // Twice: what was dropped the first time is not there for the second.
        for _ in 0..2 {
            match restored(&limits, model, &path) {
                None => none += 1,
                Some(snapshot) => {
                    assert!(
                        content(&snapshot) == expected[&snapshot.len()],
                        "round {round}: a state of {} tokens is another",
                        snapshot.len()
                    );
                    less += usize::from(snapshot.len() < deepest);
                    all += usize::from(snapshot.len() == deepest);
                }
            }
        }
    }
    assert!(none > 20 && less > 20 && all > 20, "{none} {less} {all}");
}
