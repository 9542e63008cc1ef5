//! Packed checkpoints: written, stopped, resumed, read, damaged.

use std::fs;
use std::path::{Path, PathBuf};

use aurore_checkpoint::packed::{EntryKind, PackPlan, Packed, Writer, single_tensors};
use aurore_checkpoint::{Checkpoint, CheckpointError, Weights, matrices};
use tempfile::TempDir;

use crate::folder::{assert_says, golden};

const FILES: [&str; 2] = ["config.json", "tokenizer.json"];

/// What a plan's entries hold: real files and tensors, and numbers made up for the matrices.
fn content(source: &Checkpoint, kind: EntryKind, name: &str, bytes: [u64; 2]) -> [Vec<u8>; 2] {
    match kind {
        EntryKind::File => [source.files().read(name).unwrap().unwrap().into_owned(), vec![]],
        EntryKind::Tensor => {
            let values = source.tensor(name).unwrap().to_f32();
            [values.iter().flat_map(|x| x.to_le_bytes()).collect(), vec![]]
        }
        EntryKind::Matrix => {
            let seed = name.bytes().map(usize::from).sum::<usize>();
            bytes.map(|size| {
                (0..size as usize)
                    .map(|i| ((i * 31 + seed) % 251) as u8)
                    .collect()
            })
        }
    }
}

fn plan(source: &Checkpoint, shard_bytes: Option<u64>) -> PackPlan {
    let mut plan = PackPlan::new(7, shard_bytes);
    plan.provenance("source", source.fingerprint());
    for name in FILES {
        if let Some(content) = source.files().read(name).unwrap() {
            plan.file(name, content.len() as u64);
        }
    }
    for (name, shape) in single_tensors(source.config(), source.has_mtp()) {
        plan.tensor(&name, &shape);
    }
    for spec in matrices(source.config(), source.has_mtp()) {
        let bytes = [spec.elements(), spec.rows() as u64 * 2];
        plan.matrix(&spec.key, "made-up", spec.rows(), spec.columns, bytes);
    }
    plan
}

/// Writes entries `from..to` of the plan that are not done; how many that were.
fn write(writer: &mut Writer, source: &Checkpoint, plan: &PackPlan, range: std::ops::Range<usize>) -> usize {
    let mut written = 0;
    for index in range.filter(|index| !writer.is_done(*index)).collect::<Vec<_>>() {
        let entry = &plan.entries()[index];
        let [elements, scales] = content(source, entry.kind, &entry.name, entry.bytes);
        writer.write(index, [&elements, &scales]).unwrap();
        written += 1;
    }
    written
}

fn pack(source: &Checkpoint, path: &Path, shard_bytes: Option<u64>) -> PathBuf {
    let plan = plan(source, shard_bytes);
    let mut writer = Writer::open(path, plan.clone(), false, |_| ()).unwrap();
    write(&mut writer, source, &plan, 0..plan.entries().len());
    writer.finish().unwrap()
}

fn assert_same(source: &Checkpoint, packed: &Checkpoint) {
    assert_eq!(packed.config(), source.config());
    assert_eq!(packed.total_parameters(), source.total_parameters());
    for name in FILES {
        assert_eq!(
            packed.files().read(name).unwrap(),
            source.files().read(name).unwrap()
        );
    }
    for entry in packed.packed_file().unwrap().entries() {
        let expected = content(source, entry.kind, &entry.name, entry.bytes);
        match entry.kind {
            EntryKind::File => {}
            EntryKind::Tensor => assert_eq!(*packed.tensor(&entry.name).unwrap().bytes, expected[0]),
            EntryKind::Matrix => {
                let matrix = packed.packed(&entry.name).unwrap().unwrap();
                assert_eq!([matrix.elements, matrix.scales], [&*expected[0], &*expected[1]]);
                assert_eq!((matrix.format, entry.offset % 4096), ("made-up", 0));
            }
        }
    }
}

