//! Draws, and what was said so far.

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use toktrie::SimpleVob;

use super::Sampling;
use super::likeliest::{greedy, keep_likeliest, possible};
use crate::EngineError;

/// Tokens that are put in order first where nothing says how many are kept.
const FIRST: usize = 256;

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

    /// How many of the greatest logits decide, if only they do: not where others may become greater by penalties, or
    /// share in the draw.
    pub(crate) fn greatest(&self) -> Option<usize> {
        let Sampling {
            top_k,
            presence_penalty,
            frequency_penalty,
            repetition_penalty,
            ..
        } = self.sampling;
        let is_changed = presence_penalty != 0.0 || frequency_penalty != 0.0 || repetition_penalty != 1.0;
        match (is_changed, self.sampling.is_greedy()) {
            (true, _) => None,
            (false, true) => Some(1),
            (false, false) => (top_k > 0).then_some(top_k),
        }
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
