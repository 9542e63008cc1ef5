//! Contexts beyond those that networks are trained for.

use aurore_checkpoint::{Config, RandomWeights};
use aurore_model::{
    Among, Input, KvFormat, LoadOptions, Logits, Model, ModelError, Precision, Segment, Sequence, Tokens,
    Want, reference,
};

use crate::goldens::{argmax, checkpoint, difference};

/// The golden dense shape as text, for so many tokens, trained for `trained`.
fn config(trained: usize, context: usize) -> Config {
    let mut config = checkpoint("dense").config().clone();
    config.vision = None;
    config.text.max_position_embeddings = trained;
    config.with_context(context)
}

fn load(config: &Config, kv: KvFormat) -> Model {
    let options = LoadOptions {
        precision: Precision::F32,
        kv: Some(kv),
        threads: 2,
        ..LoadOptions::default()
    };
    Model::load(&RandomWeights::new(config, 11), config, &options).unwrap()
}

fn ids(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| i * 13 % 200).collect()
}

/// Logits of every token of a prompt whose first position is `first`.
fn at(model: &Model, first: u32, count: usize) -> Vec<f32> {
    let positions: Vec<[u32; 3]> = (0..count as u32).map(|i| [first + i; 3]).collect();
    let input = Input {
        ids: &ids(count),
        positions: &positions,
        images: &[],
    };
    model
        .prefill(&mut model.new_sequence(), &input, Want::All)
        .unwrap()
        .values
}

#[test]
fn yarn_is_what_the_reference_says_on_both_sides_of_the_trained_length() {
    // Crossed within the prompt, and far beyond.
    for (trained, context, first) in [
        (32, 128, 0),
        (262_144, 524_288, 262_100),
        (262_144, 1_010_000, 1_009_900),
    ] {
        let config = config(trained, context);
        let factor = config.text.rope.yarn.as_ref().unwrap().factor;
        assert_eq!(factor, context.div_ceil(trained) as f64);
        let positions: Vec<[u32; 3]> = (0..100).map(|i| [first + i; 3]).collect();
        let input = Input {
            ids: &ids(100),
            positions: &positions,
            images: &[],
        };
        let slow = reference::Model::load(&RandomWeights::new(&config, 11), &config).unwrap();
        let (expected, _) = slow.forward(&input).unwrap();
        let (max, rms) = difference(&at(&load(&config, KvFormat::F32), first, 100), &expected.logits);
        assert!(max < 5e-3 && rms < 2e-4, "{first}: max {max}, rms {rms}");
    }
}

#[test]
fn only_distances_count_however_far_out() {
    // With exact angles a prompt's logits would be the same from any first position on. Angles are f32,
    // as in the official implementation: at a million the fastest are off by hundredths of a radian.
    let model = load(&config(262_144, 1_010_000), KvFormat::F32);
    let near = at(&model, 0, 100);
    for (first, most) in [(262_144, 0.02), (1_009_900, 0.05)] {
        let far = at(&model, first, 100);
        let (max, rms) = difference(&far, &near);
        assert!(max < most * 5.0 && rms < most, "{first}: max {max}, rms {rms}");
        let width = model.config().text.vocab_size;
        let rows = near.chunks(width).zip(far.chunks(width));
        let same = rows.filter(|(near, far)| argmax(near) == argmax(far)).count();
        assert!(same >= 97, "{first}: {same} of 100");
    }
}

/// `count` tokens of a prompt and as many steps, the prompt in pieces of `piece`.
fn go_on(model: &Model, mut sequence: Sequence, count: usize, piece: usize) -> Vec<u32> {
    let (ids, start) = (ids(count), sequence.next_position());
    let positions: Vec<[u32; 3]> = (0..count as u32).map(|i| [start + i; 3]).collect();
    let (mut bits, mut logits) = (Vec::new(), Logits::default());
    let given = ids.chunks(piece).zip(positions.chunks(piece));
    let given = given.map(|(ids, positions)| Tokens::Given {
        ids,
        positions,
        features: &[],
    });
    for tokens in given.chain(ids.chunks(1).map(Tokens::Generated)) {
        let segment = Segment {
            sequence: &mut sequence,
            tokens,
            want: Want::All,
            among: Among::All,
        };
        model.forward(&mut [segment], &mut logits).unwrap();
        bits.extend(logits.values.iter().map(|value| value.to_bits()));
    }
    assert_eq!(sequence.next_position(), start + 2 * count as u32);
    bits
}

#[test]
fn a_sequence_crosses_the_trained_length() {
    const TRAINED: usize = 262_144;
    for kv in [KvFormat::Bf16, KvFormat::Int8] {
        let config = config(TRAINED, TRAINED + 64);
        let model = load(&config, kv);
        let mut few = model.new_sequence();
        let positions: Vec<[u32; 3]> = (0..128).map(|i| [i; 3]).collect();
        let input = Input {
            ids: &ids(128),
            positions: &positions,
            images: &[],
        };
        model.prefill(&mut few, &input, Want::None).unwrap();
        assert!(few.repeated(100).is_none() && model.new_sequence().repeated(64).is_none());
        let long = few.repeated(TRAINED).unwrap();
        assert_eq!((long.len(), long.next_position()), (TRAINED, TRAINED as u32));
        let text = &config.text;
        let plan = aurore_model::MemoryPlan::with_kv(&config, Precision::F32, kv);
        let planned = plan.sequence(TRAINED as u64) - plan.chunk - plan.undo;
        assert_eq!(
            long.memory_bytes() as u64,
            planned,
            "{} layers",
            text.full_layers()
        );
        // Copies of a sequence are one, so whoever repeats changes nothing.
        assert_eq!(
            go_on(&model, few.repeated(128).unwrap(), 3, 3),
            go_on(&model, few, 3, 3)
        );
        // Neither pieces nor the trained length in the middle change a bit.
        let expected = go_on(&model, long.fork(), 6, 6);
        assert_eq!(go_on(&model, long.fork(), 6, 4), expected);
        assert!(expected.iter().all(|bits| f32::from_bits(*bits).is_finite()));
        let mut full = long.repeated(TRAINED + 64).unwrap();
        let error = model.step(&mut full, 1, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, ModelError::TooLong { .. }), "{error}");
    }
}
