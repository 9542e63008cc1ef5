//! Tests of choosing.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use toktrie::SimpleVob;

use super::likeliest::possible;
use super::*;

fn sampler(sampling: Sampling, prompt: &[u32]) -> Sampler {
    Sampler::new(sampling, prompt).unwrap()
}

fn warm(seed: u64) -> Sampling {
    Sampling {
        temperature: 1.0,
        seed,
        ..Sampling::greedy()
    }
}

/// How often each of four tokens is drawn in 4000 draws.
fn counts(sampling: Sampling, logits: [f32; 4]) -> [u32; 4] {
    let mut counts = [0; 4];
    let mut sampler = sampler(sampling, &[]);
    for _ in 0..4000 {
        let id = sampler.choose(&mut logits.clone(), None).unwrap();
        counts[id as usize] += 1;
    }
    counts
}

#[test]
fn greedy_takes_the_first_of_the_likeliest() {
    let mut greedy = sampler(Sampling::greedy(), &[]);
    assert_eq!(greedy.choose(&mut [1.0, 3.0, 3.0, f32::NAN], None), Some(1));
    assert_eq!(greedy.choose(&mut [f32::NAN, f32::INFINITY], None), None);
    // The same over many stretches, whatever is in them.
    let mut many = vec![-7.5; 5000];
    many[3] = f32::NAN;
    many[4100] = f32::INFINITY;
    assert_eq!(greedy.choose(&mut many.clone(), None), Some(0));
    for (place, logit) in [(4999, -7.0), (4098, 0.0), (2047, -0.0), (1024, 2.0), (1500, 2.0)] {
        many[place] = logit;
        let one_by_one = (0..5000).filter(|id| many[*id].is_finite());
        let expected = one_by_one.fold(0, |best, id| if many[id] > many[best] { id } else { best });
        assert_eq!(greedy.choose(&mut many.clone(), None), Some(expected as u32));
    }
    let mut allowed = SimpleVob::alloc(4);
    allowed.allow_token(2);
    assert_eq!(greedy.choose(&mut [9.0, 9.0, 1.0, 9.0], Some(&allowed)), Some(2));
}

#[test]
fn draws_follow_the_probabilities() {
    // Probabilities 0.5, 0.25, 0.125, 0.125.
    let logits = [4.0f32, 2.0, 1.0, 1.0].map(f32::ln);
    let counts = counts(warm(3), logits);
    for (count, expected) in counts.into_iter().zip([2000.0, 1000.0, 500.0, 500.0f64]) {
        assert!(
            (f64::from(count) - expected).abs() < 5.0 * expected.sqrt(),
            "{counts:?}"
        );
    }
}

#[test]
fn filters_keep_the_likeliest() {
    let logits = [4.0f32, 2.0, 1.0, 1.0].map(f32::ln);
    let two = [true, true, false, false];
    let one = [true, false, false, false];
    for (filter, kept) in [
        (Sampling { top_k: 2, ..warm(1) }, two),
        // 0.5 + 0.25 reach 0.6; the token that crosses the limit is kept.
        (
            Sampling {
                top_p: 0.6,
                ..warm(1)
            },
            two,
        ),
        (
            Sampling {
                top_p: 0.5,
                ..warm(1)
            },
            one,
        ),
        (
            Sampling {
                min_p: 0.3,
                ..warm(1)
            },
            two,
        ),
        (
            Sampling {
                temperature: 0.01,
                ..warm(1)
            },
            one,
        ),
    ] {
        assert_eq!(counts(filter, logits).map(|count| count > 0), kept, "{filter:?}");
    }
}

/// As [`Sampler::draw`], with all tokens in order.
fn drawn_plainly(sampling: Sampling, logits: &[f32], allowed: Option<&SimpleVob>, dice: f64) -> u32 {
    let mut all: Vec<(f32, u32)> = possible(logits, allowed).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    if sampling.top_k > 0 {
        all.truncate(sampling.top_k);
    }
    let weight = |logit: f32| (f64::from(logit - all[0].0) / f64::from(sampling.temperature)).exp();
    let total: f64 = all.iter().map(|(logit, _)| weight(*logit)).sum();
    let mut mass = 0.0;
    let mut kept = Vec::new();
    for (logit, id) in &all {
        let enough = mass >= f64::from(sampling.top_p) * total;
        if !kept.is_empty() && (enough || weight(*logit) < f64::from(sampling.min_p)) {
            break;
        }
        mass += weight(*logit);
        kept.push((mass, *id));
    }
    let place = kept.iter().position(|(reached, _)| dice * mass < *reached);
    kept[place.unwrap_or(kept.len() - 1)].1
}

