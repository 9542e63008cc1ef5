//! What was read before a restart is found after it, to the bit or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::tests::{ENGINE, alone, cases, greedy, request};
use super::{Limits, Scheduler, Statistics};
use crate::cache::tests::Dice;
use crate::{DiskLimits, DiskStatistics, Prompt};

fn disk(folder: &TempDir) -> DiskLimits {
    DiskLimits {
        folder: folder.path().join("cache"),
        bytes: 1 << 30,
        spare: 0,
        hourly: None,
        identity: b"golden".to_vec(),
    }
}

fn start(disk: DiskLimits) -> Scheduler {
    let limits = Limits {
        disk: Some(disk),
        ..Limits::default()
    };
    Scheduler::start(ENGINE.clone(), limits).unwrap()
}

/// Tokens of a prompt that were known, and what the scheduler says when it has ended.
fn ask_once(disk: DiskLimits, prompts: &[&Prompt]) -> (Vec<usize>, Statistics) {
    let scheduler = start(disk);
    let ask = |prompt: &&Prompt| {
        let answer = scheduler.submit(request((*prompt).clone(), greedy(6))).unwrap();
        let (ids, finished) = answer.wait().unwrap();
        assert_eq!(ids, alone(prompt, &greedy(6)).0);
        finished.usage.cached_tokens
    };
    let cached = prompts.iter().map(ask).collect();
    scheduler.drain(Duration::from_mins(1));
    (cached, scheduler.statistics())
}

fn text(tokens: u32, step: u32) -> Prompt {
    let mut prompt = Prompt::text((0..tokens).map(|id| (id * step + id / 64) % 200).collect());
    prompt.marks = vec![tokens as usize / 2];
    prompt
}

/// All files of the cache.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}

fn states(folder: &TempDir) -> Vec<PathBuf> {
    let mut all = files(folder.path());
    all.retain(|file| file.extension().is_some_and(|ending| ending == "state"));
    all
}

fn of_disk(statistics: &Statistics) -> DiskStatistics {
    statistics.disk.unwrap()
}

#[test]
fn a_restart_forgets_nothing() {
    let folder = TempDir::new().unwrap();
    let long = text(1000, 7);
    let (cached, before) = ask_once(disk(&folder), &[&long]);
    assert_eq!(cached, [0]);
    let before = of_disk(&before);
    // At 448 (the mark), 512 and 960.
    assert_eq!((before.states, before.failed), (3, 0));
    assert_eq!(before.bytes, before.written_bytes);
    let mut longer = long.clone();
    longer.ids.extend(1..100);
    longer.positions = (0..longer.len() as u32).map(|at| [at; 3]).collect();
    let mut edited = long.clone();
    edited.ids[700] = 201;
    let (cached, after) = ask_once(disk(&folder), &[&edited, &long, &longer]);
    assert_eq!(cached, [512, 960, 960]);
    // Where the edited one parted there is a state in memory, of 640 tokens.
    assert_eq!(of_disk(&after).tokens, 512 + 320);
    // The same again was written once.
    let (cached, after) = ask_once(disk(&folder), &[&long, &longer, &edited]);
    assert_eq!(cached, [960, 1088, 960]);
    assert_eq!(of_disk(&after).written_bytes, 0);
}