#[test]
fn what_is_packed_is_read_again() {
    for name in ["dense", "moe", "moe-per-expert", "text-only"] {
        let source = Checkpoint::open(&golden(name)).unwrap();
        let folder = TempDir::new().unwrap();
        let file = pack(&source, &folder.path().join("model.aurore"), None);
        assert_eq!(file, folder.path().join("model.aurore"));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left over"
        );
        let packed = Checkpoint::open(&file).unwrap();
        assert_same(&source, &packed);
        assert_same(&source, &Checkpoint::open(folder.path()).unwrap());
        packed.packed_file().unwrap().check(|_| ()).unwrap();
        assert_eq!(packed.packed_file().unwrap().layout(), 7);
        assert_eq!(packed.fingerprint(), packed.hash());
        let part = "model.language_model.layers.0.linear_attn.out_proj.weight";
        assert_says(&packed.tensor(part).unwrap_err().to_string(), &[part, "hint"]);
    }
}

#[test]
fn shards_are_read_from_any_way_in_and_must_be_of_one_set() {
    let source = Checkpoint::open(&golden("dense")).unwrap();
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = pack(&source, &folder.path().join("model.aurore"), Some(200_000));
    let count = fs::read_dir(folder.path()).unwrap().count();
    assert!(count > 2);
    let shard = |number: usize| format!("model-{number:05}-of-{count:05}.aurore");
    assert_eq!(first.file_name().unwrap().to_str(), Some(&*shard(1)));
    assert_same(&source, &Checkpoint::open(&first).unwrap());
    assert_same(&source, &Checkpoint::open(folder.path()).unwrap());
    let refuse = |path: &Path, says: &[&str]| {
        assert_says(&Checkpoint::open(path).unwrap_err().to_string(), says);
    };
    refuse(&folder.path().join(shard(2)), &["shard 2", "first file"]);
    fs::remove_file(folder.path().join(shard(2))).unwrap();
    refuse(&first, &[&shard(2), "hint"]);
    let text = Checkpoint::open(&golden("text-only")).unwrap();
    pack(&text, &other.path().join("model.aurore"), Some(30_000));
    let second = fs::read_dir(other.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let second = second
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("-00002-"))
        .unwrap();
    fs::copy(second, folder.path().join(shard(2))).unwrap();
    refuse(&first, &["another set", &shard(2)]);
}

#[test]
fn a_stopped_run_goes_on_and_repeats_only_what_was_damaged() {
    let source = Checkpoint::open(&golden("moe")).unwrap();
    for shard_bytes in [None, Some(100_000)] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("model.aurore");
        let plan = plan(&source, shard_bytes);
        let (all, half) = (plan.entries().len(), plan.entries().len() / 2);
        let mut writer = Writer::open(&path, plan.clone(), false, |_| ()).unwrap();
        assert_eq!(write(&mut writer, &source, &plan, 0..half), half);
        drop(writer);
        assert!(Checkpoint::open(folder.path()).is_err());
        // A kill may cut the journal's last line short.
        let journal = folder.path().join("model.aurore.journal");
        let mut text = fs::read_to_string(&journal).unwrap();
        text.truncate(text.len() - 3);
        fs::write(&journal, text).unwrap();
        // And a crash of the machine may lose what was noted as written.
        let entry = &plan.entries()[half / 2];
        let partial = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut partials: Vec<_> = partial
            .filter(|path| path.extension().unwrap() == "partial")
            .collect();
        partials.sort();
        let mut bytes = fs::read(&partials[entry.shard]).unwrap();
        bytes[entry.offset as usize] ^= 1;
        fs::write(&partials[entry.shard], bytes).unwrap();

        let mut compared = 0;
        let mut writer = Writer::open(&path, plan.clone(), false, |_| compared += 1).unwrap();
        assert_eq!(compared, half - 1);
        assert_eq!(write(&mut writer, &source, &plan, 0..all), all - half + 2);
        let file = writer.finish().unwrap();
        assert_same(&source, &Checkpoint::open(&file).unwrap());
        let fresh = TempDir::new().unwrap();
        let whole = pack(&source, &fresh.path().join("model.aurore"), shard_bytes);
        assert_eq!(
            fs::read(&file).unwrap(),
            fs::read(whole).unwrap(),
            "a resumed file is the same file"
        );
    }
}

