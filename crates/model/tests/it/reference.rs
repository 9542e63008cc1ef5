//! The reference path against the official implementation.

use aurore_checkpoint::{RandomWeights, Weights};
use aurore_model::{
    Input,
    reference::{DeltaInputs, DeltaRule, LayerState, Model, State, delta_rule},
};
use proptest::prelude::*;

use crate::goldens::{
    CHECKPOINTS, MARGIN, Prompt, argmax, assert_close, cases, checkpoint, difference, prompt,
};

fn input(prompt: &Prompt) -> Input<'_> {
    Input {
        ids: &prompt.ids,
        positions: &prompt.positions,
        images: &prompt.images,
    }
}

#[test]
fn goldens_are_met() {
    for name in CHECKPOINTS {
        let checkpoint = checkpoint(name);
        for (entry, case, config) in cases(name) {
            let model = Model::load(&checkpoint, &config).unwrap();
            let prompt = prompt(&case, &config);
            let (output, state) = model.forward(&input(&prompt)).unwrap();
            let label = |tensor: &str| format!("{name}/{}: {tensor}", entry.case);
            let mut compared = 0;
            let mut compare = |tensor: &str, found: &[f32]| {
                if let Some(expected) = case.expected(tensor).unwrap() {
                    assert_close(&label(tensor), found, &expected);
                    compared += 1;
                }
            };
            compare("logits", &output.logits);
            compare("hidden.embed", &output.embed);
            for (index, hidden) in output.layers.iter().enumerate() {
                compare(&format!("hidden.layer.{index:02}"), hidden);
            }
            compare("hidden.final_norm", &output.final_norm);
            compare("vision.image.last_hidden", &output.vision.last_hidden);
            compare("vision.image.merged", &output.vision.merged);
            for (index, layer) in state.layers.iter().enumerate() {
                if let LayerState::DeltaNet { conv, recurrent } = layer {
                    compare(&format!("state.{index:02}.conv"), conv);
                    compare(&format!("state.{index:02}.recurrent"), recurrent);
                }
            }
            let known = |name: &str| {
                ["logits", "hidden.", "vision.", "state."]
                    .iter()
                    .any(|p| name.starts_with(p))
            };
            assert_eq!(
                compared,
                case.names().filter(|name| known(name)).count(),
                "{}",
                label("all")
            );
        }
    }
}

#[test]
fn greedy_continuations_are_met() {
    let mut continued = 0;
    for name in CHECKPOINTS {
        let checkpoint = checkpoint(name);
        for (entry, case, config) in cases(name) {
            let Some(greedy) = case.greedy().unwrap() else {
                continue;
            };
            let model = Model::load(&checkpoint, &config).unwrap();
            let prompt = prompt(&case, &config);
            let (output, mut state) = model.forward(&input(&prompt)).unwrap();
            let mut row = output.logits[output.logits.len() - config.text.vocab_size..].to_vec();
            for (step, (id, margin)) in greedy.ids.iter().zip(&greedy.margins).enumerate() {
                if *margin >= MARGIN {
                    assert_eq!(argmax(&row), *id, "{name}/{}: step {step}", entry.case);
                }
                row = model.step(&mut state, *id).unwrap();
                continued += 1;
            }
        }
    }
    assert!(continued > 100);
}

/// Runs a prompt from an empty state, piece by piece, each piece with the images that stand in it.
fn in_pieces(model: &Model, prompt: &Prompt, sizes: &[usize]) -> (Vec<f32>, State) {
    let mut state = model.new_state();
    let mut logits = Vec::new();
    let mut start = 0;
    for size in sizes {
        let end = (start + size).min(prompt.ids.len());
        let piece = Input {
            ids: &prompt.ids[start..end],
            positions: &prompt.positions[start..end],
            images: &[],
        };
        logits.extend(model.prefill(&mut state, &piece).unwrap().logits);
        start = end;
    }
    (logits, state)
}

#[test]
fn pieces_and_steps_agree_with_the_whole() {
    for name in ["dense", "moe"] {
        let model = Model::load(&checkpoint(name), checkpoint(name).config()).unwrap();
        let (_, case, config) = cases(name)
            .into_iter()
            .find(|(entry, ..)| entry.case == "text-200")
            .unwrap();
        let prompt = prompt(&case, &config);
        let (whole, whole_state) = model.forward(&input(&prompt)).unwrap();
        let (pieces, pieces_state) = in_pieces(&model, &prompt, &[1, 62, 2, 70, 64, 1]);
        let mut steps_state = model.new_state();
        let steps: Vec<f32> = prompt
            .ids
            .iter()
            .flat_map(|id| model.step(&mut steps_state, *id).unwrap())
            .collect();
        for (other, state) in [(pieces, pieces_state), (steps, steps_state)] {
            let (max, rms) = difference(&other, &whole.logits);
            assert!(max < 1e-3 && rms < 1e-4, "{name}: max {max}, rms {rms}");
            assert_eq!(state.length, whole_state.length);
            assert_eq!(state.next_position, whole_state.next_position);
            for pair in state.layers.iter().zip(&whole_state.layers) {
                if let (
                    LayerState::DeltaNet { recurrent: found, .. },
                    LayerState::DeltaNet {
                        recurrent: expected, ..
                    },
                ) = pair
                {
                    assert!(difference(found, expected).0 < 1e-3, "{name}");
                }
            }
        }
    }
}

