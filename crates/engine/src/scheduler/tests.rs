//! Whoever else is answered, an answer is what it is alone.

use std::sync::LazyLock;

use aurore_model::{ImagePatches, LoadedAdapter};

use super::*;
use crate::cache::tests::Dice;
use crate::engine::tests::engine;
use crate::{Choosing, Control, Finish, GenerateOptions, Grammar, Sampling};

pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(engine);

pub(super) fn request(prompt: Prompt, choosing: Choosing) -> Request {
    Request {
        prompt,
        choosing,
        priority: Priority::Normal,
    }
}

pub(super) fn greedy(max_new_tokens: usize) -> Choosing {
    Choosing {
        max_new_tokens,
        ..Choosing::default()
    }
}

/// A prompt over one of a few beginnings, with pictures now and then.
pub(super) fn prompt(dice: &mut Dice) -> Prompt {
    let config = ENGINE.model().config();
    let vision = config.vision.as_ref().unwrap();
    let merge = vision.spatial_merge_size as u32;
    let mut shared = Dice(dice.below(3) as u64);
    let mut ids: Vec<u32> = (0..dice.below(400)).map(|_| shared.below(200) as u32).collect();
    let mut images = Vec::new();
    for _ in 0..dice.below(3) {
        let grid = [1, 6 * merge, 8 * merge];
        let shade = dice.below(2) as f32;
        let patches = grid.iter().product::<u32>() as usize * vision.patch_dim();
        images.push(ImagePatches {
            grid,
            patches: (0..patches).map(|i| shade - (i % 7) as f32 / 7.0).collect(),
        });
        ids.extend([config.image_token_id; 48]);
        ids.extend((0..dice.below(90)).map(|_| dice.below(200) as u32));
    }
    ids.push(dice.below(200) as u32);
    let merge = vision.spatial_merge_size;
    let (positions, _) =
        aurore_model::positions::prompt_positions(&ids, &images, config.image_token_id, merge);
    let marks = (0..dice.below(4)).map(|_| dice.below(ids.len())).collect();
    Prompt {
        ids,
        positions,
        images,
        marks,
        adapter: None,
    }
}

pub(super) fn choosing(dice: &mut Dice) -> Choosing {
    let sampling = Sampling {
        temperature: [0.0, 0.0, 1.3][dice.below(3)],
        presence_penalty: [0.0, 0.5][dice.below(2)],
        seed: dice.below(1000) as u64,
        ..Sampling::greedy()
    };
    let grammar = (dice.below(4) == 0).then(|| Grammar::Regex("[a-f]{2,30}(xy|z)".to_owned()));
    Choosing {
        sampling,
        max_new_tokens: dice.below(24),
        grammar,
        ..Choosing::default()
    }
}

/// The answer of the engine alone.
pub(super) fn alone(prompt: &Prompt, choosing: &Choosing) -> (Vec<u32>, Finish) {
    let options = GenerateOptions {
        sampling: choosing.sampling,
        max_new_tokens: choosing.max_new_tokens,
        grammar: choosing.grammar.clone(),
        ..GenerateOptions::default()
    };
    let answer = ENGINE
        .generate(prompt, &options, &mut |_| Control::Continue)
        .unwrap();
    (answer.ids, answer.finish)
}

/// A prompt, how it is to be answered, and its answer.
pub(super) type Case = (Prompt, Choosing, (Vec<u32>, Finish));

/// Requests with what they are answered alone, and the bytes of the longest sequence among them.
pub(super) fn cases(count: usize, dice: &mut Dice) -> (Vec<Case>, u64) {
    let case = |_| {
        let (prompt, choosing) = (prompt(dice), choosing(dice));
        let expected = alone(&prompt, &choosing);
        (prompt, choosing, expected)
    };
    let cases: Vec<Case> = (0..count).map(case).collect();
    let longest = cases.iter().map(|(prompt, ..)| prompt.len()).max().unwrap() + 30;
    let one = ENGINE.model().memory_plan().sequence(longest as u64);
    (cases, one)
}

