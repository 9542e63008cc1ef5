//! One answer at a time: prefill, then token by token.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use aurore_model::{Among, Input, LoadedAdapter, Logits, Model, Segment, Sequence, Tokens, Want};

use crate::answering::{Answering, Choosing, Constraints, Taken};
use crate::drafting::Drafting;
use crate::masks::Masks;
use crate::{Constraint, EngineError, Grammar, Prompt, Sampling, Vocabulary};

/// Tokens of a prompt that are prefilled between two looks at the cancel flag.
const PREFILL_PIECE: usize = 512;

/// What the caller says to each token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Enough.
    Stop,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The network (or the grammar) ended it.
    Eos,
    /// The limit of new tokens or the end of the context was reached.
    Length,
    /// The cancel flag was set or the caller said stop.
    Cancelled,
    /// The program is ending and could not wait any longer.
    Shutdown,
}

/// Ids that are forced when the answer has not reached the last of them by itself: the end of endless thinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedEnd {
    /// Tokens after which they are forced.
    pub after: usize,
    /// What is forced, in order.
    pub ids: Vec<u32>,
}

/// How to answer.
#[derive(Debug, Clone)]
pub struct GenerateOptions {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Most tokens of the answer.
    pub max_new_tokens: usize,
    /// What the answer must look like.
    pub grammar: Option<Grammar>,
    /// Ends a section that goes on for too long.
    pub forced_end: Option<ForcedEnd>,
    /// Drafts that a step may check at most; 0 for none. The answer is the same, only sooner.
    pub drafts: usize,
    /// Set it from anywhere to end the answer before its next token.
    pub cancel: Arc<AtomicBool>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            sampling: Sampling::greedy(),
            max_new_tokens: 2048,
            grammar: None,
            forced_end: None,
            drafts: Sequence::MOST_DRAFTS,
            cancel: Arc::default(),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// Its tokens, without the one that ended it.
    pub ids: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Drafts that were checked.
    pub drafts: usize,
    /// Those of them that were right.
    pub right_drafts: usize,
    /// Seconds from the start to the first logits.
    pub prefill_seconds: f64,
    /// Seconds from the first logits to the end.
    pub decode_seconds: f64,
}

/// A network with its vocabulary. Cheap to clone; answers one prompt at a time per call.
#[derive(Clone)]
pub struct Engine {
    model: Arc<Model>,
    /// What prompts that name none are read with.
    adapter: Option<Arc<LoadedAdapter>>,
    vocabulary: Arc<Vocabulary>,
    /// The grammars that were compiled last, newest last: an agent asks for the same one at every step.
    compiled: Arc<Mutex<Vec<(Grammar, Constraint)>>>,
    masks: Arc<Masks>,
}