#[test]
fn damage_is_noticed_and_dropped() {
    type Damage = (&'static str, fn(&Path));
    let long = text(1000, 7);
    let damages: [Damage; 5] = [
        ("a flipped bit", |file| {
            let mut bytes = fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            fs::write(file, bytes).unwrap();
        }),
        ("a torn file", |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 100]).unwrap();
        }),
        ("an empty file", |file| fs::write(file, []).unwrap()),
        ("another file's content", |file| {
            let ending = file.extension().unwrap();
            let others = fs::read_dir(file.parent().unwrap()).unwrap();
            let mut others = others.map(|other| other.unwrap().path());
            let other = others.find(|other| other != file && other.extension() == Some(ending));
            fs::copy(other.unwrap(), file).unwrap();
        }),
        ("a folder", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let folder = TempDir::new().unwrap();
        ask_once(disk(&folder), &[&long]);
        let deepest = states(&folder).pop().unwrap();
        damage(&deepest);
        let (cached, after) = ask_once(disk(&folder), &[&long]);
        assert_eq!(cached, [512], "{name}");
        let found = of_disk(&after).damaged;
        assert_eq!(found, u64::from(name != "a folder"), "{name}");
        // A block on the way: what is before it still serves.
        let folder = TempDir::new().unwrap();
        ask_once(disk(&folder), &[&long]);
        let mut blocks = files(folder.path());
        blocks.retain(|file| file.extension().is_some_and(|ending| ending == "kv"));
        damage(&blocks[7]);
        let (cached, _) = ask_once(disk(&folder), &[&long]);
        assert_eq!(cached, [448], "{name}");
        // It was read and written again.
        let (cached, after) = ask_once(disk(&folder), &[&long]);
        if name != "a folder" {
            assert_eq!((cached, of_disk(&after).damaged), (vec![960], 0), "{name}");
        }
    }
}

#[test]
fn other_checkpoints_files_are_not_believed() {
    let folder = TempDir::new().unwrap();
    let long = text(1000, 7);
    ask_once(disk(&folder), &[&long]);
    let other = DiskLimits {
        identity: b"another".to_vec(),
        ..disk(&folder)
    };
    let (cached, after) = ask_once(other.clone(), &[&long]);
    assert_eq!((cached, of_disk(&after).damaged), (vec![0], 0));
    // Even if somebody puts them there: they have the same names.
    let all = files(folder.path());
    let (one, two) = all.split_at(all.len() / 2);
    for (one, two) in one.iter().zip(two) {
        assert_eq!(one.file_name(), two.file_name());
        let content = fs::read(one).unwrap();
        fs::copy(two, one).unwrap();
        fs::write(two, content).unwrap();
    }
    let (cached, after) = ask_once(other, &[&long]);
    assert_eq!(cached, [0]);
    assert!(of_disk(&after).damaged > 0);
}

#[test]
fn the_folder_stays_below_its_limit() {
    let folder = TempDir::new().unwrap();
    let prompts: Vec<Prompt> = (0..12).map(|number| text(500, 3 + number)).collect();
    let (_, plenty) = ask_once(disk(&folder), &[&prompts[0]]);
    let one = of_disk(&plenty).bytes;
    let limits = DiskLimits {
        bytes: one * 4,
        ..disk(&folder)
    };
    for prompt in &prompts {
        let (_, after) = ask_once(limits.clone(), &[prompt]);
        let there: u64 = files(folder.path())
            .iter()
            .map(|file| file.metadata().unwrap().len())
            .sum();
        assert_eq!((of_disk(&after).bytes, of_disk(&after).failed), (there, 0));
        assert!(there <= limits.bytes, "{there}");
    }
    let (cached, _) = ask_once(limits.clone(), &[&prompts[11], &prompts[10], &prompts[0]]);
    assert_eq!(cached, [448, 448, 0]);
    // A conversation that is larger than half of it is not begun.
    let small = DiskLimits {
        bytes: one,
        ..disk(&folder)
    };
    let (_, after) = ask_once(small, &[&text(1000, 99)]);
    assert!(of_disk(&after).bytes <= one);
    // What is not the cache's is left alone.
    let notes = folder.path().join("cache").join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    let none = DiskLimits {
        bytes: 0,
        ..disk(&folder)
    };
    ask_once(none, &[&prompts[3]]);
    assert_eq!(files(folder.path()), [notes]);
}