#[test]
fn answers_are_what_they_are_alone() {
    let mut dice = Dice(2);
    let (cases, one) = cases(40, &mut dice);
    let mut cached = 0;
    for round in 0..10 {
        let limits = Limits {
            queue: 100,
            batch: [17, 17, 1, 4][dice.below(4)],
            memory: one * [1, 3, 20, 200][dice.below(4)],
            piece: [64, 128, 200, 512][dice.below(4)],
            cache: round % 5 != 4,
            ..Limits::default()
        };
        let scheduler = Scheduler::start(ENGINE.clone(), limits.clone()).unwrap();
        let mut answers = Vec::new();
        for _ in 0..17 {
            let (prompt, choosing, expected) = &cases[dice.below(cases.len())];
            let mut request = request(prompt.clone(), choosing.clone());
            request.priority = [Priority::Low, Priority::Normal, Priority::High][dice.below(3)];
            if dice.below(3) == 0 {
                scheduler.warm(prompt.clone()).unwrap();
            }
            let mut answer = scheduler.submit(request).unwrap();
            match dice.below(8) {
                // Some go away, before or amid.
                0 => drop(answer),
                1 => _ = answer.next(),
                _ => answers.push((answer, expected)),
            }
            if dice.below(4) == 0 && !answers.is_empty() {
                let (answer, expected) = answers.swap_remove(dice.below(answers.len()));
                let (ids, finished) = answer.wait().unwrap();
                assert_eq!((&ids, finished.finish), (&expected.0, expected.1), "{limits:?}");
            }
        }
        for (answer, expected) in answers {
            let (ids, finished) = answer.wait().unwrap();
            assert_eq!((&ids, finished.finish), (&expected.0, expected.1), "{limits:?}");
            assert_eq!(finished.usage.answer_tokens, ids.len());
            assert!(finished.usage.cached_tokens < finished.usage.prompt_tokens);
        }
        scheduler.drain(Duration::from_mins(1));
        let statistics = scheduler.statistics();
        assert_eq!((statistics.running, statistics.waiting), (0, 0));
        assert_eq!(statistics.reserved_bytes, 0);
        assert!(statistics.cache_bytes <= limits.memory);
        if !limits.cache {
            assert_eq!((statistics.cached_tokens, statistics.cache_states), (0, 0));
        }
        cached += statistics.cached_tokens;
    }
    assert!(cached > 0);
}

#[test]
fn probabilities_do_not_depend_on_company() {
    let mut dice = Dice(8);
    let choosing = Choosing {
        logprobs: Some(3),
        ..greedy(8)
    };
    let prompts: Vec<Prompt> = (0..6).map(|_| prompt(&mut dice)).collect();
    let run = |limits: Limits| -> Vec<Vec<(u32, Option<crate::Logprobs>)>> {
        let scheduler = Scheduler::start(ENGINE.clone(), limits).unwrap();
        let ask = |prompt: &Prompt| {
            scheduler
                .submit(request(prompt.clone(), choosing.clone()))
                .unwrap()
        };
        let answers: Vec<Answer> = prompts.iter().chain(&prompts).map(ask).collect();
        let tokens = |answer: Answer| {
            let token = |event| match event {
                Event::Token { id, logprobs } => Some((id, logprobs)),
                _ => None,
            };
            answer.filter_map(token).collect()
        };
        answers.into_iter().map(tokens).collect()
    };
    let together = run(Limits::default());
    let apart = run(Limits {
        batch: 1,
        cache: false,
        ..Limits::default()
    });
    assert_eq!(together, apart);
    let (id, logprobs) = &together[0][0];
    let logprobs = logprobs.as_ref().unwrap();
    assert_eq!(logprobs.top.len(), 3);
    assert_eq!(logprobs.top[0], (*id, logprobs.logprob));
}

#[test]
fn a_grammar_waits_for_its_lead() {
    let scheduler = Scheduler::start(ENGINE.clone(), Limits::default()).unwrap();
    let prompt = Prompt::text(vec![72, 105]);
    // The token that plain decoding gives third opens the way.
    let (plain, _) = alone(&prompt, &greedy(6));
    let after = plain[2];
    let first = plain.iter().position(|id| *id == after).unwrap();
    let choosing = Choosing {
        grammar: Some(Grammar::Regex("(yes|no)".to_owned())),
        lead: Some(crate::Lead {
            after,
            ids: vec![10, 10],
        }),
        ..greedy(40)
    };
    let (ids, finished) = scheduler
        .submit(request(prompt, choosing))
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(ids[..=first], plain[..=first]);
    assert_eq!(ids[first + 1..first + 3], [10, 10]);
    let said: Vec<u8> = ids[first + 3..].iter().map(|id| *id as u8).collect();
    assert!(said == b"yes" || said == b"no", "{said:?}");
    assert_eq!(finished.finish, Finish::Eos);
}

