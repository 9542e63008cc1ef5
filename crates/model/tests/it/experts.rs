//! Experts that stay in their file: the same bits as in memory, and errors that say what is wrong.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aurore_checkpoint::{Checkpoint, CheckpointError, RandomWeights, export};
use aurore_model::{
    Among, LoadOptions, Logits, Model, ModelError, Packing, Precision, Segment, Sequence, TokenId, Tokens,
    Want,
};
use tempfile::TempDir;

use crate::batch::alike;
use crate::goldens::checkpoint;
use crate::packed::pack;

/// An expert's two matrices in the tiny shape take a page each in 4 bits.
const EXPERT: u64 = 2 * 4096;
/// Experts of all layers of it.
const ALL: u64 = 4 * 8;

fn packed(source: &Checkpoint, precision: Precision, folder: &TempDir) -> PathBuf {
    pack(
        source,
        &Packing::new(precision),
        &folder.path().join("model.aurore"),
    )
}

/// A shape whose shared expert is like the others, which are then one list in memory.
fn alike_on_disk(folder: &TempDir) -> Checkpoint {
    let config = alike();
    let path = folder.path().join("alike");
    std::fs::create_dir(&path).unwrap();
    export(
        &RandomWeights::new(&config, 5),
        &config,
        &path,
        u64::MAX,
        &mut |_, _| true,
    )
    .unwrap();
    Checkpoint::open(&path).unwrap()
}

fn load(file: &Path, expert_memory: Option<u64>, threads: usize) -> Result<Model, ModelError> {
    let checkpoint = Checkpoint::open(file).unwrap();
    let options = LoadOptions {
        threads,
        expert_memory,
        ..LoadOptions::default()
    };
    Model::load(&checkpoint, checkpoint.config(), &options)
}

