//! The fast path against the official implementation, and against itself: no bit may depend on how
//! a prompt is handed over or on who computes it.

use aurore_model::{ImagePatches, Input, LoadOptions, Logits, Model, Precision, Sequence, Want};
use proptest::prelude::*;

use crate::goldens::{
    CHECKPOINTS, MARGIN, MAX_ABS, Prompt, RMS, argmax, assert_close, cases, checkpoint, difference, prompt,
};

fn options(precision: Precision, threads: usize) -> LoadOptions {
    LoadOptions {
        precision,
        threads,
        ..LoadOptions::default()
    }
}

fn load(name: &str, precision: Precision, threads: usize) -> Model {
    let checkpoint = checkpoint(name);
    Model::load(&checkpoint, checkpoint.config(), &options(precision, threads)).unwrap()
}

fn case_of(name: &str, case: &str) -> Prompt {
    let (_, case, config) = cases(name)
        .into_iter()
        .find(|(entry, ..)| entry.case == case)
        .unwrap();
    prompt(&case, &config)
}

fn input(prompt: &Prompt) -> Input<'_> {
    Input {
        ids: &prompt.ids,
        positions: &prompt.positions,
        images: &prompt.images,
    }
}

fn prefill(model: &Model, prompt: &Prompt) -> (Vec<f32>, Sequence) {
    let mut sequence = model.new_sequence();
    let logits = model.prefill(&mut sequence, &input(prompt), Want::All).unwrap();
    (logits.values, sequence)
}

