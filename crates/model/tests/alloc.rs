//! Invariant 5: after a warm-up, a forward pass takes no memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use aurore_checkpoint::Checkpoint;
use aurore_checkpoint::packed::Writer;
use aurore_model::{Among, LoadOptions, Logits, Model, Packer, Packing, Precision, Segment, Tokens, Want};

struct Counting;

/// Times that memory was asked for, by any thread.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's allocator's; counting touches no memory but the counter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.realloc(start, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` takes memory.
fn taken(work: impl FnOnce()) -> usize {
    let before = TAKEN.load(Ordering::Relaxed);
    work();
    TAKEN.load(Ordering::Relaxed) - before
}

// One test: tests of one program run side by side, and would count one another.
#[test]
fn a_step_takes_no_memory_and_neither_does_a_piece_of_a_prompt() {
    assert!(taken(|| drop(std::hint::black_box(vec![0_u8; 100]))) > 0);
    for name in ["dense", "moe"] {
        for precision in [Precision::F32, Precision::Bf16, Precision::Q8, Precision::Q4] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../reference/goldens")
                .join(name);
            let checkpoint = Checkpoint::open(&folder).unwrap();
            let options = LoadOptions {
                precision,
                threads: 2,
                shortlist: Some(precision == Precision::Bf16),
                ..LoadOptions::default()
            };
            let model = Model::load(&checkpoint, checkpoint.config(), &options).unwrap();
            check(&model, &format!("{name}, {precision:?}"));
            if name == "moe" {
                check(
                    &from_file(&checkpoint, precision),
                    &format!("experts in a file, {precision:?}"),
                );
            }
        }
    }
}

/// With memory for about half of the experts, and the others in a packed file.
#[cfg(test)]
fn from_file(checkpoint: &Checkpoint, precision: Precision) -> Model {
    let folder = tempfile::TempDir::new().unwrap();
    let packer = Packer::new(checkpoint, Packing::new(precision), None, 1).unwrap();
    let path = folder.path().join("model.aurore");
    let mut writer = Writer::open(&path, packer.plan().clone(), false, |_| ()).unwrap();
    for index in 0..packer.plan().entries().len() {
        packer.write(index, &mut writer).unwrap();
    }
    let packed = Checkpoint::open(&writer.finish().unwrap()).unwrap();
    let options = LoadOptions {
        threads: 2,
        expert_memory: Some(400_000),
        ..LoadOptions::default()
    };
    Model::load(&packed, packed.config(), &options).unwrap()
}

/// What takes memory, takes it each time. Once it may be someone else: the test's own main thread, or a thread
/// of the pool that begins late on a busy machine.
fn check(model: &Model, what: &str) {
    let most = (0..3).map(|_| memory_of_a_run(model, what)).min();
    assert_eq!(
        most,
        Some([0, 0]),
        "20 tokens of a prompt, and 70 steps and some of several tokens, {what}"
    );
}

/// How often 20 tokens of a prompt take memory, and 70 steps with some of several tokens behind them.
fn memory_of_a_run(model: &Model, what: &str) -> [usize; 2] {
    let ids: Vec<u32> = (1..=40).collect();
    let positions: Vec<[u32; 3]> = (0..80).map(|i| [i; 3]).collect();
    let mut sequence = model.new_sequence();
    sequence.reserve(200);
    let mut logits = Logits::default();
    let mut feed = |tokens: Tokens<'_>, want: Want| {
        let segment = Segment {
            sequence: &mut sequence,
            tokens,
            want,
            among: match tokens {
                Tokens::Given { .. } => Among::All,
                Tokens::Generated(_) => Among::Greatest { count: 1, below: 300 },
            },
        };
        let outcome = model.forward(&mut [segment], &mut logits);
        assert!(outcome.is_ok(), "{what}: {outcome:?}");
    };
    let piece = |from: usize, to: usize| Tokens::Given {
        ids: &ids[..to - from],
        positions: &positions[from..to],
        features: &[],
    };
    // Warm: pieces of a prompt, and some steps.
    feed(piece(0, 30), Want::Last);
    feed(piece(30, 40), Want::Last);
    let pieces = taken(|| feed(piece(40, 60), Want::Last));
    for _ in 60..70 {
        feed(Tokens::Generated(&[3]), Want::Last);
    }
    // A new page of 64 keys and values is begun on the way.
    let steps = taken(|| (70..140).for_each(|_| feed(Tokens::Generated(&[3]), Want::Last)));
    // The longest step that can be taken back, then others.
    (140..143).for_each(|_| feed(Tokens::Generated(&[3]), Want::Last));
    feed(Tokens::Generated(&[3; 8]), Want::All);
    let drafted = taken(|| (1..8).for_each(|tokens| feed(Tokens::Generated(&[3; 8][..tokens]), Want::All)));
    [pieces, steps + drafted]
}