fn feed(model: &Model, batch: &mut [(&mut Sequence, Tokens<'_>)]) -> Result<Vec<u32>, ModelError> {
    let mut logits = Logits::default();
    let mut segments: Vec<Segment<'_>> = batch
        .iter_mut()
        .map(|(sequence, tokens)| Segment {
            sequence,
            tokens: *tokens,
            want: Want::All,
            among: Among::All,
        })
        .collect();
    model.forward(&mut segments, &mut logits)?;
    Ok(logits.values.iter().map(|x| x.to_bits()).collect())
}

/// Bits of the logits of two prompts, one of them in pieces, of steps, and of both sequences together.
fn run(model: &Model) -> Vec<u32> {
    let ids: Vec<TokenId> = (0..100).map(|i| (i * i * 7 + i) % 300).collect();
    let positions: Vec<[u32; 3]> = (0..100).map(|i| [i; 3]).collect();
    let given = |from: usize, to: usize| Tokens::Given {
        ids: &ids[from..to],
        positions: &positions[from..to],
        features: &[],
    };
    let (mut first, mut second) = (model.new_sequence(), model.new_sequence());
    let mut bits = feed(model, &mut [(&mut first, given(0, 3))]).unwrap();
    // Enough tokens to read ahead for the next layer, and few enough to read much of it in vain.
    for from in (3..33).step_by(6) {
        bits.extend(feed(model, &mut [(&mut first, given(from, from + 6))]).unwrap());
    }
    bits.extend(feed(model, &mut [(&mut first, given(33, 90))]).unwrap());
    for id in 0..12 {
        bits.extend(feed(model, &mut [(&mut first, Tokens::Generated(&[id * 11]))]).unwrap());
    }
    bits.extend(
        feed(
            model,
            &mut [(&mut second, given(0, 70)), (&mut first, Tokens::Generated(&[5]))],
        )
        .unwrap(),
    );
    for id in 0..12 {
        let mut both = [
            (&mut first, Tokens::Generated(&[id * 3])),
            (&mut second, Tokens::Generated(&[id * 7])),
        ];
        bits.extend(feed(model, &mut both).unwrap());
    }
    // What several tokens have read ahead in vain may be late, and find another pass.
    for steps in ids.windows(8).step_by(3) {
        bits.extend(feed(model, &mut [(&mut first, Tokens::Generated(steps))]).unwrap());
    }
    bits
}

#[test]
fn the_place_of_experts_changes_no_bit() {
    for precision in [Precision::Q4, Precision::Q8, Precision::Bf16, Precision::F32] {
        let folder = TempDir::new().unwrap();
        for source in [checkpoint("moe"), alike_on_disk(&folder)] {
            let folder = TempDir::new().unwrap();
            let file = packed(&source, precision, &folder);
            let expected = run(&load(&file, None, 1).unwrap());
            let expert = match precision {
                Precision::F32 => 6,
                Precision::Bf16 => 3,
                Precision::Q8 => 4,
                Precision::Q4 => 2,
            } * 4096;
            // None is kept; some are; most are; all.
            for (experts, threads) in [(3, 1), (3, 2), (9, 2), (25, 1), (25, 2), (ALL + 6, 2)] {
                let model = load(&file, Some(experts * expert), threads).unwrap();
                assert!(
                    run(&model) == expected,
                    "{precision:?}, {experts} experts, {threads} threads"
                );
                let stats = model.expert_stats().unwrap();
                assert_eq!(stats.experts, ALL as usize);
                assert!(
                    stats.kept as u64 <= experts && stats.hits < stats.uses,
                    "{stats:?}"
                );
                assert_eq!(stats.kept == 0, stats.hits == 0, "{stats:?}");
            }
        }
    }
}

#[test]
fn what_is_kept_is_not_read_again() {
    let folder = TempDir::new().unwrap();
    let file = packed(&checkpoint("moe"), Precision::Q4, &folder);
    let all = load(&file, Some((ALL + 6) * EXPERT), 1).unwrap();
    run(&all);
    let first = all.expert_stats().unwrap();
    assert!(first.reads <= ALL, "{first:?}");
    assert_eq!(first.bytes_read, first.reads * EXPERT);
    run(&all);
    assert_eq!(all.expert_stats().unwrap().reads, first.reads);
    // Half of it finds some.
    let half = load(&file, Some(ALL / 2 * EXPERT), 1).unwrap();
    run(&half);
    let stats = half.expert_stats().unwrap();
    assert!(stats.hits > stats.uses / 4 && stats.ahead > 0, "{stats:?}");
    assert!(half.memory_bytes() < all.memory_bytes());
}

#[test]
fn memory_that_is_no_use_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = packed(&checkpoint("moe"), Precision::Q4, &folder);
    let error = load(&file, Some(3 * EXPERT - 1), 1).err().unwrap();
    assert!(
        matches!(error, ModelError::ExpertMemory { needed, top_k: 3, .. } if needed == 3 * EXPERT),
        "{error}"
    );
    let source = checkpoint("moe");
    let options = LoadOptions {
        expert_memory: Some(1 << 20),
        ..LoadOptions::default()
    };
    let error = Model::load(&source, source.config(), &options).err().unwrap();
    assert!(error.to_string().contains("aurore quantize"), "{error}");
    let source = checkpoint("dense");
    let error = Model::load(&source, source.config(), &options).err().unwrap();
    assert!(error.to_string().contains("no routed experts"), "{error}");
}

fn step(model: &Model, sequence: &mut Sequence, id: TokenId) -> Result<Vec<u32>, ModelError> {
    feed(model, &mut [(sequence, Tokens::Generated(&[id]))])
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_not_the_end() {
    let folder = TempDir::new().unwrap();
    let source = checkpoint("moe");
    let file = packed(&source, Precision::Q4, &folder);
    let whole = std::fs::read(&file).unwrap();
    let expected = {
        let model = load(&file, None, 1).unwrap();
        let mut sequence = model.new_sequence();
        [1, 2, 3].map(|id| step(&model, &mut sequence, id).unwrap())
    };
    let model = load(&file, Some(3 * EXPERT), 2).unwrap();
    let mut sequence = model.new_sequence();
    assert_eq!(step(&model, &mut sequence, 1).unwrap(), expected[0]);
    let snapshot = sequence.snapshot();

    // A byte of every page altered.
    let handle = OpenOptions::new().write(true).open(&file).unwrap();
    for page in (4096..whole.len()).step_by(4096) {
        handle.write_all_at(&[!whole[page]], page as u64).unwrap();
    }
    let error = step(&model, &mut sequence, 2).unwrap_err();
    assert!(
        matches!(error, ModelError::Checkpoint(CheckpointError::Altered { .. })),
        "{error}"
    );
    let error = step(&model, &mut sequence, 2).unwrap_err();
    assert!(matches!(error, ModelError::HalfWay), "{error}");

    // Cut short.
    handle.set_len(8192).unwrap();
    sequence.restore(&snapshot);
    let error = step(&model, &mut sequence, 2).unwrap_err();
    assert!(
        matches!(error, ModelError::Checkpoint(CheckpointError::Io { .. })),
        "{error}"
    );

    // Whole again: so is the sequence, once it has gone back.
    handle.write_all_at(&whole, 0).unwrap();
    sequence.restore(&snapshot);
    assert_eq!(step(&model, &mut sequence, 2).unwrap(), expected[1]);
    assert_eq!(step(&model, &mut sequence, 3).unwrap(), expected[2]);
}
