//! From logits to one token.

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use toktrie::SimpleVob;

use crate::EngineError;

/// How the next token is chosen. The order of the steps is: penalties, temperature, top-k, top-p, min-p, draw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Divides the logits; 0 means greedy.
    pub temperature: f32,
    /// Keeps this many of the likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps the likeliest tokens that together reach this probability, in (0, 1].
    pub top_p: f32,
    /// Keeps tokens of at least this share of the likeliest token's probability, in [0, 1].
    pub min_p: f32,
    /// Subtracted from the logit of each token that was already generated.
    pub presence_penalty: f32,
    /// Subtracted from the logit of each token as many times as it was already generated.
    pub frequency_penalty: f32,
    /// Divides (multiplies, if negative) the logit of each token in prompt or answer; 1 does nothing.
    pub repetition_penalty: f32,
    /// Seed of the draw: the same seed gives the same answer.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self::greedy()
    }
}

impl Sampling {
    /// Always the likeliest token; of equals, the one with the lowest id.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }

    /// Whether no chance is involved.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0 || self.top_k == 1
    }

    /// Whether every parameter means something.
    ///
    /// # Errors
    /// [`EngineError::Sampling`] names the first that does not.
    pub fn check(&self) -> Result<(), EngineError> {
        let within = |field, value: f32, valid: bool, expected| {
            if valid && value.is_finite() {
                return Ok(());
            }
            Err(EngineError::Sampling {
                field,
                value: f64::from(value),
                expected,
            })
        };
        within(
            "temperature",
            self.temperature,
            self.temperature >= 0.0,
            "0 or more",
        )?;
        within(
            "top_p",
            self.top_p,
            self.top_p > 0.0 && self.top_p <= 1.0,
            "above 0 and at most 1",
        )?;
        within(
            "min_p",
            self.min_p,
            (0.0..=1.0).contains(&self.min_p),
            "from 0 to 1",
        )?;
        within("presence_penalty", self.presence_penalty, true, "finite")?;
        within("frequency_penalty", self.frequency_penalty, true, "finite")?;
        within(
            "repetition_penalty",
            self.repetition_penalty,
            self.repetition_penalty > 0.0,
            "above 0",
        )
    }
}

/// Chooses tokens; remembers what was said (for the penalties) and where the dice are.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    dice: ChaCha8Rng,
    /// Times that each token was generated (0: it stands in the prompt only).
    seen: HashMap<u32, u32>,
    candidates: Vec<(f32, u32)>,
}

impl Sampler {
    /// A sampler at the start of an answer to a prompt.
    ///
    /// # Errors
    /// [`EngineError::Sampling`] for parameters that mean nothing.
    pub fn new(sampling: Sampling, prompt: &[u32]) -> Result<Self, EngineError> {
        sampling.check()?;
        let seen = if sampling.repetition_penalty == 1.0 {
            HashMap::new()
        } else {
            prompt.iter().map(|id| (*id, 0)).collect()
        };
        Ok(Self {
            sampling,
            dice: ChaCha8Rng::seed_from_u64(sampling.seed),
            seen,
            candidates: Vec::new(),
        })
    }

    /// Chooses among the tokens that `allowed` holds (all, if absent). `logits` are changed by the penalties.
    /// `None` when no allowed token has a finite logit.
    pub(crate) fn choose(&mut self, logits: &mut [f32], allowed: Option<&SimpleVob>) -> Option<u32> {
        self.penalise(logits);
        let chosen = if self.sampling.is_greedy() {
            greedy(logits, allowed)
        } else {
            self.draw(logits, allowed)
        }?;
        *self.seen.entry(chosen).or_default() += 1;
        Some(chosen)
    }

    fn penalise(&self, logits: &mut [f32]) {
        let Sampling {
            presence_penalty,
            frequency_penalty,
            repetition_penalty,
            ..
        } = self.sampling;
        for (id, times) in &self.seen {
            let Some(logit) = logits.get_mut(*id as usize) else {
                continue;
            };
            if *logit > 0.0 {
                *logit /= repetition_penalty;
            } else {
                *logit *= repetition_penalty;
            }
            if *times > 0 {
                *logit -= presence_penalty + frequency_penalty * *times as f32;
            }
        }
    }