#[test]
fn what_is_not_put_in_order_changes_no_draw() {
    let mut noise = ChaCha8Rng::seed_from_u64(7);
    // Steps of 1/16, so that many are equal; some are no numbers.
    let mut logits: Vec<f32> = (0..9000)
        .map(|_| (noise.next_u32() >> 24) as f32 / 16.0)
        .collect();
    logits[17] = f32::NAN;
    logits[4000] = f32::INFINITY;
    let mut few = SimpleVob::alloc(9000);
    (0..9000).step_by(7).for_each(|id| few.allow_token(id));
    for (top_k, top_p, min_p, temperature) in [
        (0, 1.0, 0.0, 1.0),
        (0, 1.0, 0.0, 40.0),
        (0, 0.9, 0.0, 1.0),
        (0, 0.9, 0.0, 40.0),
        (0, 1.0, 0.7, 2.0),
        (20, 0.8, 0.0, 1.0),
        (3000, 0.95, 0.0, 60.0),
        (20000, 1.0, 0.1, 5.0),
    ] {
        for allowed in [None, Some(&few)] {
            for seed in 0..12 {
                let sampling = Sampling {
                    temperature,
                    top_k,
                    top_p,
                    min_p,
                    ..warm(seed)
                };
                let dice = (ChaCha8Rng::seed_from_u64(seed).next_u64() >> 11) as f64;
                let expected = drawn_plainly(sampling, &logits, allowed, dice / (1u64 << 53) as f64);
                let found = sampler(sampling, &[]).choose(&mut logits.clone(), allowed);
                assert_eq!(found, Some(expected), "{sampling:?}");
            }
        }
    }
}

#[test]
fn penalties_hold_back_what_was_said() {
    let sampling = Sampling {
        presence_penalty: 2.0,
        ..Sampling::greedy()
    };
    let mut sampler_ = sampler(sampling, &[0]);
    // The prompt does not count for presence.
    assert_eq!(sampler_.choose(&mut [3.0, 2.0], None), Some(0));
    assert_eq!(sampler_.choose(&mut [3.0, 2.0], None), Some(1));
    let sampling = Sampling {
        frequency_penalty: 0.6,
        ..Sampling::greedy()
    };
    let mut sampler_ = sampler(sampling, &[0]);
    let said = [(); 4].map(|()| sampler_.choose(&mut [3.0, 2.0], None));
    assert_eq!(said, [Some(0), Some(0), Some(1), Some(0)]);
    let sampling = Sampling {
        repetition_penalty: 2.0,
        ..Sampling::greedy()
    };
    assert_eq!(sampler(sampling, &[0]).choose(&mut [3.0, 2.0], None), Some(1));
    assert_eq!(sampler(sampling, &[0]).choose(&mut [-1.0, -1.5], None), Some(1));
}

#[test]
fn meaningless_parameters_are_named() {
    for (sampling, name) in [
        (
            Sampling {
                temperature: -1.0,
                ..warm(0)
            },
            "temperature",
        ),
        (
            Sampling {
                temperature: f32::NAN,
                ..warm(0)
            },
            "temperature",
        ),
        (
            Sampling {
                top_p: 1.5,
                ..warm(0)
            },
            "top_p",
        ),
        (
            Sampling {
                min_p: -0.1,
                ..warm(0)
            },
            "min_p",
        ),
        (
            Sampling {
                presence_penalty: f32::INFINITY,
                ..warm(0)
            },
            "presence_penalty",
        ),
        (
            Sampling {
                repetition_penalty: 0.0,
                ..warm(0)
            },
            "repetition_penalty",
        ),
    ] {
        let error = Sampler::new(sampling, &[]).unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
    }
}