/// Prefills text in pieces that end at `cuts`.
fn in_pieces(model: &Model, prompt: &Prompt, cuts: &[usize]) -> (Vec<f32>, Sequence) {
    let mut sequence = model.new_sequence();
    let mut values = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([prompt.ids.len()]) {
        let (ids, positions) = (&prompt.ids[start..end], &prompt.positions[start..end]);
        let piece = Input {
            ids,
            positions,
            images: &[],
        };
        values.extend(model.prefill(&mut sequence, &piece, Want::All).unwrap().values);
        start = end;
    }
    (values, sequence)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn goldens_are_met_in_f32() {
    for name in CHECKPOINTS {
        let checkpoint = checkpoint(name);
        for (entry, case, config) in cases(name) {
            let model = Model::load(&checkpoint, &config, &options(Precision::F32, 2)).unwrap();
            let prompt = prompt(&case, &config);
            let (logits, sequence) = prefill(&model, &prompt);
            let label = |tensor: &str| format!("{name}/{}: {tensor}", entry.case);
            if let Some(expected) = case.expected("logits").unwrap() {
                assert_close(&label("logits"), &logits, &expected);
            }
            if let Some(expected) = case.expected("vision.image.merged").unwrap() {
                let features = model.encode_images(&prompt.images).unwrap();
                assert_close(&label("merged"), &features.rows, &expected);
            }
            for layer in 0..config.text.num_hidden_layers {
                let tensor = format!("state.{layer:02}.recurrent");
                if let Some(expected) = case.expected(&tensor).unwrap() {
                    let state = model.delta_state(&sequence, layer).unwrap();
                    assert_close(&label(&tensor), &state.recurrent, &expected);
                }
            }
            let Some(greedy) = case.greedy().unwrap() else {
                continue;
            };
            let mut sequence = sequence;
            let mut row = logits[logits.len() - config.text.vocab_size..].to_vec();
            for (step, (id, margin)) in greedy.ids.iter().zip(&greedy.margins).enumerate() {
                if *margin >= MARGIN {
                    assert_eq!(argmax(&row), *id, "{}: step {step}", label("greedy"));
                }
                model.step(&mut sequence, *id, &mut row).unwrap();
            }
        }
    }
}

/// Patches without any order.
fn picture(grid: [u32; 3], model: &Model) -> ImagePatches {
    let vision = model.config().vision.as_ref().unwrap();
    let count = grid.iter().product::<u32>() as usize * vision.patch_dim();
    ImagePatches {
        grid,
        patches: (0..count)
            .map(|i| ((i as u32).wrapping_mul(0x9e37_79b9) >> 16) as f32 / 32768.0 - 1.0)
            .collect(),
    }
}

#[test]
fn a_picture_looked_at_in_pieces_is_the_same() {
    // Less and more than what goes through a layer together, and a clip of two frames.
    for grid in [[1, 2, 2], [1, 26, 28], [2, 24, 24]] {
        for precision in [Precision::F32, Precision::Bf16] {
            let model = load("dense", precision, 2);
            let image = picture(grid, &model);
            let whole = model.encode_images(std::slice::from_ref(&image)).unwrap().rows;
            let mut encoding = model.begin_encoding(&image).unwrap();
            let mut pieces = 1;
            while !model.encode_more(&image, &mut encoding, 1) {
                pieces += 1;
            }
            assert_eq!(bits(&encoding.into_rows()), bits(&whole), "{grid:?}");
            let vision = model.config().vision.as_ref().unwrap();
            let patches = grid.iter().product::<u32>();
            // Each block has two stages at least, and a few patches take no longer than a token.
            assert!(
                patches < 100 || pieces > 2 * vision.depth,
                "{pieces} pieces of {patches} patches"
            );
            if precision == Precision::F32 {
                let checkpoint = checkpoint("dense");
                let reference =
                    aurore_model::reference::Model::load(&checkpoint, checkpoint.config()).unwrap();
                let expected = reference.encode_images(std::slice::from_ref(&image)).unwrap();
                let (max, rms) = difference(&whole, &expected.merged);
                assert!(max <= MAX_ABS && rms <= RMS, "{grid:?}: max {max}, rms {rms}");
            }
        }
    }
}

#[test]
fn bf16_weights_are_near_f32_weights() {
    for name in ["dense", "moe"] {
        let (exact, rounded) = (load(name, Precision::F32, 1), load(name, Precision::Bf16, 1));
        assert!(rounded.memory_bytes() < exact.memory_bytes());
        let prompt = case_of(name, "text-200");
        let ((exact, _), (rounded, _)) = (prefill(&exact, &prompt), prefill(&rounded, &prompt));
        let vocab = checkpoint(name).config().text.vocab_size;
        let (mut divergence, mut same, mut rows) = (0.0, 0, 0);
        for (p, q) in exact.chunks(vocab).zip(rounded.chunks(vocab)) {
            let softmax = |row: &[f32]| {
                let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
                row.iter().map(|&x| f64::from(x) - sum.ln()).collect::<Vec<f64>>()
            };
            divergence += softmax(p)
                .iter()
                .zip(softmax(q))
                .map(|(p, q)| p.exp() * (p - q))
                .sum::<f64>();
            same += usize::from(argmax(p) == argmax(q));
            rows += 1;
        }
        assert!(
            divergence / f64::from(rows) < 0.005,
            "{name}: KL {}",
            divergence / f64::from(rows)
        );
        assert!(same as f64 >= 0.97 * f64::from(rows), "{name}: {same} of {rows}");
    }
}

#[test]
fn state_after_prefill_equals_state_after_steps() {
    for name in ["dense", "moe"] {
        let model = load(name, Precision::F32, 1);
        let prompt = case_of(name, "text-200");
        let (logits, prefilled) = prefill(&model, &prompt);
        let mut stepped = model.new_sequence();
        let mut row = Vec::new();
        let mut rows = Vec::new();
        for id in &prompt.ids {
            model.step(&mut stepped, *id, &mut row).unwrap();
            rows.extend_from_slice(&row);
        }
        let (max, rms) = difference(&rows, &logits);
        assert!(max < 5e-3 && rms < 2e-4, "{name}: max {max}, rms {rms}");
        assert_eq!(
            (stepped.len(), stepped.next_position()),
            (prefilled.len(), prefilled.next_position())
        );
        for layer in 0..model.config().text.num_hidden_layers {
            let states = [&stepped, &prefilled].map(|sequence| model.delta_state(sequence, layer));
            if let [Some(stepped), Some(prefilled)] = states {
                assert!(
                    difference(&stepped.recurrent, &prefilled.recurrent).0 < 1e-3,
                    "{name}"
                );
                assert!(
                    difference(&stepped.history, &prefilled.history).0 < 1e-3,
                    "{name}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pieces_and_threads_change_no_bit(
        mut cuts in prop::collection::vec(0_usize..513, 0..9),
        threads in 1_usize..4,
        name in prop::sample::select(&["dense", "moe"][..]),
        precision in prop::sample::select(&[Precision::F32, Precision::Bf16][..]),
    ) {
        cuts.sort_unstable();
        let prompt = case_of(name, "text-513");
        let (expected, mut whole) = prefill(&load(name, precision, 1), &prompt);
        let model = load(name, precision, threads);
        let (found, mut pieces) = in_pieces(&model, &prompt, &cuts);
        prop_assert!(bits(&found) == bits(&expected));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for id in [3, 5, 8] {
            model.step(&mut whole, id, &mut a).unwrap();
            model.step(&mut pieces, id, &mut b).unwrap();
            prop_assert!(bits(&a) == bits(&b));
        }
    }
}

#[test]
fn wants_are_rows_of_all() {
    let model = load("moe", Precision::F32, 2);
    let prompt = case_of("moe", "text-200");
    let all = model
        .prefill(&mut model.new_sequence(), &input(&prompt), Want::All)
        .unwrap();
    let last = model
        .prefill(&mut model.new_sequence(), &input(&prompt), Want::Last)
        .unwrap();
    let none = model
        .prefill(&mut model.new_sequence(), &input(&prompt), Want::None)
        .unwrap();
    assert_eq!((all.len(), last.len(), none.len()), (200, 1, 0));
    assert_eq!(bits(all.last().unwrap()), bits(last.row(0).unwrap()));
    assert!(none.is_empty() && none.last().is_none());
    let empty = Input {
        ids: &[],
        positions: &[],
        images: &[],
    };
    assert!(
        model
            .prefill(&mut model.new_sequence(), &empty, Want::Last)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_snapshot_is_gone_back_to_and_a_fork_goes_its_own_way() {
    for name in ["dense", "moe"] {
        let model = load(name, Precision::Bf16, 2);
        let prompt = case_of(name, "text-200");
        let head = Prompt {
            ids: prompt.ids[..100].to_vec(),
            positions: prompt.positions[..100].to_vec(),
            images: vec![],
        };
        let tail = Input {
            ids: &prompt.ids[100..],
            positions: &prompt.positions[100..],
            images: &[],
        };
        let (_, mut sequence) = prefill(&model, &head);
        let snapshot = sequence.snapshot();
        assert_eq!(snapshot.len(), 100);
        let mut fork = sequence.fork();

        let expected = model.prefill(&mut sequence, &tail, Want::All).unwrap();
        let mut row = Vec::new();
        model.step(&mut fork, 7, &mut row).unwrap();
        model.step(&mut fork, 9, &mut row).unwrap();
        let straight = row.clone();

        let again = |sequence: &mut Sequence| -> Logits {
            sequence.restore(&snapshot);
            model.prefill(sequence, &tail, Want::All).unwrap()
        };
        assert_eq!(
            bits(&again(&mut sequence).values),
            bits(&expected.values),
            "{name}: restored"
        );
        assert_eq!(
            bits(&again(&mut fork).values),
            bits(&expected.values),
            "{name}: restored after steps"
        );
        sequence.restore(&snapshot);
        model.step(&mut sequence, 7, &mut row).unwrap();
        model.step(&mut sequence, 9, &mut row).unwrap();
        assert_eq!(bits(&row), bits(&straight), "{name}: fork");
    }
}

#[test]
fn wrong_input_is_an_error_and_leaves_the_sequence() {
    let model = load("dense", Precision::F32, 1);
    let prompt = case_of("dense", "text-003");
    let (_, mut sequence) = prefill(&model, &prompt);
    let vocab = u32::try_from(model.config().text.vocab_size).unwrap();
    let bad = Input {
        ids: &[vocab],
        positions: &[[0; 3]],
        images: &[],
    };
    assert!(
        model
            .prefill(&mut sequence, &bad, Want::Last)
            .unwrap_err()
            .to_string()
            .contains("vocabulary")
    );
    assert!(model.step(&mut sequence, vocab, &mut Vec::new()).is_err());
    let placeholder = Input {
        ids: &[model.config().image_token_id],
        positions: &[[0; 3]],
        images: &[],
    };
    assert!(model.prefill(&mut sequence, &placeholder, Want::Last).is_err());
    let long = vec![1; model.config().text.max_position_embeddings];
    let long = Input {
        ids: &long,
        positions: &vec![[0; 3]; long.len()],
        images: &[],
    };
    assert!(
        model
            .prefill(&mut sequence, &long, Want::None)
            .unwrap_err()
            .to_string()
            .contains("context")
    );
    let other = load("text-only", Precision::F32, 1);
    if other.config().text != model.config().text {
        assert!(other.step(&mut sequence, 1, &mut Vec::new()).is_err());
    }
    assert_eq!(sequence.len(), 3);
}