#[test]
fn expert_layouts_mean_the_same() {
    // The same tensors, once fused and once one by one.
    struct Single<'a>(&'a dyn Weights);
    impl Weights for Single<'_> {
        fn tensor(
            &self,
            name: &str,
        ) -> Result<aurore_checkpoint::Tensor<'_>, aurore_checkpoint::CheckpointError> {
            if let Some((prefix, rest)) = name.split_once(".experts.")
                && let Some((index, part)) = rest.split_once('.')
            {
                let expert = self.0.expert(prefix, index.parse().unwrap())?;
                return Ok(match part {
                    "gate_proj.weight" => expert.gate,
                    "up_proj.weight" => expert.up,
                    _ => expert.down,
                });
            }
            self.0.tensor(name)
        }
        fn has(&self, name: &str) -> bool {
            name.contains(".experts.0.") || (!name.contains(".experts.") && self.0.has(name))
        }
    }
    let checkpoint = checkpoint("moe");
    let (_, case, config) = cases("moe")
        .into_iter()
        .find(|(entry, ..)| entry.case == "text-003")
        .unwrap();
    let prompt = prompt(&case, &config);
    let fused = Model::load(&checkpoint, &config)
        .unwrap()
        .forward(&input(&prompt))
        .unwrap();
    let single = Model::load(&Single(&checkpoint), &config)
        .unwrap()
        .forward(&input(&prompt))
        .unwrap();
    assert_eq!(fused.0.logits, single.0.logits);
}

#[test]
fn random_weights_give_ordinary_logits() {
    for name in ["dense", "moe"] {
        let config = checkpoint(name).config().clone();
        let model = Model::load(&RandomWeights::new(&config, 7), &config).unwrap();
        let ids: Vec<u32> = (0..40).map(|i| i * 7 % 300).collect();
        let positions: Vec<[u32; 3]> = (0..40).map(|i| [i; 3]).collect();
        let (output, _) = model
            .forward(&Input {
                ids: &ids,
                positions: &positions,
                images: &[],
            })
            .unwrap();
        let (_, rms) = difference(&output.logits, &vec![0.0; output.logits.len()]);
        assert!((0.9..3.6).contains(&rms), "{name}: {rms}");
    }
}

#[test]
fn wrong_input_is_refused() {
    let checkpoint = checkpoint("dense");
    let model = Model::load(&checkpoint, checkpoint.config()).unwrap();
    let refuse = |ids: &[u32], positions: &[[u32; 3]]| {
        model
            .forward(&Input {
                ids,
                positions,
                images: &[],
            })
            .unwrap_err()
            .to_string()
    };
    assert!(refuse(&[320], &[[0; 3]]).contains("the vocabulary ends at 320"));
    assert!(refuse(&[1, 2], &[[0; 3]]).contains("2 tokens but 1 positions"));
    let image = checkpoint.config().image_token_id;
    assert!(refuse(&[image], &[[0; 3]]).contains("1 image placeholder tokens"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn delta_rule_forms_agree(tokens in 1usize..150, start in 0usize..200, seed in any::<u32>()) {
        let mut state = seed;
        let mut uniform = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let (key_dim, value_dim) = (8, 5);
        let mut unit = |count: usize| -> Vec<f32> {
            let values: Vec<f32> = (0..count * key_dim).map(|_| uniform() - 0.5).collect();
            values.chunks(key_dim).flat_map(|row| {
                let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                row.iter().map(move |x| x / norm)
            }).collect()
        };
        let (queries, keys) = (unit(tokens), unit(tokens));
        let mut many = |count: usize, low: f32, high: f32| -> Vec<f32> {
            (0..count).map(|_| low + (high - low) * uniform()).collect()
        };
        let inputs = DeltaInputs {
            key_dim,
            value_dim,
            queries,
            keys,
            values: many(tokens * value_dim, -1.0, 1.0),
            log_decays: many(tokens, -3.0, 0.0),
            betas: many(tokens, 0.0, 1.0),
        };
        let first = many(key_dim * value_dim, -1.0, 1.0);
        let (mut chunked_state, mut recurrent_state) = (first.clone(), first);
        let chunked = delta_rule(DeltaRule::Chunked, &inputs, start, &mut chunked_state);
        let recurrent = delta_rule(DeltaRule::Recurrent, &inputs, start, &mut recurrent_state);
        prop_assert!(difference(&chunked, &recurrent).0 < 1e-4);
        prop_assert!(difference(&chunked_state, &recurrent_state).0 < 1e-4);
    }
}