/// Compiled grammars that are kept.
const KEPT_GRAMMARS: usize = 8;

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("vocabulary", &self.vocabulary)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Joins a network and a vocabulary. The network's head may have more rows than there are tokens (padding):
    /// those are never chosen.
    ///
    /// # Errors
    /// [`EngineError::Vocabulary`] when the tokeniser knows ids that the network does not.
    pub fn new(model: Arc<Model>, vocabulary: Arc<Vocabulary>) -> Result<Self, EngineError> {
        let network = model.config().text.vocab_size;
        if vocabulary.len() > network {
            return Err(EngineError::Vocabulary {
                tokens: vocabulary.len(),
                network,
            });
        }
        Ok(Self {
            model,
            adapter: None,
            vocabulary,
            compiled: Arc::default(),
            masks: Arc::default(),
        })
    }

    /// The same engine, whose prompts are read with an adapter unless they name another one.
    #[must_use]
    pub fn under(self, adapter: Arc<LoadedAdapter>) -> Self {
        Self {
            adapter: Some(adapter),
            ..self
        }
    }

    /// What a prompt is read with beside the network's weights.
    pub(crate) fn adapter(&self, prompt: &Prompt) -> Option<Arc<LoadedAdapter>> {
        prompt.adapter.as_ref().or(self.adapter.as_ref()).cloned()
    }

    /// The network.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    /// Most tokens of prompt and answer together.
    pub fn context(&self) -> usize {
        self.model.config().text.max_position_embeddings
    }

    /// Answers a prompt. `on_token` sees each token as soon as it is chosen (not the one that ends the answer).
    ///
    /// # Errors
    /// See [`EngineError`]; nothing is generated when the prompt, the sampling or the grammar is unusable.
    pub fn generate(
        &self,
        prompt: &Prompt,
        options: &GenerateOptions,
        on_token: &mut dyn FnMut(u32) -> Control,
    ) -> Result<Generated, EngineError> {
        self.check(prompt)?;
        let started = Instant::now();
        let choosing = Choosing {
            sampling: options.sampling,
            max_new_tokens: options.max_new_tokens,
            grammar: options.grammar.clone(),
            forced_end: options.forced_end.clone(),
            ..Choosing::default()
        };
        let mut answering = self.answering(prompt, choosing)?;
        let mut answer = Generated {
            ids: Vec::new(),
            finish: Finish::Length,
            prompt_tokens: prompt.len(),
            drafts: 0,
            right_drafts: 0,
            prefill_seconds: 0.0,
            decode_seconds: 0.0,
        };
        answering.glance();
        let mut sequence = self.model.new_sequence().under(self.adapter(prompt));
        let Some(mut logits) = self.prefill(&mut sequence, prompt, answering.among(0), &options.cancel)?
        else {
            answer.finish = Finish::Cancelled;
            answer.prefill_seconds = started.elapsed().as_secs_f64();
            return Ok(answer);
        };
        answer.prefill_seconds = started.elapsed().as_secs_f64();
        let decoding = Instant::now();
        // What was fed last: the answer's last token, and drafts behind it.
        let mut step = Vec::new();
        loop {
            let drafts = step.get(1..).unwrap_or_default();
            let (mut right, mut last) = (0, None);
            for row in logits.values.chunks_exact_mut(logits.vocab_size.max(1)) {
                let chosen = if answering.is_full() {
                    Err(Finish::Length)
                } else if options.cancel.load(Ordering::Relaxed) {
                    Err(Finish::Cancelled)
                } else {
                    next(&mut answering, row, on_token)?
                };
                match chosen {
                    Err(finish) => {
                        answer.finish = finish;
                        last = None;
                        break;
                    }
                    Ok(id) => last = Some(id),
                }
                if last.as_ref() != drafts.get(right) {
                    break;
                }
                right += 1;
            }
            answer.drafts += drafts.len();
            answer.right_drafts += right;
            let Some(id) = last else { break };
            sequence.take_back(drafts.len() - right)?;
            answering.drafts_were_right(right, drafts.len());
            step.clear();
            step.push(id);
            answering.glance();
            let most = options.drafts.min(sequence.most_drafts());
            answering.draft(&prompt.ids, most, &mut step);
            let segment = Segment {
                sequence: &mut sequence,
                tokens: Tokens::Generated(&step),
                want: Want::All,
                among: answering.among(step.len() - 1),
            };
            self.model.forward(&mut [segment], &mut logits)?;
        }
        answer.ids = answering.into_ids();
        answer.decode_seconds = decoding.elapsed().as_secs_f64();
        Ok(answer)
    }

    /// What chooses the tokens of a prompt's answer.
    pub(crate) fn answering(&self, prompt: &Prompt, choosing: Choosing) -> Result<Answering, EngineError> {
        let constraint =
            |grammar: Option<&Grammar>| grammar.map(|grammar| self.constraint(grammar)).transpose();
        let constraints = Constraints {
            masks: Arc::clone(&self.masks),
            whole: constraint(choosing.grammar.as_ref())?,
            section: constraint(choosing.section.as_ref().map(|section| &section.grammar))?,
        };
        let room = self.context().saturating_sub(prompt.len());
        let drafting = Drafting::new(&self.model);
        let vocabulary = Arc::clone(&self.vocabulary);
        Answering::new(vocabulary, prompt, choosing, constraints, drafting, room)
    }

    /// Compiles a grammar, so that an answer that wants it begins sooner.
    ///
    /// # Errors
    /// [`EngineError::Grammar`] with the compiler's words.
    pub fn compile(&self, grammar: &Grammar) -> Result<(), EngineError> {
        self.constraint(grammar).map(|_| ())
    }

    /// A constraint at the start of a grammar.
    fn constraint(&self, grammar: &Grammar) -> Result<Constraint, EngineError> {
        let mut kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, fresh)) = kept.iter().find(|(known, _)| known == grammar) {
            return Ok(fresh.fork());
        }
        let fresh = Constraint::new(grammar, &self.vocabulary)?;
        if kept.len() == KEPT_GRAMMARS {
            kept.remove(0);
        }
        let constraint = fresh.fork();
        kept.push((grammar.clone(), fresh));
        Ok(constraint)
    }

    pub(crate) fn check(&self, prompt: &Prompt) -> Result<(), EngineError> {
        if prompt.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        if prompt.positions.len() != prompt.len() {
            return Err(EngineError::Positions {
                ids: prompt.len(),
                positions: prompt.positions.len(),
            });
        }
        let context = self.context();
        if prompt.len() >= context {
            return Err(EngineError::PromptTooLong {
                tokens: prompt.len(),
                context,
            });
        }
        let vocabulary = self.model.config().text.vocab_size;
        match prompt.ids.iter().position(|id| *id as usize >= vocabulary) {
            Some(index) => Err(EngineError::TokenOutOfRange {
                id: prompt.ids[index],
                index,
                vocabulary,
            }),
            None => Ok(()),
        }
    }

    /// The logits after the prompt, or nothing if it was cancelled.
    fn prefill(
        &self,
        sequence: &mut Sequence,
        prompt: &Prompt,
        among: Among<'_>,
        cancel: &AtomicBool,
    ) -> Result<Option<Logits>, EngineError> {
        let config = self.model.config();
        self.model.check_input(&Input {
            ids: &prompt.ids,
            positions: &prompt.positions,
            images: &prompt.images,
        })?;
        let features = self.model.encode_images(&prompt.images)?;
        let mut features = features.rows.as_slice();
        let mut logits = Logits::default();
        for start in (0..prompt.len()).step_by(PREFILL_PIECE) {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let end = prompt.len().min(start + PREFILL_PIECE);
            let ids = &prompt.ids[start..end];
            let placeholders = ids.iter().filter(|id| **id == config.image_token_id).count();
            let seen = features.len().min(placeholders * config.text.hidden_size);
            let (piece, rest) = features.split_at(seen);
            features = rest;
            let segment = Segment {
                sequence: &mut *sequence,
                tokens: Tokens::Given {
                    ids,
                    positions: &prompt.positions[start..end],
                    features: piece,
                },
                want: if end == prompt.len() {
                    Want::Last
                } else {
                    Want::None
                },
                among,
            };
            self.model.forward(&mut [segment], &mut logits)?;
        }
        if logits.is_empty() {
            return Err(EngineError::NotFinite { tokens: 0 });
        }
        Ok(Some(logits))
    }
}

/// The next token of an answer, or why there is none.
fn next(
    answering: &mut Answering,
    logits: &mut [f32],
    on_token: &mut dyn FnMut(u32) -> Control,
) -> Result<Result<u32, Finish>, EngineError> {
    let (id, last) = match answering.take(logits)? {
        Taken::End(finish) => return Ok(Err(finish)),
        Taken::Token { id, last, .. } => (id, last),
    };
    Ok(match (on_token(id), last) {
        (Control::Stop, _) => Err(Finish::Cancelled),
        (_, Some(finish)) => Err(finish),
        (_, None) => Ok(id),
    })
}

impl ForcedEnd {
    /// The id to force after these, if it is time.
    pub(crate) fn next(&self, so_far: &[u32]) -> Option<u32> {
        let last = self.ids.last()?;
        if so_far.len() < self.after || so_far.contains(last) {
            return None;
        }
        // As much of the sequence as already stands at the end.
        let done = (0..self.ids.len())
            .rev()
            .find(|length| so_far.ends_with(&self.ids[..*length]))
            .unwrap_or(0);
        self.ids.get(done).copied()
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
pub(crate) mod tests;