#[test]
fn a_disk_that_refuses_breaks_nothing() {
    let folder = TempDir::new().unwrap();
    let long = text(1000, 7);
    // Full.
    let full = DiskLimits {
        spare: u64::MAX,
        ..disk(&folder)
    };
    let (cached, after) = ask_once(full, &[&long, &long, &text(700, 5)]);
    assert_eq!(cached, [0, 960, 0]);
    assert!(of_disk(&after).failed > 0);
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
    // Worn enough for this hour: what was begun is written, and nothing after it.
    let worn = DiskLimits {
        hourly: Some(1),
        ..disk(&folder)
    };
    let (cached, after) = ask_once(worn, &[&text(300, 3), &long]);
    let after = of_disk(&after);
    assert_eq!((cached, after.states, after.failed), (vec![0, 0], 1, 0));
    assert!(after.held_back > 0);
    fs::remove_dir_all(folder.path().join("cache")).unwrap();
    // No folder can be made.
    fs::write(folder.path().join("file"), "").unwrap();
    let blocked = DiskLimits {
        folder: folder.path().join("file"),
        ..disk(&folder)
    };
    let (cached, after) = ask_once(blocked, &[&long, &long]);
    assert_eq!((cached, after.disk), (vec![0, 960], None));
    // The folder goes away while it is used.
    let scheduler = start(disk(&folder));
    fs::remove_dir_all(folder.path().join("cache")).unwrap();
    let answer = scheduler.submit(request(long.clone(), greedy(6))).unwrap();
    assert_eq!(answer.wait().unwrap().0, alone(&long, &greedy(6)).0);
    scheduler.drain(Duration::from_mins(1));
    assert!(of_disk(&scheduler.statistics()).failed > 0);
}

#[test]
fn restarts_and_damage_change_no_answer() {
    let folder = TempDir::new().unwrap();
    let mut dice = Dice(31);
    let (cases, one) = cases(24, &mut dice);
    let mut sum = DiskStatistics::default();
    for round in 0..12 {
        let mut disk = disk(&folder);
        disk.bytes = [1 << 30, one * 10][round / 8];
        let limits = Limits {
            batch: [17, 1, 4][dice.below(3)],
            memory: one * [2, 3, 200][dice.below(3)],
            piece: [64, 200, 512][dice.below(3)],
            queue: 100,
            disk: Some(disk),
            ..Limits::default()
        };
        let scheduler = Scheduler::start(ENGINE.clone(), limits.clone()).unwrap();
        let mut answers = Vec::new();
        for _ in 0..14 {
            let (prompt, choosing, expected) = &cases[dice.below(cases.len())];
            let mut answer = scheduler
                .submit(request(prompt.clone(), choosing.clone()))
                .unwrap();
            match dice.below(8) {
                0 => drop(answer),
                1 => _ = answer.next(),
                _ => answers.push((answer, expected)),
            }
        }
        for (answer, expected) in answers {
            let (ids, finished) = answer.wait().unwrap();
            assert_eq!(
                (&ids, finished.finish),
                (&expected.0, expected.1),
                "round {round}"
            );
        }
        scheduler.drain(Duration::from_mins(1));
        let statistics = scheduler.statistics();
        assert_eq!(
            (statistics.running, statistics.waiting, statistics.reserved_bytes),
            (0, 0, 0)
        );
        assert!(statistics.cache_bytes <= limits.memory);
        let now = of_disk(&statistics);
        sum.tokens += now.tokens;
        sum.damaged += now.damaged;
        for file in files(folder.path()) {
            let mut bytes = fs::read(&file).unwrap();
            match dice.below(40) {
                0 => bytes.truncate(dice.below(bytes.len())),
                1 => {
                    let at = dice.below(bytes.len());
                    bytes[at] ^= 1 << dice.below(8);
                }
                2 => fs::remove_file(&file).unwrap(),
                _ => continue,
            }
            if file.exists() {
                fs::write(&file, bytes).unwrap();
            }
        }
    }
    assert!(sum.tokens > 1000 && sum.damaged > 3, "{sum:?}");
}