#[test]
fn limits_are_kept_and_named() {
    let one = ENGINE.model().memory_plan().sequence(64);
    let limits = Limits {
        queue: 2,
        batch: 1,
        memory: one,
        ..Limits::default()
    };
    let scheduler = Scheduler::start(ENGINE.clone(), limits).unwrap();
    let ask = |tokens: usize, more: usize| {
        let prompt = Prompt::text((0..tokens as u32).map(|id| id % 200).collect());
        scheduler.submit(request(prompt, greedy(more)))
    };
    // The answer is cut where memory ends; a prompt that does not fit is refused.
    let (ids, finished) = ask(60, 40).unwrap().wait().unwrap();
    assert!(ids.len() <= 4 && (ids.len() < 4 || finished.finish == Finish::Length));
    let error = ask(64, 4).unwrap_err();
    assert!(error.to_string().contains("shorten the prompt"), "{error}");
    assert!(matches!(ask(0, 4), Err(EngineError::EmptyPrompt)));
    let mut context = ENGINE.context();
    assert!(matches!(ask(context, 4), Err(EngineError::PromptTooLong { .. })));
    context = 50;
    // More than can wait.
    let mut answers = Vec::new();
    let busy = (0..1000).find_map(|_| match ask(context, 14) {
        Ok(answer) => {
            answers.push(answer);
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(busy, Some(EngineError::Busy { waiting: 2 })), "{busy:?}");
    let expected = answers.remove(0).wait().unwrap().0;
    for answer in answers {
        assert_eq!(answer.wait().unwrap().0, expected);
    }
    assert!(scheduler.is_ready());
    scheduler.drain(Duration::from_mins(1));
    assert!(!scheduler.is_ready());
    assert!(matches!(ask(5, 5), Err(EngineError::Draining)));
}

#[test]
fn a_long_prompt_holds_up_a_running_answer_by_one_piece() {
    let limits = Limits {
        piece: 64,
        ..Limits::default()
    };
    let scheduler = Scheduler::start(ENGINE.clone(), limits).unwrap();
    let never = |tokens| Choosing {
        bias: vec![(crate::engine::tests::EOS, -100.0)],
        ..greedy(tokens)
    };
    let running = scheduler
        .submit(request(Prompt::text(vec![1, 2, 3]), never(100_000)))
        .unwrap();
    let long = Prompt::text((0..1000).map(|id| id % 200).collect());
    let late = scheduler.submit(request(long, never(2))).unwrap();
    let (_, late) = late.wait().unwrap();
    let steps = scheduler.statistics().steps;
    drop(running);
    // At most 512 tokens go in before the first answer begins; from then on each piece of 64 goes beside a step of it.
    // The last passes are not counted yet.
    assert!(late.usage.prefill_seconds > 0.0);
    assert!(steps >= 5, "{steps}");
}

#[test]
fn a_picture_does_not_stall_an_answer() {
    let limits = Limits {
        piece: 64,
        ..Limits::default()
    };
    let scheduler = Scheduler::start(ENGINE.clone(), limits).unwrap();
    let choosing = Choosing {
        bias: vec![(crate::engine::tests::EOS, -100.0)],
        ..greedy(100_000)
    };
    let running = scheduler
        .submit(request(Prompt::text(vec![1, 2, 3]), choosing))
        .unwrap();
    let config = ENGINE.model().config();
    let vision = config.vision.as_ref().unwrap();
    let (rows, columns) = (60, 64);
    let image = ImagePatches {
        grid: [1, rows, columns],
        patches: vec![0.5; (rows * columns) as usize * vision.patch_dim()],
    };
    let mut ids = vec![1];
    ids.resize(1 + image.token_count(vision), config.image_token_id);
    ids.push(2);
    let images = vec![image];
    let positions = aurore_model::positions::prompt_positions(
        &ids,
        &images,
        config.image_token_id,
        vision.spatial_merge_size,
    )
    .0;
    let prompt = Prompt {
        ids,
        positions,
        images,
        ..Prompt::default()
    };
    let tokens = prompt.len();
    let before = scheduler.statistics();
    let late = scheduler.submit(request(prompt, greedy(1))).unwrap();
    late.wait().unwrap();
    let steps = scheduler.statistics().steps - before.steps;
    drop(running);
    // The reading alone lets an answer take a step per piece; the looking has pieces of its own.
    assert!(
        steps as usize > 2 * tokens.div_ceil(64),
        "{steps} steps, {tokens} tokens"
    );
}

#[test]
fn what_is_read_in_idle_time_is_known_later() {
    let scheduler = Scheduler::start(ENGINE.clone(), Limits::default()).unwrap();
    let prompt = Prompt::text((0..300).map(|id| id * 7 % 200).collect());
    scheduler.warm(prompt.clone()).unwrap();
    while scheduler.statistics().warmed_tokens < 256 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let expected = alone(&prompt, &greedy(5)).0;
    let (ids, finished) = scheduler
        .submit(request(prompt, greedy(5)))
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(ids, expected);
    assert_eq!(finished.usage.cached_tokens, 256);
}

#[test]
fn a_text_is_pooled_the_same_in_any_pieces_and_company() {
    use aurore_model::{Among, Logits, Segment, Tokens, Want};
    let mut dice = Dice(11);
    let model = ENGINE.model();
    let hidden = model.config().text.hidden_size;
    let texts: Vec<Prompt> = [1, 63, 64, 65, 200, 700]
        .map(|tokens| Prompt::text((0..tokens).map(|_| dice.below(200) as u32).collect()))
        .into();
    let mut whole = Vec::new();
    for text in &texts {
        let mut logits = Logits::default();
        let segment = Segment {
            sequence: &mut model.new_sequence(),
            tokens: Tokens::Given {
                ids: &text.ids,
                positions: &text.positions,
                features: &[],
            },
            want: Want::Hidden,
            among: Among::All,
        };
        model.forward(&mut [segment], &mut logits).unwrap();
        assert!(logits.is_empty() && logits.hidden.len() == text.len() * hidden);
        whole.push(logits.hidden);
    }
    let scheduler = Scheduler::start(
        ENGINE.clone(),
        Limits {
            piece: 64,
            ..Limits::default()
        },
    )
    .unwrap();
    let company = Prompt::text((0..300).map(|_| dice.below(200) as u32).collect());
    let writing = scheduler.submit(request(company.clone(), greedy(40))).unwrap();
    let mut asked = Vec::new();
    for (text, whole) in texts.iter().zip(&whole) {
        for pooling in [Pooling::Mean, Pooling::Last] {
            let (listener, answer) = stream::channel();
            let listener = Box::new(listener);
            scheduler
                .pool_to(text.clone(), pooling, Priority::Normal, listener)
                .unwrap();
            asked.push((pooling, whole, answer));
        }
    }
    for (pooling, whole, answer) in asked {
        let vector = answer.filter_map(|event| match event {
            Event::Pooled(vector) => Some(vector),
            _ => None,
        });
        let vectors: Vec<Vec<f32>> = vector.collect();
        let last = &whole[whole.len() - hidden..];
        let mean = |place: usize| {
            let column = whole.iter().skip(place).step_by(hidden);
            (column.map(|number| f64::from(*number)).sum::<f64>() / (whole.len() / hidden) as f64) as f32
        };
        let expected: Vec<f32> = match pooling {
            Pooling::Last => last.to_vec(),
            Pooling::Mean => (0..hidden).map(mean).collect(),
        };
        assert_eq!(vectors, [expected]);
    }
    // And the company is none the worse for it.
    assert_eq!(writing.wait().unwrap().0, alone(&company, &greedy(40)).0);
}

#[test]
fn adapters_have_caches_of_their_own() {
    let model = ENGINE.model();
    let adapters: Vec<Option<Arc<LoadedAdapter>>> = [None, Some(1), Some(2)]
        .into_iter()
        .map(|seed| {
            let adapter = aurore_checkpoint::Adapter::random(model.config(), 4, seed?);
            Some(Arc::new(model.load_adapter(&adapter).unwrap()))
        })
        .collect();
    let ids: Vec<u32> = (0..300).map(|id| id * 7 % 200).collect();
    let choosing = Choosing {
        max_new_tokens: 12,
        ..Choosing::default()
    };
    let prompt = |adapter: &Option<Arc<LoadedAdapter>>| Prompt {
        adapter: adapter.clone(),
        ..Prompt::text(ids.clone())
    };
    let scheduler = Scheduler::start(ENGINE.clone(), Limits::default()).unwrap();
    // One after the other, twice: the second time each finds what it read itself, and nothing of others.
    let mut said = Vec::new();
    for round in 0..2 {
        for adapter in &adapters {
            let prompt = prompt(adapter);
            let expected = alone(&prompt, &choosing);
            let request = Request {
                prompt,
                choosing: choosing.clone(),
                ..Request::default()
            };
            let (ids, finished) = scheduler.submit(request).unwrap().wait().unwrap();
            assert_eq!((&ids, finished.finish), (&expected.0, expected.1));
            let cached = finished.usage.cached_tokens;
            assert_eq!(cached, if round == 0 { 0 } else { 256 }, "round {round}");
            said.push(ids);
        }
    }
    assert!(
        said[0] != said[1] && said[1] != said[2] && said[0] != said[2],
        "they say different things"
    );
    // All at once.
    let answers: Vec<_> = adapters
        .iter()
        .cycle()
        .take(9)
        .map(|adapter| {
            let request = Request {
                prompt: prompt(adapter),
                choosing: choosing.clone(),
                ..Request::default()
            };
            scheduler.submit(request).unwrap()
        })
        .collect();
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.wait().unwrap().0, said[number % 3]);
    }
    // The engine's own adapter is that of prompts which name none.
    let own = ENGINE.clone().under(adapters[1].clone().unwrap());
    let options = GenerateOptions {
        max_new_tokens: 12,
        ..GenerateOptions::default()
    };
    let answer = own
        .generate(&prompt(&None), &options, &mut |_| Control::Continue)
        .unwrap();
    assert_eq!(answer.ids, said[1]);
}
