//! How one answer's tokens are chosen, from logits that somebody else computes.

use std::sync::Arc;

use toktrie::SimpleVob;

use crate::engine::{Finish, ForcedEnd};
use crate::{Constraint, EngineError, Grammar, Prompt, Sampler, Sampling, Vocabulary};

/// Tokens that a grammar may leave for the network to compute these alone.
const FEW: usize = 4096;

/// What is known about the choice of a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Logprobs {
    /// The token's natural logarithm of its probability: the network's own, before penalties and temperature.
    pub logprob: f32,
    /// The likeliest tokens with theirs, likeliest first.
    pub top: Vec<(u32, f32)>,
}

/// What stands between the start of an answer and the start of its grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The grammar waits for this token: the end of thinking.
    pub after: u32,
    /// These follow it by force, then the grammar starts.
    pub ids: Vec<u32>,
}

/// How an answer's tokens are chosen.
#[derive(Debug, Clone, Default)]
pub struct Choosing {
    /// Chance and its limits.
    pub sampling: Sampling,
    /// Most tokens of the answer.
    pub max_new_tokens: usize,
    /// What the answer must look like.
    pub grammar: Option<Grammar>,
    /// The grammar starts only after this; at once if absent.
    pub lead: Option<Lead>,
    /// Ends a section that goes on for too long.
    pub forced_end: Option<ForcedEnd>,
    /// Ids that end the answer beside the vocabulary's own.
    pub stop_ids: Vec<u32>,
    /// Added to the logits of single tokens.
    pub bias: Vec<(u32, f32)>,
    /// Report probabilities, and so many of the likeliest tokens beside the chosen one.
    pub logprobs: Option<usize>,
}

/// One answer on its way.
pub(crate) struct Answering {
    vocabulary: Arc<Vocabulary>,
    sampler: Sampler,
    constraint: Option<Constraint>,
    /// The grammar has not started.
    lead: Option<Lead>,
    forced_end: Option<ForcedEnd>,
    stop_ids: Vec<u32>,
    bias: Vec<(u32, f32)>,
    logprobs: Option<usize>,
    next: Next,
    ids: Vec<u32>,
    room: usize,
}

/// What came of a token's logits.
pub(crate) enum Taken {
    /// A token of the answer; `last` says why it is the last one, if it is.
    Token {
        id: u32,
        logprobs: Option<Logprobs>,
        last: Option<Finish>,
    },
    /// The answer has ended; the token that ended it is none of its own.
    End(Finish),
}

impl Answering {
    /// At the start of an answer that has `room` tokens at most.
    pub(crate) fn new(
        vocabulary: Arc<Vocabulary>,
        prompt: &Prompt,
        choosing: Choosing,
        constraint: Option<Constraint>,
        room: usize,
    ) -> Result<Self, EngineError> {
        let mut answering = Self {
            vocabulary,
            sampler: Sampler::new(choosing.sampling, &prompt.ids)?,
            lead: choosing.lead.filter(|_| constraint.is_some()),
            constraint,
            forced_end: choosing.forced_end,
            stop_ids: choosing.stop_ids,
            bias: choosing.bias,
            logprobs: choosing.logprobs,
            next: Next::default(),
            ids: Vec::new(),
            room: room.min(choosing.max_new_tokens),
        };
        answering.look()?;
        Ok(answering)
    }

    /// Whether no token can be added.
    pub(crate) fn is_full(&self) -> bool {
        self.ids.len() >= self.room
    }

    /// Most tokens of the answer.
    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// Tokens so far.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// All tokens.
    pub(crate) fn into_ids(self) -> Vec<u32> {
        self.ids
    }

    /// The only ids whose logits matter next, if they are few.
    pub(crate) fn few(&self) -> Option<&[u32]> {
        // Probabilities are shares of all logits.
        self.logprobs.is_none().then(|| self.next.few()).flatten()
    }

    /// Chooses the next token of `logits`, which are changed by penalties.
    pub(crate) fn take(&mut self, logits: &mut [f32]) -> Result<Taken, EngineError> {
        // Rows beyond the vocabulary are padding.
        let known = logits.len().min(self.vocabulary.len());
        let logits = &mut logits[..known];
        // Of the network's own numbers, before they are changed.
        let own = self.logprobs.map(|count| Own::new(logits, count));
        let id = match self.forced() {
            Some(id) => id,
            None => {
                for (id, bias) in &self.bias {
                    if let Some(logit) = logits.get_mut(*id as usize) {
                        *logit += bias;
                    }
                }
                let chosen = self.sampler.choose(logits, self.next.mask.as_ref());
                let tokens = self.ids.len();
                chosen.ok_or(EngineError::NotFinite { tokens })?
            }
        };
        let logprobs = own.map(|own| own.of(id));
        if self.vocabulary.eos().contains(&id) || self.stop_ids.contains(&id) {
            return Ok(Taken::End(Finish::Eos));
        }
        let last = self.push(id)?;
        Ok(Taken::Token { id, logprobs, last })
    }

