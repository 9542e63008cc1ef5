//! How one answer's tokens are chosen, from logits that somebody else computes.

use std::sync::Arc;

use aurore_model::Among;

use crate::drafting::{Drafting, Said};
use crate::engine::{Finish, ForcedEnd};
use crate::masks::{Guide, Masks};
use crate::{Constraint, EngineError, Grammar, Prompt, Sampler, Sampling, Vocabulary};

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

/// A part of an answer that must look like something, in an answer that may be anything else: it begins wherever its token
/// comes, and what follows is free again.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The token that begins it.
    pub opens: u32,
    /// It begins only after this token has come: the end of thinking. At once if absent.
    pub after: Option<u32>,
    /// What follows the token up to the section's end.
    pub grammar: Grammar,
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
    /// What parts of an answer must look like that has no grammar as a whole.
    pub section: Option<Section>,
    /// Ends thinking that goes on for too long.
    pub forced_end: Option<ForcedEnd>,
    /// Ids that end the answer beside the vocabulary's own.
    pub stop_ids: Vec<u32>,
    /// Added to the logits of single tokens.
    pub bias: Vec<(u32, f32)>,
    /// What the answer will be for the most part: where it is, it comes sooner.
    pub prediction: Vec<u32>,
    /// Report probabilities, and so many of the likeliest tokens beside the chosen one.
    pub logprobs: Option<usize>,
}