#[test]
fn another_plan_starts_anew_and_a_finished_file_is_not_replaced_unasked() {
    let source = Checkpoint::open(&golden("text-only")).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.aurore");
    let first = plan(&source, None);
    let mut writer = Writer::open(&path, first.clone(), false, |_| ()).unwrap();
    write(&mut writer, &source, &first, 0..5);
    assert!(matches!(
        writer.finish(),
        Err(CheckpointError::MissingTensor { .. })
    ));
    let mut other = first.clone();
    other.provenance("formats", "others");
    let mut writer = Writer::open(&path, other.clone(), false, |_| ()).unwrap();
    assert!(!writer.is_done(0));
    let short = writer.write(0, [&[1, 2, 3], &[]]).unwrap_err().to_string();
    assert_says(&short, &["config.json", "expected"]);
    write(&mut writer, &source, &other, 0..other.entries().len());
    writer.finish().unwrap();
    let again = Writer::open(&path, other.clone(), false, |_| ()).err().unwrap();
    assert_says(&again.to_string(), &["exists already", "--force"]);
    assert!(Writer::open(&path, other, true, |_| ()).is_ok());
    assert!(
        Checkpoint::open(&path).is_ok(),
        "the old file stays until the new one is finished"
    );
}

#[test]
fn damage_is_named() {
    let source = Checkpoint::open(&golden("dense")).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.aurore");
    let good = fs::read(pack(&source, &path, None)).unwrap();
    let packed = Packed::open(&path).unwrap();
    let key = "layers.0.linear_attn.input";
    let place = packed.entry(EntryKind::Matrix, key).unwrap().offset as usize;
    let config_end = 4096 + source.files().read("config.json").unwrap().unwrap().len();
    drop(packed);
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Checkpoint::open(&path)
    };
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        bytes
    };
    for (bytes, says) in [
        (changed(0), &["no packed checkpoint"][..]),
        (
            changed(8),
            &[
                "version 33 of the packed file",
                "reads 1",
                "pack the checkpoint again",
            ],
        ),
        (changed(17), &["first page was altered"]),
        (changed(good.len() - 10), &["header was altered"]),
        (changed(4100), &["config.json", "was altered", "byte 4096"]),
        (good[..good.len() - 1].to_vec(), &["the file ends at"]),
        (
            good[..good.len() / 2].to_vec(),
            &["the file ends at", "damaged or cut short"],
        ),
        (good[..3000].to_vec(), &["ends within its first page"]),
        (good[..12].to_vec(), &["ends within its first page"]),
        (Vec::new(), &["no packed checkpoint"]),
    ] {
        assert_says(&open(&bytes).unwrap_err().to_string(), says);
    }
    // Holes between entries hold nothing.
    assert!(open(&changed(config_end)).is_ok());
    let packed = open(&changed(place + 3)).unwrap();
    let says = [key, "was altered", "checksum"];
    assert_says(&packed.packed(key).unwrap_err().to_string(), &says);
    assert_says(
        &packed
            .packed_file()
            .unwrap()
            .check(|_| ())
            .unwrap_err()
            .to_string(),
        &says,
    );
    assert!(packed.packed("head").unwrap().is_some());
}

