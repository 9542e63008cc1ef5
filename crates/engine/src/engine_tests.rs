use std::path::Path;

use aurore_checkpoint::Checkpoint;
use aurore_model::LoadOptions;

use super::*;
use crate::{Sampler, Token};

#[test]
fn a_forced_end_goes_on_where_the_answer_stands() {
    let end = ForcedEnd {
        after: 3,
        ids: vec![10, 11, 12],
    };
    assert_eq!(end.next(&[1, 2]), None);
    assert_eq!(end.next(&[1, 2, 3]), Some(10));
    assert_eq!(end.next(&[1, 2, 3, 10]), Some(11));
    assert_eq!(end.next(&[1, 2, 10, 11]), Some(12));
    assert_eq!(end.next(&[1, 2, 3, 12, 4]), None);
}

pub(crate) const EOS: u32 = 255;

/// A tiny network whose tokens are bytes.
pub(crate) fn engine() -> Engine {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/goldens/dense");
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let model = Model::load(&checkpoint, checkpoint.config(), &LoadOptions::default()).unwrap();
    let token = |id: u32| Token {
        bytes: vec![id as u8],
        control: id == EOS,
    };
    let encode = Arc::new(|text: &str| text.bytes().map(u32::from).collect());
    let vocabulary = Vocabulary::new((0..256).map(token).collect(), vec![EOS], encode).unwrap();
    Engine::new(Arc::new(model), Arc::new(vocabulary)).unwrap()
}

/// An answer for which the network computes all logits at every token.
fn with_all_logits(engine: &Engine, prompt: &Prompt, options: &GenerateOptions) -> Vec<u32> {
    let mut sampler = Sampler::new(options.sampling, &prompt.ids).unwrap();
    let mut constraint = engine.constraint(options.grammar.as_ref().unwrap()).unwrap();
    let mut sequence = engine.model.new_sequence();
    let never = AtomicBool::new(false);
    let mut logits = engine
        .prefill(&mut sequence, prompt, None, &never)
        .unwrap()
        .unwrap();
    let mut ids = Vec::new();
    while ids.len() < options.max_new_tokens {
        let mask = constraint.mask().unwrap();
        let id = sampler.choose(&mut logits[..256], Some(&mask)).unwrap();
        if id == EOS {
            break;
        }
        ids.push(id);
        constraint.push(id).unwrap();
        if constraint.is_complete() {
            break;
        }
        engine.model.step(&mut sequence, id, &mut logits).unwrap();
    }
    ids
}

#[test]
fn what_a_grammar_forbids_need_not_be_computed() {
    let engine = engine();
    let prompt = Prompt::text(vec![72, 105, 33, 10]);
    let mut different = std::collections::HashSet::new();
    for seed in 0..6 {
        for grammar in ["[a-c]{3,9}(xy|xz|[0-9]+)", "(yes|no|maybe), [ -~]{2,6}"] {
            let options = GenerateOptions {
                sampling: Sampling {
                    temperature: if seed == 0 { 0.0 } else { 1.5 },
                    top_k: 20,
                    presence_penalty: 0.5,
                    repetition_penalty: 1.2,
                    seed,
                    ..Sampling::greedy()
                },
                max_new_tokens: 12,
                grammar: Some(Grammar::Regex(grammar.to_owned())),
                ..GenerateOptions::default()
            };
            let answer = engine
                .generate(&prompt, &options, &mut |_| Control::Continue)
                .unwrap();
            assert_eq!(
                answer.ids,
                with_all_logits(&engine, &prompt, &options),
                "{grammar}"
            );
            different.insert(answer.ids);
        }
    }
    assert!(different.len() > 4);
}
