//! A sequence that goes on from a snapshot at a multiple of 64 is, to the bit, one that read everything itself.

use aurore_model::{Among, LoadOptions, Logits, Model, Segment, Sequence, Snapshot, TokenId, Tokens, Want};

use crate::goldens::checkpoint;

fn model() -> Model {
    let checkpoint = checkpoint("dense");
    Model::load(&checkpoint, checkpoint.config(), &LoadOptions::default()).unwrap()
}

fn ids(count: usize) -> Vec<TokenId> {
    (0..count).map(|i| (i * 31 + i / 7) as TokenId % 200).collect()
}

/// Feeds given tokens from the sequence's end to `to`; the last one's logits.
fn feed(model: &Model, sequence: &mut Sequence, ids: &[TokenId], to: usize) -> Vec<u32> {
    let from = sequence.len();
    let positions: Vec<[u32; 3]> = (from..to).map(|place| [place as u32; 3]).collect();
    let mut logits = Logits::default();
    let segment = Segment {
        sequence,
        tokens: Tokens::Given {
            ids: &ids[from..to],
            positions: &positions,
            features: &[],
        },
        want: Want::Last,
        among: Among::All,
    };
    model.forward(&mut [segment], &mut logits).unwrap();
    logits.values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn what_follows_a_snapshot_keeps_every_bit() {
    let model = model();
    let ids = ids(300);
    let mut whole = model.new_sequence();
    let expected = feed(&model, &mut whole, &ids, 300);
    for at in [64, 128, 256] {
        let mut sequence = model.new_sequence();
        // In pieces, so that a chunk was once unfinished.
        feed(&model, &mut sequence, &ids, at - 20);
        assert!(sequence.boundary().is_none());
        feed(&model, &mut sequence, &ids, at);
        let snapshot = sequence.boundary().unwrap();
        assert_eq!(snapshot.len(), at);
        // What the first sequence does later does not reach the snapshot.
        feed(&model, &mut sequence, &ids[..].repeat(2), at + 90);
        let mut resumed = snapshot.resume();
        assert_eq!(feed(&model, &mut resumed, &ids, 300), expected, "{at}");
    }
    assert!(model.new_sequence().boundary().is_none());
}

#[test]
fn a_snapshot_holds_no_unfinished_chunk() {
    let model = model();
    let ids = ids(128);
    let mut pieces = model.new_sequence();
    feed(&model, &mut pieces, &ids, 100);
    feed(&model, &mut pieces, &ids, 128);
    let mut whole = model.new_sequence();
    feed(&model, &mut whole, &ids, 128);
    let (pieces, whole) = (pieces.boundary().unwrap(), whole.boundary().unwrap());
    assert_eq!(pieces.state_bytes(), whole.state_bytes());
    assert_eq!(pieces.memory_bytes(), pieces.state_bytes() + pieces.page_bytes());
    let plan = model.memory_plan();
    assert_eq!(pieces.page_bytes() as u64, plan.kv_per_token * 128);
    assert!(pieces.state_bytes() as u64 <= plan.state());
}

#[test]
fn equal_pages_can_be_shared() {
    let model = model();
    let ids = ids(300);
    let at = |to: usize| -> Snapshot {
        let mut sequence = model.new_sequence();
        feed(&model, &mut sequence, &ids, to);
        sequence.boundary().unwrap()
    };
    let mut whole = model.new_sequence();
    let expected = feed(&model, &mut whole, &ids, 300);
    let long = at(256);
    let mut short = at(128);
    short.share_pages(&long, 128);
    let mut longer = at(256);
    longer.share_pages(&short, usize::MAX);
    for snapshot in [short, longer] {
        let mut resumed = snapshot.resume();
        assert_eq!(feed(&model, &mut resumed, &ids, 300), expected);
    }
}