#[test]
fn a_file_for_another_configuration_is_refused() {
    let source = Checkpoint::open(&golden("dense")).unwrap();
    let refuse = |change: &dyn Fn(&mut PackPlan), says: &[&str]| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("model.aurore");
        let mut changed = PackPlan::new(7, None);
        for entry in plan(&source, None).entries() {
            match entry.kind {
                EntryKind::File => changed.file(&entry.name, entry.bytes[0]),
                EntryKind::Tensor => changed.tensor(&entry.name, &entry.shape),
                EntryKind::Matrix if entry.name == "head" => {}
                EntryKind::Matrix => {
                    changed.matrix(&entry.name, "q8", entry.shape[0], entry.shape[1], entry.bytes);
                }
            }
        }
        change(&mut changed);
        let mut writer = Writer::open(&path, changed.clone(), false, |_| ()).unwrap();
        for (index, entry) in changed.entries().iter().enumerate() {
            let [elements, scales] = content(&source, entry.kind, &entry.name, entry.bytes);
            writer.write(index, [&elements, &scales]).unwrap();
        }
        writer.finish().unwrap();
        assert_says(&Checkpoint::open(&path).unwrap_err().to_string(), says);
    };
    refuse(&|_| (), &["head", "is missing"]);
    refuse(
        &|plan| plan.matrix("head", "q8", 8, 8, [64, 0]),
        &["head", "expected shape", "[8, 8]"],
    );
    refuse(
        &|plan| plan.matrix("surprise", "q8", 8, 8, [64, 0]),
        &["surprise", "no place"],
    );
    refuse(
        &|plan| plan.matrix("layers.0.linear_attn.input", "q8", 8, 8, [64, 0]),
        &["same name"],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_so() {
    let source = Checkpoint::open(&golden("text-only")).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.aurore");
    std::os::unix::fs::symlink("/dev/full", folder.path().join("model.aurore.partial")).unwrap();
    let plan = plan(&source, None);
    let mut writer = Writer::open(&path, plan.clone(), false, |_| ()).unwrap();
    let entry = &plan.entries()[0];
    let [elements, scales] = content(&source, entry.kind, &entry.name, entry.bytes);
    let error = writer.write(0, [&elements, &scales]).unwrap_err();
    assert!(matches!(error, CheckpointError::Full { .. }), "{error}");
    assert_says(&error.to_string(), &["disk is full", "goes on where it stopped"]);
}

/// Says to the process that it shall die in the middle of writing to this path.
const DIES: &str = "AURORE_TEST_WRITER_DIES_AT";

#[test]
fn a_killed_process_leaves_what_the_next_one_goes_on_from() {
    let source = Checkpoint::open(&golden("moe")).unwrap();
    let plan = plan(&source, None);
    let (all, half) = (plan.entries().len(), plan.entries().len() / 2);
    if let Some(path) = std::env::var_os(DIES) {
        let mut writer = Writer::open(Path::new(&path), plan.clone(), false, |_| ()).unwrap();
        write(&mut writer, &source, &plan, 0..half);
        std::process::abort();
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.aurore");
    let own = "packed::a_killed_process_leaves_what_the_next_one_goes_on_from";
    let killed = std::process::Command::new(std::env::current_exe().unwrap())
        .args([own, "--exact"])
        .env(DIES, &path)
        .output()
        .unwrap();
    assert!(!killed.status.success() && !path.exists());
    let mut writer = Writer::open(&path, plan.clone(), false, |_| ()).unwrap();
    assert_eq!(write(&mut writer, &source, &plan, 0..all), all - half);
    assert_same(&source, &Checkpoint::open(&writer.finish().unwrap()).unwrap());
}

#[test]
fn a_matrix_is_read_from_the_file_when_it_is_needed() {
    let source = Checkpoint::open(&golden("moe")).unwrap();
    for shard_bytes in [None, Some(200_000)] {
        let folder = TempDir::new().unwrap();
        let file = pack(&source, &folder.path().join("model.aurore"), shard_bytes);
        let packed = Checkpoint::open(&file).unwrap();
        // From a whole page on, as a disk fills it itself, and from a place between.
        let mut room = vec![0; 1 << 20];
        let page = room.as_ptr().align_offset(4096);
        for spec in matrices(source.config(), source.has_mtp()) {
            let expected = packed.packed(&spec.key).unwrap().unwrap();
            let stored = packed.stored(&spec.key).unwrap().unwrap();
            assert_eq!((stored.rows, stored.columns), (expected.rows, expected.columns));
            assert_eq!((stored.layout, stored.format.as_str()), (7, "made-up"));
            let expected = [expected.elements, expected.scales].concat();
            for from in [page, page + 1] {
                stored.read(&mut room[from..]).unwrap();
                assert_eq!(room[from..][..expected.len()], expected, "{}", spec.key);
            }
            let mut exact = vec![0; expected.len()];
            stored.read(&mut exact).unwrap();
            assert_eq!(exact, expected);
            let error = stored.read(&mut exact[1..]).unwrap_err().to_string();
            assert_says(&error, &[spec.key.as_str()]);
        }
        assert!(packed.stored("layers.99.mlp.gate").unwrap().is_none());
    }
    assert!(source.stored("head").unwrap().is_none());
}
