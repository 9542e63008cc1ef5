//! Grammar-constrained decoding through llguidance.

use llguidance::{Matcher, api::TopLevelGrammar};
use serde_json::Value;
use toktrie::SimpleVob;

use crate::{EngineError, Vocabulary};

/// What the answer must look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Grammar {
    /// A context-free grammar in llguidance's variant of Lark; `<[ID]>` is a control token.
    Lark(String),
    /// A JSON document that fits a schema, spaced as `json.dumps` does unless the schema's `x-guidance` says otherwise.
    JsonSchema(Value),
    /// Text that a regular expression matches as a whole.
    Regex(String),
}

/// A grammar on its way through an answer: which tokens may come next.
pub struct Constraint {
    matcher: Matcher,
    tokens: usize,
}

impl Constraint {
    /// Compiles a grammar for a vocabulary.
    ///
    /// # Errors
    /// [`EngineError::Grammar`] with the compiler's words.
    pub fn new(grammar: &Grammar, vocabulary: &Vocabulary) -> Result<Self, EngineError> {
        let grammar = match grammar {
            Grammar::Lark(text) => TopLevelGrammar::from_lark(text.clone()),
            Grammar::JsonSchema(schema) => TopLevelGrammar::from_json_schema(one_spelling(schema)),
            Grammar::Regex(pattern) => TopLevelGrammar::from_regex(pattern),
        };
        let parser = vocabulary
            .grammars()?
            .create_parser(grammar)
            .map_err(|error| EngineError::Grammar(error.to_string()))?;
        let matcher = Matcher::new(Ok(parser));
        match matcher.get_error() {
            Some(error) => Err(EngineError::Grammar(error)),
            None => Ok(Self { matcher, tokens: 0 }),
        }
    }

    /// A second constraint at the same place, sharing nothing.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            matcher: self.matcher.deep_clone(),
            tokens: self.tokens,
        }
    }

    /// Whether nothing but the end may come.
    pub fn is_complete(&self) -> bool {
        self.matcher.is_stopped() && self.matcher.stop_reason().is_ok()
    }

    /// Moves on by a token if it may come next; whether it may.
    ///
    /// # Errors
    /// [`EngineError::GrammarStuck`] when the grammar is too expensive to follow.
    pub fn try_push(&mut self, id: u32) -> Result<bool, EngineError> {
        let tokens = self.tokens;
        let taken = self
            .matcher
            .try_consume_tokens(&[id])
            .map_err(|error| stuck(tokens, &error))?;
        self.tokens += taken;
        Ok(taken == 1)
    }

    /// How many tokens may come next; 1 where nothing is left to choose.
    ///
    /// # Errors
    /// [`EngineError::GrammarStuck`] when the grammar is too expensive to follow.
    pub fn allowed(&mut self) -> Result<usize, EngineError> {
        self.mask().map(|mask| mask.num_set())
    }

    /// Which tokens may come next: a bit per id, as 32-bit words, lowest bit first. The ids that end an answer are
    /// among them when the grammar may end here.
    pub(crate) fn mask(&mut self) -> Result<SimpleVob, EngineError> {
        let tokens = self.tokens;
        self.matcher
            .compute_mask_or_eos()
            .map_err(|error| stuck(tokens, &error))
    }

    /// Moves on by a token that the mask allowed.
    pub(crate) fn push(&mut self, id: u32) -> Result<(), EngineError> {
        self.tokens += 1;
        let tokens = self.tokens;
        self.matcher
            .consume_token(id)
            .map_err(|error| stuck(tokens, &error))
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Constraint")
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

/// Spaces as Python's `json.dumps` sets them and nowhere else, unless the schema asks for another way: networks lose
/// themselves in free whitespace.
fn one_spelling(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut() {
        object.entry("x-guidance").or_insert_with(|| {
            serde_json::json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "})
        });
    }
    schema
}

fn stuck(tokens: usize, reason: &impl ToString) -> EngineError {
    EngineError::GrammarStuck {
        tokens,
        reason: reason.to_string(),
    }
}
