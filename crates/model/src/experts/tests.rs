//! What the timing of reads must not decide.

use std::path::Path;

use aurore_checkpoint::Checkpoint;
use aurore_checkpoint::packed::Writer;
use aurore_kernels::{Cpu, Group, Routing};
use tempfile::TempDir;

use super::{ExpertStore, Rows};
use crate::{Packer, Packing, Precision};

/// Of the golden model.
const EXPERTS: usize = 8;
const TOP_K: usize = 3;
const HIDDEN: usize = 64;
const WIDTH: usize = 32;

/// A layer's pass over eight tokens, three rows of which go to each expert.
fn pass(store: &ExpertStore, layer: usize) -> Vec<f32> {
    let groups: Vec<Group> = (0..EXPERTS)
        .map(|matrix| Group {
            matrix,
            start: matrix * TOP_K,
            end: (matrix + 1) * TOP_K,
        })
        .collect();
    let rows = EXPERTS * TOP_K;
    let mut routing = Routing::default();
    routing.tokens = (0..rows as u32).map(|row| row % EXPERTS as u32).collect();
    let x: Vec<f32> = (0..EXPERTS * HIDDEN)
        .map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0)
        .collect();
    let mut results = vec![0.0; rows * HIDDEN];
    let reading = store.begin(layer, &groups, EXPERTS);
    let buffers = Rows {
        routing: &routing,
        x: &x,
        gate_up: &mut vec![0.0; rows * 2 * WIDTH],
        inner: &mut vec![0.0; rows * WIDTH],
        results: &mut results,
    };
    reading.finish(&Cpu::new(None, 1), buffers).unwrap();
    results
}

#[test]
fn what_was_read_ahead_in_vain_and_comes_late_holds_no_place_that_is_wanted() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/goldens/moe");
    let source = Checkpoint::open(&source).unwrap();
    let folder = TempDir::new().unwrap();
    let packer = Packer::new(&source, Packing::new(Precision::Q8), None, 1).unwrap();
    let path = folder.path().join("model.aurore");
    let mut writer = Writer::open(&path, packer.plan().clone(), false, |_| ()).unwrap();
    for index in 0..packer.plan().entries().len() {
        packer.write(index, &mut writer).unwrap();
    }
    let file = Checkpoint::open(&writer.finish().unwrap()).unwrap();
    let open = |budget| ExpertStore::open(&file, file.config(), budget).unwrap();
    let all = open(1 << 24);
    // Places to read to, and to keep none, some and most.
    for budget in [50_000, 120_000, 400_000] {
        let store = open(budget);
        let mut expected = all.stats().uses;
        for round in 0..4 {
            // Of the second layer, which the pass before had ordered and did not want: all that there is room for.
            let mut state = store.state();
            for expert in (EXPERTS..2 * EXPERTS).skip(round) {
                let Some(place) = state.spare.pop() else { break };
                state.coming[expert] = true;
                store.readers.order(expert, place);
            }
            drop(state);
            for layer in [0, 1, 0, 3] {
                assert!(
                    pass(&store, layer) == pass(&all, layer),
                    "{budget}, round {round}, layer {layer}"
                );
                expected += EXPERTS as u64;
            }
        }
        assert_eq!(all.stats().uses, expected);
    }
}