    fn draw(&mut self, logits: &[f32], allowed: Option<&SimpleVob>) -> Option<u32> {
        let Sampling {
            temperature,
            top_k,
            top_p,
            min_p,
            ..
        } = self.sampling;
        let candidates = &mut self.candidates;
        let mut count = if top_k > 0 { top_k } else { FIRST };
        let mut are_all = keep_likeliest(logits, allowed, count, candidates);
        let largest = f64::from(candidates.first()?.0);
        let weight = |logit: f32| ((f64::from(logit) - largest) / f64::from(temperature)).exp();
        let total: f64 = if top_k > 0 {
            are_all = true;
            candidates.iter().map(|(logit, _)| weight(*logit)).sum()
        } else {
            possible(logits, allowed).map(|(logit, _)| weight(logit)).sum()
        };
        // 53 random bits, the precision of a double, in [0, 1).
        let dice = (self.dice.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        // Few of the likeliest usually decide; where they do not, more are put in order.
        loop {
            let (mut kept, mut mass, mut ends) = (0, 0.0, are_all);
            for (logit, _) in candidates.iter() {
                let share = weight(*logit);
                // The likeliest token has weight 1, so its share of min_p is min_p itself.
                let enough = mass >= f64::from(top_p) * total;
                if kept > 0 && (enough || share < f64::from(min_p)) {
                    ends = true;
                    break;
                }
                mass += share;
                kept += 1;
            }
            // Without limits all tokens are kept, wherever the dice fall.
            let is_unlimited = top_k == 0 && top_p >= 1.0 && min_p == 0.0;
            let reach = dice * if is_unlimited { total } else { mass };
            if ends || is_unlimited {
                let mut reached = 0.0;
                for (logit, id) in &candidates[..kept] {
                    reached += weight(*logit);
                    if reach < reached {
                        return Some(*id);
                    }
                }
                if ends {
                    return candidates[..kept].last().map(|(_, id)| *id);
                }
            }
            count *= 16;
            are_all = keep_likeliest(logits, allowed, count, candidates);
        }
    }
}

/// Tokens that are put in order first where nothing says how many are kept.
const FIRST: usize = 256;

/// The tokens that may be drawn, with their logits.
fn possible<'l>(logits: &'l [f32], allowed: Option<&'l SimpleVob>) -> impl Iterator<Item = (f32, u32)> + 'l {
    let all = logits.iter().copied().zip(0u32..);
    all.filter(move |(logit, id)| logit.is_finite() && permits(allowed, *id))
}

/// Puts the `count` likeliest tokens into `candidates`, likeliest first, lower ids first among equals. Whether these
/// are all that there are. Most of a vocabulary is only glanced at.
fn keep_likeliest(
    logits: &[f32],
    allowed: Option<&SimpleVob>,
    count: usize,
    candidates: &mut Vec<(f32, u32)>,
) -> bool {
    let order = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let room = count.saturating_mul(4).max(STRETCH);
    candidates.clear();
    // The least of `count` that are at hand: who is no greater and comes later is none of the likeliest.
    let mut least = None;
    for (stretch, start) in logits.chunks(STRETCH).zip((0u32..).step_by(STRETCH)) {
        if least.is_some_and(|least| largest(stretch) <= least) {
            continue;
        }
        for (logit, id) in stretch.iter().copied().zip(start..) {
            let counts = logit.is_finite() && least.is_none_or(|least| logit > least);
            if counts && permits(allowed, id) {
                candidates.push((logit, id));
            }
        }
        if candidates.len() >= room {
            candidates.select_nth_unstable_by(count - 1, order);
            candidates.truncate(count);
            least = Some(candidates[count - 1].0);
        }
    }
    let are_all = least.is_none() && candidates.len() <= count;
    if candidates.len() > count {
        candidates.select_nth_unstable_by(count - 1, order);
        candidates.truncate(count);
    }
    candidates.sort_unstable_by(order);
    are_all
}

fn permits(allowed: Option<&SimpleVob>, id: u32) -> bool {
    allowed.is_none_or(|set| (id as usize) < set.len() && set.is_allowed(id))
}

fn greedy(logits: &[f32], allowed: Option<&SimpleVob>) -> Option<u32> {
    if allowed.is_none() {
        return likeliest(logits);
    }
    let mut best: Option<(f32, u32)> = None;
    for (logit, id) in logits.iter().zip(0u32..) {
        let better = best.is_none_or(|(largest, _)| *logit > largest);
        if better && logit.is_finite() && permits(allowed, id) {
            best = Some((*logit, id));
        }
    }
    best.map(|(_, id)| id)
}

/// Logits that are looked at together: first for their largest, then, if need be, one by one.
const STRETCH: usize = 1024;

/// The first of the largest finite logits.
fn likeliest(logits: &[f32]) -> Option<u32> {
    let (mut best, mut place) = (f32::NEG_INFINITY, None);
    for (number, stretch) in logits.chunks(STRETCH).enumerate() {
        let largest = largest(stretch);
        if largest > best {
            (best, place) = (largest, Some(number * STRETCH));
        }
    }
    let place = place?;
    let within = logits[place..].iter().position(|logit| *logit == best)?;
    u32::try_from(place + within).ok()
}

/// The largest finite logit, or negative infinity. Lane by lane, so that it becomes vector instructions.
fn largest(logits: &[f32]) -> f32 {
    const LANES: usize = 16;
    let greater = |a: f32, b: f32| if b > a && b < f32::INFINITY { b } else { a };
    let mut most = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = logits.as_chunks::<LANES>();
    for logits in whole {
        for (most, logit) in most.iter_mut().zip(logits) {
            *most = greater(*most, *logit);
        }
    }
    most.into_iter()
        .chain(rest.iter().copied())
        .fold(f32::NEG_INFINITY, greater)
}

#[cfg(test)]
mod tests {
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
        let none = |counts: [u32; 4]| counts.map(|count| count == 0);
        assert_eq!(
            none(counts(Sampling { top_k: 2, ..warm(1) }, logits)),
            [false, false, true, true]
        );
        // 0.5 + 0.25 reach 0.6; the token that crosses the limit is kept.
        assert_eq!(
            none(counts(
                Sampling {
                    top_p: 0.6,
                    ..warm(1)
                },
                logits
            )),
            [false, false, true, true]
        );
        assert_eq!(
            none(counts(
                Sampling {
                    top_p: 0.5,
                    ..warm(1)
                },
                logits
            )),
            [false, true, true, true]
        );
        assert_eq!(
            none(counts(
                Sampling {
                    min_p: 0.3,
                    ..warm(1)
                },
                logits
            )),
            [false, false, true, true]
        );
        assert_eq!(
            none(counts(
                Sampling {
                    temperature: 0.01,
                    ..warm(1)
                },
                logits
            )),
            [false, true, true, true]
        );
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
}