/// One answer on its way.
pub(crate) struct Answering {
    vocabulary: Arc<Vocabulary>,
    sampler: Sampler,
    masks: Arc<Masks>,
    /// What holds the next token.
    guide: Option<Guide>,
    /// The whole answer's grammar, which has not started, and what stands before it.
    lead: Option<(Lead, Constraint)>,
    /// Sections may begin, each with a constraint like this one.
    section: Option<(Section, Constraint)>,
    forced_end: Option<ForcedEnd>,
    stop_ids: Vec<u32>,
    bias: Vec<(u32, f32)>,
    logprobs: Option<usize>,
    ids: Vec<u32>,
    room: usize,
    drafting: Drafting,
    prediction: Vec<u32>,
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
        constraints: Constraints,
        drafting: Drafting,
        room: usize,
    ) -> Result<Self, EngineError> {
        let Constraints {
            masks,
            whole,
            section,
        } = constraints;
        let section = choosing.section.zip(section).filter(|_| whole.is_none());
        let (guide, lead) = match (whole, choosing.lead) {
            (Some(whole), Some(lead)) => (None, Some((lead, whole))),
            (Some(whole), None) => (Some(Guide::new(whole, &masks)), None),
            (None, _) => (None, None),
        };
        Ok(Self {
            vocabulary,
            sampler: Sampler::new(choosing.sampling, &prompt.ids)?,
            masks,
            guide,
            lead,
            section,
            forced_end: choosing.forced_end,
            stop_ids: choosing.stop_ids,
            bias: choosing.bias,
            logprobs: choosing.logprobs,
            ids: Vec::new(),
            room: room.min(choosing.max_new_tokens),
            drafting,
            prediction: choosing.prediction,
        })
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

    /// Before the network computes: looks whether it is known by now what may come next.
    pub(crate) fn glance(&mut self) {
        if let Some(guide) = &mut self.guide {
            guide.glance();
        }
    }

    /// Which logits matter after the answer so far, and after drafts.
    pub(crate) fn among(&self, drafts: usize) -> Among<'_> {
        // Probabilities are shares of all logits.
        if self.logprobs.is_some() {
            return Among::All;
        }
        if let Some(guide) = &self.guide {
            // What may come after a draft is known when it is right.
            let few = guide.few().filter(|_| drafts == 0);
            return few.map_or(Among::All, Among::Only);
        }
        match self.sampler.greatest() {
            Some(count) if self.bias.is_empty() => Among::Greatest {
                count,
                // Rows beyond the vocabulary are padding.
                below: self.vocabulary.len(),
            },
            _ => Among::All,
        }
    }

    /// Adds to a step, whose token is the answer's last one, what may follow: at most `most` drafts.
    pub(crate) fn draft(&mut self, prompt: &[u32], most: usize, step: &mut Vec<u32>) {
        // The last token that there is room for is not fed.
        let most = most.min(self.room.saturating_sub(self.ids.len() + 1));
        let fed = step.len();
        match forced_now(self.lead.as_ref().map(|(lead, _)| lead), &self.ids) {
            [] => {
                let said = Said {
                    prompt,
                    prediction: &self.prediction,
                    answer: &self.ids,
                };
                self.drafting.guess(said, most, step);
            }
            next => self.drafting.know(next, most, step),
        }
        // A grammar may say by now what is wrong.
        if let Some(few) = self.guide.as_ref().and_then(Guide::few)
            && step.get(fed).is_some_and(|id| few.binary_search(id).is_err())
        {
            step.truncate(fed);
        }
    }

    /// Learns how many of a step's drafts were chosen.
    pub(crate) fn drafts_were_right(&mut self, right: usize, drafts: usize) {
        self.drafting.were_right(right, drafts);
    }

    /// Chooses the next token of `logits`, which are changed by penalties.
    pub(crate) fn take(&mut self, logits: &mut [f32]) -> Result<Taken, EngineError> {
        // Rows beyond the vocabulary are padding.
        let known = logits.len().min(self.vocabulary.len());
        let logits = &mut logits[..known];
        // Of the network's own numbers, before they are changed.
        let own = self.logprobs.map(|count| Own::new(logits, count));
        let mask = match &mut self.guide {
            Some(guide) => Some(&guide.mask()?.allowed),
            None => None,
        };
        let forced = forced(self.lead.as_ref(), self.forced_end.as_ref(), &self.ids);
        let allowed = |id: &u32| mask.is_none_or(|mask| (*id as usize) < mask.len() && mask.is_allowed(*id));
        let id = match forced.filter(allowed) {
            Some(id) => id,
            None => {
                for (id, bias) in &self.bias {
                    if let Some(logit) = logits.get_mut(*id as usize) {
                        *logit += bias;
                    }
                }
                let chosen = self.sampler.choose(logits, mask);
                let tokens = self.ids.len();
                chosen.ok_or(EngineError::NotFinite { tokens })?
            }
        };
        // Who wants to end before the grammar began has thought enough.
        let id = match &self.lead {
            Some((lead, _)) if self.ends(id) => lead.after,
            _ => id,
        };
        let logprobs = own.map(|own| own.of(id));
        if self.ends(id) {
            return Ok(Taken::End(Finish::Eos));
        }
        let last = self.push(id)?;
        Ok(Taken::Token { id, logprobs, last })
    }

    /// Whether a token ends the answer.
    fn ends(&self, id: u32) -> bool {
        self.vocabulary.eos().contains(&id) || self.stop_ids.contains(&id)
    }

    /// Adds a token; why it is the last one, if it is.
    fn push(&mut self, id: u32) -> Result<Option<Finish>, EngineError> {
        self.ids.push(id);
        if let Some(guide) = &mut self.guide {
            if !guide.push(id, &self.masks)? {
                self.guide = None;
                if self.section.is_none() {
                    return Ok(Some(Finish::Eos));
                }
            }
        } else if let Some((lead, _)) = &self.lead {
            let place = self.ids.iter().rposition(|id| *id == lead.after);
            if place.is_some_and(|place| self.ids.len() - place > lead.ids.len())
                && let Some((_, whole)) = self.lead.take()
            {
                self.guide = Some(Guide::new(whole, &self.masks));
            }
        } else if let Some((section, constraint)) = &self.section
            && section.opens == id
            && section.after.is_none_or(|after| self.ids.contains(&after))
        {
            self.guide = Some(Guide::new(constraint.fork(), &self.masks));
        }
        Ok(self.is_full().then_some(Finish::Length))
    }
}

/// What an answer's grammars are compiled to.
pub(crate) struct Constraints {
    pub(crate) masks: Arc<Masks>,
    pub(crate) whole: Option<Constraint>,
    pub(crate) section: Option<Constraint>,
}

/// What must come whatever the network says: the end of thinking, or what leads to the grammar.
fn forced(lead: Option<&(Lead, Constraint)>, end: Option<&ForcedEnd>, ids: &[u32]) -> Option<u32> {
    if let Some((lead, _)) = lead
        && ids.contains(&lead.after)
    {
        return forced_now(Some(lead), ids).first().copied();
    }
    end?.next(ids)
}

/// What is left of what leads to the grammar, once that has begun.
fn forced_now<'l>(lead: Option<&'l Lead>, ids: &[u32]) -> &'l [u32] {
    let place = |lead: &&Lead| ids.iter().rposition(|id| *id == lead.after);
    let left = lead.and_then(|lead| lead.ids.get(ids.len() - place(&lead)? - 1..));
    left.unwrap_or_default()
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
