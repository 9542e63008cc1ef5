use std::path::Path;

use aurore_checkpoint::Checkpoint;
use aurore_model::LoadOptions;

use super::*;
use crate::{Sampler, Section, Token};

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
        .prefill(&mut sequence, prompt, Among::All, &never)
        .unwrap()
        .unwrap()
        .values;
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
fn no_more_logits_are_asked_for_than_decide() {
    let engine = engine();
    let prompt = Prompt::text(vec![72, 105]);
    let greatest = |change: &dyn Fn(&mut Choosing)| {
        let mut choosing = Choosing::default();
        change(&mut choosing);
        let answering = engine.answering(&prompt, choosing).unwrap();
        match answering.among(0) {
            Among::Greatest { count, below } => {
                assert_eq!(below, 256, "rows beyond the vocabulary are padding");
                Some(count)
            }
            Among::All | Among::Only(_) => None,
        }
    };
    let warm = |choosing: &mut Choosing| {
        choosing.sampling.temperature = 0.7;
        choosing.sampling.top_k = 20;
    };
    assert_eq!(greatest(&|_| ()), Some(1));
    assert_eq!(greatest(&warm), Some(20));
    let all: [&dyn Fn(&mut Choosing); 6] = [
        &|choosing| choosing.sampling.top_k = 0,
        &|choosing| choosing.sampling.presence_penalty = 1.5,
        &|choosing| choosing.sampling.frequency_penalty = -0.1,
        &|choosing| choosing.sampling.repetition_penalty = 1.1,
        &|choosing| choosing.bias = vec![(7, 2.0)],
        &|choosing| choosing.logprobs = Some(0),
    ];
    for (number, change) in all.into_iter().enumerate() {
        let found = greatest(&|choosing| {
            warm(choosing);
            change(choosing);
        });
        assert_eq!(found, None, "{number}");
    }
}

#[test]
fn sections_are_held_and_the_rest_is_free() {
    let engine = engine();
    let prompt = Prompt::text(vec![72, 105, 33, 10]);
    let [opens, after] = [b'(', b'!'].map(u32::from);
    let ask = |section: Option<Section>, bias: Vec<(u32, f32)>| {
        let choosing = Choosing {
            sampling: Sampling {
                temperature: 2.0,
                seed: 3,
                ..Sampling::greedy()
            },
            max_new_tokens: 120,
            section,
            bias,
            ..Choosing::default()
        };
        let mut answering = engine.answering(&prompt, choosing).unwrap();
        let mut sequence = engine.model.new_sequence();
        let never = AtomicBool::new(false);
        let mut logits = engine
            .prefill(&mut sequence, &prompt, Among::All, &never)
            .unwrap()
            .unwrap()
            .values;
        while let Taken::Token { id, last: None, .. } = answering.take(&mut logits).unwrap() {
            answering.glance();
            engine
                .model
                .step_among(&mut sequence, id, answering.among(0), &mut logits)
                .unwrap();
        }
        answering.into_ids()
    };
    let section = |after| Section {
        opens,
        after,
        grammar: Grammar::Regex("[0-9]{2,4}\\)".to_owned()),
    };
    let often = vec![(opens, 9.0), (after, 7.0), (EOS, -1e9)];
    let held = |text: &[u32]| {
        let text: Vec<u8> = text.iter().map(|id| *id as u8).collect();
        let parts: Vec<&[u8]> = text.split(|byte| *byte == b'(').skip(1).collect();
        let whole = &parts[..parts.len().saturating_sub(1)];
        let is_held = |part: &&[u8]| {
            let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (2..=4).contains(&digits) && part.get(digits) == Some(&b')')
        };
        (whole.iter().filter(|part| is_held(part)).count(), whole.len())
    };
    let (good, all) = held(&ask(Some(section(None)), often.clone()));
    assert!(good == all && all > 1, "{good} of {all}");
    // Not before what it waits for.
    let ids = ask(Some(section(Some(after))), often.clone());
    let from = ids.iter().position(|id| *id == after).unwrap();
    let free = ask(None, often.clone());
    assert_eq!(ids[..=from], free[..=from]);
    let (good, all) = held(&ids[from..]);
    assert!(good == all && all > 1, "{good} of {all}");
    assert_ne!(held(&free).0, held(&free).1);
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

#[test]
fn drafts_change_no_token() {
    let engine = engine();
    // The network is random: what it repeats it repeats under a grammar, or where it goes in a circle.
    let grammars = [
        None,
        Some(Grammar::Regex("(one, two, three; ){9}".into())),
        Some(Grammar::Regex("([ab]c[de]fgh){30}".into())),
        Some(Grammar::Regex("([a-d]{3}xyz){20}".into())),
    ];
    let prompt = Prompt::text(b"one, two, three; acdfgh bcefgh abcxyz".map(u32::from).to_vec());
    let (mut right, mut wrong) = (0, 0);
    for grammar in grammars {
        for (temperature, penalty, seed) in [
            (0.0, 0.0, 0),
            (0.3, 0.0, 1),
            (0.7, 0.0, 2),
            (0.7, 0.4, 3),
            (1.5, 0.0, 4),
        ] {
            let answer = |drafts, max_new_tokens| {
                let options = GenerateOptions {
                    sampling: Sampling {
                        temperature,
                        presence_penalty: penalty,
                        seed,
                        ..Sampling::greedy()
                    },
                    max_new_tokens,
                    grammar: grammar.clone(),
                    drafts,
                    ..GenerateOptions::default()
                };
                let mut heard = Vec::new();
                let mut hear = |id| {
                    heard.push(id);
                    Control::Continue
                };
                let answer = engine.generate(&prompt, &options, &mut hear).unwrap();
                assert_eq!(answer.ids, heard);
                answer
            };
            let most = 150;
            let plain = answer(0, most);
            assert_eq!((plain.drafts, plain.right_drafts), (0, 0));
            for (drafts, room) in [
                (1, most),
                (7, most),
                (7, plain.ids.len().div_ceil(2)),
                (3, 2),
                (7, 1),
            ] {
                let drafted = answer(drafts, room);
                let expected = &plain.ids[..plain.ids.len().min(room)];
                assert_eq!(drafted.ids, expected, "{grammar:?} {temperature} {drafts} {room}");
                if room == most {
                    assert_eq!(drafted.finish, plain.finish);
                }
                right += drafted.right_drafts;
                wrong += drafted.drafts - drafted.right_drafts;
            }
        }
    }
    assert!(right > 500 && wrong > 100, "{right} right, {wrong} wrong");
}
