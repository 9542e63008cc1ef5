//! What is allocated is what the plan says.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicIsize, Ordering};

use aurore_checkpoint::{Checkpoint, LayerType};
use aurore_model::{
    Among, KvFormat, LoadOptions, Logits, MemoryPlan, Model, Precision, Segment, Sequence, Tokens, Want,
};

struct Counting;

/// Bytes that were asked for and not given back, but for chunks that weights share.
static HELD: AtomicIsize = AtomicIsize::new(0);
/// Weights lie one behind the other in memory of this size, of which the system gives what is touched.
const CHUNK: usize = 64 << 20;

fn count(layout: Layout, sign: isize) {
    if layout.size() != CHUNK {
        HELD.fetch_add(sign * layout.size() as isize, Ordering::Relaxed);
    }
}

// SAFETY: everything is the system's allocator's; counting touches no memory but the counter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout, 1);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        count(layout, -1);
        // SAFETY: the caller's.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size as isize - layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.realloc(start, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many bytes more are held after `work`, and what it made.
fn held<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = HELD.load(Ordering::Relaxed);
    let made = work();
    let more = HELD.load(Ordering::Relaxed) - before;
    (more.max(0) as usize, made)
}

// One test: tests of one program run side by side, and would count one another.
#[test]
fn what_is_allocated_is_what_was_planned() {
    for name in ["dense", "moe"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../reference/goldens")
            .join(name);
        let checkpoint = Checkpoint::open(&folder).unwrap();
        let config = checkpoint.config();
        let layers = &config.text.layer_types;
        let full = layers
            .iter()
            .filter(|kind| **kind == LayerType::FullAttention)
            .count();
        for precision in [Precision::F32, Precision::Bf16, Precision::Q8, Precision::Q4] {
            for kv in [KvFormat::F32, KvFormat::Bf16, KvFormat::Int8] {
                let what = format!("{name}, {precision:?}, {kv:?}");
                let options = LoadOptions {
                    precision,
                    kv: Some(kv),
                    threads: 2,
                    ..LoadOptions::default()
                };
                let plan = MemoryPlan::with_kv(config, precision, kv);
                for sequences in [1, 5] {
                    let (weights, model) = held(|| Model::load(&checkpoint, config, &options).unwrap());
                    // Small matrices and vectors; the others lie in chunks.
                    assert!(weights < plan.weights as usize + (64 << 10), "{weights}, {what}");
                    assert_eq!(model.memory_bytes() as u64, plan.weights, "{what}");
                    assert_eq!(model.bytes_per_token() as u64, plan.weights_per_token, "{what}");
                    planned(&model, &plan, full, sequences, &what);
                }
            }
        }
    }
}

/// Bytes of the slabs of pages that no page has, of `full` layers with keys and values: pages of 64 KiB and more share
/// huge pages. Of 512 tokens of a sequence, and of one token of `steps` others.
fn unused(plan: &MemoryPlan, full: usize, steps: usize) -> usize {
    const SLAB: usize = 2 << 20;
    let page = (plan.sequence(65) - plan.sequence(64)) as usize / full;
    if page < SLAB / 32 {
        return 0;
    }
    let pages = full * (512 / 64 + steps);
    pages.div_ceil(SLAB / page) * SLAB - pages * page
}

/// What sequences and buffers of a new model take, against the plan: a whole pass of a prompt, and steps of
/// so many sequences in the same pass.
fn planned(model: &Model, plan: &MemoryPlan, full: usize, steps: usize, what: &str) {
    let positions: Vec<[u32; 3]> = (0..512).map(|i| [i; 3]).collect();
    let (mut sequences, mut logits) = (Vec::new(), Logits::default());
    let (fresh, ()) = held(|| sequences.extend((0..=steps).map(|_| model.new_sequence())));
    let (more, ()) = held(|| {
        let mut batch: Vec<Segment<'_>> = Vec::new();
        for (index, sequence) in sequences.iter_mut().enumerate() {
            let given = Tokens::Given {
                ids: &[7; 512],
                positions: &positions,
                features: &[],
            };
            batch.push(Segment {
                sequence,
                tokens: if index == 0 {
                    given
                } else {
                    Tokens::Generated(&[3])
                },
                want: if index == 0 { Want::None } else { Want::Last },
                among: Among::All,
            });
        }
        assert!(model.forward(&mut batch, &mut logits).is_ok(), "{what}");
    });
    let state: usize = sequences.iter().map(Sequence::memory_bytes).sum();
    // An unfinished chunk takes memory until it is finished; a sequence that goes on in steps keeps it.
    // No step has drafts here.
    let own = |tokens| plan.sequence(tokens) - plan.undo;
    let planned = own(512) - plan.chunk + steps as u64 * own(1);
    assert_eq!(state as u64, planned, "{what}");
    let buffers = (fresh + more - state) as f64 - unused(plan, full, steps) as f64;
    let planned = plan.activations + (steps as u64 - 1) * plan.activations_per_sequence;
    // Lists of layers, pages, spans and tasks are not planned, nor that rounded inputs' memory grows in steps.
    // Not every processor rounds inputs to bf16.
    let least = if what.contains(", Bf16, ") { 0.85 } else { 0.99 };
    let share = buffers / planned as f64;
    assert!((least..1.03).contains(&share), "{buffers} of {planned}, {what}");

    let mut sequence = model.new_sequence();
    let (more, ()) = held(|| {
        let segment = Segment {
            sequence: &mut sequence,
            tokens: Tokens::Given {
                ids: &[7; 70],
                positions: &positions[..70],
                features: &[],
            },
            want: Want::None,
            among: Among::All,
        };
        assert!(model.forward(&mut [segment], &mut logits).is_ok(), "{what}");
    });
    assert_eq!(sequence.memory_bytes() as u64, own(70), "{what}");
    assert!(more < plan.sequence(70) as usize, "{more}, {what}");
}