    /// What must come whatever the network says: the end of a section, or what leads to the grammar.
    fn forced(&self) -> Option<u32> {
        if let Some(lead) = &self.lead
            && let Some(place) = self.ids.iter().rposition(|id| *id == lead.after)
        {
            return lead.ids.get(self.ids.len() - place - 1).copied();
        }
        let id = self.forced_end.as_ref()?.next(&self.ids)?;
        let mask = self.next.mask.as_ref();
        let allowed = mask.is_none_or(|mask| (id as usize) < mask.len() && mask.is_allowed(id));
        allowed.then_some(id)
    }

    /// Adds a token; why it is the last one, if it is.
    fn push(&mut self, id: u32) -> Result<Option<Finish>, EngineError> {
        self.ids.push(id);
        if self.lead.is_none()
            && let Some(constraint) = &mut self.constraint
        {
            constraint.push(id)?;
            if constraint.is_complete() {
                return Ok(Some(Finish::Eos));
            }
        }
        if let Some(lead) = &self.lead {
            let place = self.ids.iter().rposition(|id| *id == lead.after);
            if place.is_some_and(|place| self.ids.len() - place > lead.ids.len()) {
                self.lead = None;
            }
        }
        if self.is_full() {
            return Ok(Some(Finish::Length));
        }
        self.look()?;
        Ok(None)
    }

    fn look(&mut self) -> Result<(), EngineError> {
        let constraint = self.constraint.as_mut().filter(|_| self.lead.is_none());
        self.next.look(constraint)
    }
}

/// What may come next. Known before the network computes, so that it need not compute what may not.
#[derive(Default)]
struct Next {
    mask: Option<SimpleVob>,
    /// The ids in the mask, if they are few.
    ids: Vec<u32>,
    is_few: bool,
}

impl Next {
    /// Looks where a grammar has come to; without one, anything may come.
    fn look(&mut self, constraint: Option<&mut Constraint>) -> Result<(), EngineError> {
        self.mask = constraint.map(Constraint::mask).transpose()?;
        self.is_few = false;
        if let Some(mask) = self.mask.as_ref().filter(|mask| mask.num_set() <= FEW) {
            self.is_few = true;
            self.ids.clear();
            self.ids.extend(mask.iter());
        }
        Ok(())
    }

    fn few(&self) -> Option<&[u32]> {
        self.is_few.then_some(self.ids.as_slice())
    }
}

/// Logits as the network gave them.
struct Own {
    logits: Vec<f32>,
    /// The logarithm of the sum that they are shares of.
    log_sum: f64,
    likeliest: Vec<u32>,
}

impl Own {
    fn new(logits: &[f32], count: usize) -> Self {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits
            .iter()
            .map(|logit| (f64::from(*logit) - f64::from(largest)).exp())
            .sum();
        Self {
            logits: logits.to_vec(),
            log_sum: f64::from(largest) + sum.ln(),
            likeliest: likeliest(logits, count),
        }
    }

    fn of(&self, id: u32) -> Logprobs {
        let top = self.likeliest.iter().map(|id| (*id, self.logprob(*id)));
        Logprobs {
            logprob: self.logprob(id),
            top: top.collect(),
        }
    }

    fn logprob(&self, id: u32) -> f32 {
        let logit = self.logits.get(id as usize).copied();
        (f64::from(logit.unwrap_or(f32::NEG_INFINITY)) - self.log_sum) as f32
    }
}

/// Ids of the `count` greatest logits, greatest first, lower ids first among equals.
fn likeliest(logits: &[f32], count: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    let order = |a: &u32, b: &u32| {
        let [a_logit, b_logit] = [a, b].map(|id| logits[*id as usize]);
        b_logit.total_cmp(&a_logit).then(a.cmp(b))
    };
    let count = count.min(ids.len());
    if count == 0 {
        return Vec::new();
    }
    if count < ids.len() {
        ids.select_nth_unstable_by(count - 1, order);
        ids.truncate(count);
    }
    ids.sort_unstable_by(order);
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_shares_of_all() {
        let logits = [4.0f32, 2.0, 1.0, 1.0].map(f32::ln);
        let own = Own::new(&logits, 2);
        let close = |id, share: f32| (own.of(id).logprob.exp() - share).abs() < 1e-6;
        assert!(close(0, 0.5) && close(1, 0.25) && close(3, 0.125));
        assert_eq!(own.of(3).top, [(0, own.logprob(0)), (1, own.logprob(1))]);
        assert_eq!(likeliest(&logits, 3), [0, 1, 2]);
        assert_eq!(likeliest(&logits, 0), [0; 0]);
        assert_eq!(likeliest(&logits, 9), [0, 1, 2, 3]);
    }
}
