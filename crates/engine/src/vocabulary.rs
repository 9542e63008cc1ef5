//! The bytes behind each token id.

use std::sync::{Arc, OnceLock};

use llguidance::{ParserFactory, toktrie::InferenceCapabilities};
use toktrie::{TokEnv, TokRxInfo, TokTrie, TokenizerEnv};

use crate::EngineError;

/// One entry of a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Token {
    /// What it stands for. Empty for ids that the tokeniser does not use.
    pub bytes: Vec<u8>,
    /// A control token stands for itself alone: text that is spelled like it is not it, and a grammar reaches it
    /// only by its id.
    pub control: bool,
}

/// Turns ordinary text into ids, never into control tokens.
pub type Encode = Arc<dyn Fn(&str) -> Vec<u32> + Send + Sync>;

/// All tokens, the ids that end an answer, and how text becomes ids.
pub struct Vocabulary {
    tokens: Vec<Token>,
    eos: Vec<u32>,
    grammars: OnceLock<Result<ParserFactory, String>>,
    encode: Encode,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Vocabulary")
            .field("tokens", &self.tokens.len())
            .field("eos", &self.eos)
            .finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// A vocabulary whose ids are the indices of `tokens`; `eos` ids end an answer.
    ///
    /// # Errors
    /// [`EngineError::UnusableVocabulary`] when there are no tokens, no `eos`, or an `eos` that is no id.
    pub fn new(tokens: Vec<Token>, eos: Vec<u32>, encode: Encode) -> Result<Self, EngineError> {
        let unusable = |why: &str| Err(EngineError::UnusableVocabulary(why.to_owned()));
        if tokens.is_empty() {
            return unusable("it has no tokens");
        }
        if tokens.len() >= LARGEST {
            return unusable("it has more than 16 million tokens");
        }
        if eos.is_empty() {
            return unusable("no token ends an answer: generation_config.json should name eos_token_id");
        }
        if let Some(id) = eos.iter().find(|id| **id as usize >= tokens.len()) {
            return unusable(&format!(
                "eos_token_id {id} is none of its {} tokens",
                tokens.len()
            ));
        }
        Ok(Self {
            tokens,
            eos,
            grammars: OnceLock::new(),
            encode,
        })
    }

    /// Number of ids that the tokeniser uses; a network's head may have more rows (padding).
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Never true: a vocabulary has at least one token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The token behind an id.
    pub fn token(&self, id: u32) -> Option<&Token> {
        self.tokens.get(id as usize)
    }

    /// The bytes of an id; empty for an id that stands for nothing.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.token(id).map_or(&[], |token| &token.bytes)
    }

    /// The ids that end an answer.
    pub fn eos(&self) -> &[u32] {
        &self.eos
    }

    /// Ids of ordinary text: what looks like a control token in it stays text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        (self.encode)(text)
    }

    /// The text of ids, control tokens spelled out, bytes that are no UTF-8 replaced.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Compiler of grammars over this vocabulary; built at first use, since a large one takes a while.
    pub(crate) fn grammars(&self) -> Result<&ParserFactory, EngineError> {
        self.grammars
            .get_or_init(|| self.build_grammars())
            .as_ref()
            .map_err(|error| EngineError::UnusableVocabulary(error.clone()))
    }

    fn build_grammars(&self) -> Result<ParserFactory, String> {
        let words: Vec<Vec<u8>> = self
            .tokens
            .iter()
            .map(|token| {
                if token.control {
                    [&[TokTrie::SPECIAL_TOKEN_MARKER], token.bytes.as_slice()].concat()
                } else {
                    token.bytes.clone()
                }
            })
            .collect();
        let first = self.eos.first().copied().unwrap_or_default();
        let trie =
            TokTrie::from(&TokRxInfo::new(words.len() as u32, first), &words).with_eos_tokens(&self.eos);
        let environment: TokEnv = Arc::new(Environment { trie });
        // Slices are sets of tokens whose mask is computed once instead of at every step of free text: text within
        // one line and quotes (JSON's strings), and any text.
        let slices = [
            r#"[^"\\\x00-\x1F\x7F]{1,10}"#,
            r#"[^"\\\x00-\x1F\x7F]{1,30}"#,
            r#"[^"\\\x00-\x1F\x7F]+"#,
            r"[^\n]+",
            r"(?s:.+)",
        ];
        let mut factory = ParserFactory::new(
            &environment,
            InferenceCapabilities::default(),
            &slices.map(str::to_owned),
        )
        .map_err(|error| error.to_string())?;
        factory.quiet().limits_mut().verbose_errors = false;
        Ok(factory)
    }
}

/// The trie keeps ids in 24 bits.
const LARGEST: usize = 1 << 24;

/// What the grammar library asks of a tokeniser. Forced text is not tokenised for the network: it chooses
/// among the spellings itself, so tokenisation need not be canonical.
struct Environment {
    trie: TokTrie,
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        self.trie.greedy_tokenize(bytes)
    }

    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}
