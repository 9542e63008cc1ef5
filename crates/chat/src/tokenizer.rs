//! Text to ids and back, behind a trait.

use std::collections::HashMap;

use aurore_checkpoint::Files;
use aurore_engine::Token;
use serde::Deserialize;
use serde_json::Value;
use tokenizers::{Model, NormalizedString, Normalizer, OffsetType, PreTokenizedString, PreTokenizer};

use crate::ChatError;

/// What the rest of this crate asks of a tokeniser.
pub trait Tokenizer: Send + Sync {
    /// Ids of ordinary text. Whatever the text spells, no control token comes out.
    fn encode(&self, text: &str) -> Result<Vec<u32>, ChatError>;

    /// Every token by its id; ids that stand for nothing have no bytes.
    fn tokens(&self) -> &[Token];

    /// Spellings of the control tokens, with their ids.
    fn controls(&self) -> &[(String, u32)];

    /// The id of a control token.
    fn control(&self, spelling: &str) -> Option<u32> {
        self.controls()
            .iter()
            .find(|(known, _)| known == spelling)
            .map(|(_, id)| *id)
    }
}

/// A `tokenizer.json` run by the `tokenizers` library, whose ids are the reference.
///
/// Added tokens are taken out of the library's hands, which would find them anywhere. Control tokens (all special ones,
/// and added ones that look like a tag) are never found in text, so that a tag spelled by a person stays text; the
/// other added tokens are found here, before the library sees the text between, as it would do itself.
pub struct HuggingFace {
    library: tokenizers::Tokenizer,
    tokens: Vec<Token>,
    controls: Vec<(String, u32)>,
    /// Added tokens that are ordinary text, longest first.
    words: Vec<(String, u32)>,
}

const FILE: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";

/// What of `tokenizer.json` is read here; the rest is the library's.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    added_tokens: Option<Vec<Value>>,
}

/// An entry of `added_tokens`.
struct Added {
    id: u32,
    content: String,
    special: bool,
}

impl Added {
    fn read(id: Option<u64>, entry: &Value) -> Option<Self> {
        Some(Self {
            id: u32::try_from(id?).ok()?,
            content: entry
                .get("content")?
                .as_str()
                .filter(|content| !content.is_empty())?
                .to_owned(),
            special: entry.get("special").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    fn is_control(&self) -> bool {
        self.special
            || (self.content.starts_with('<') && self.content.ends_with('>') && self.content.len() > 2)
    }
}

impl HuggingFace {
    /// Reads `tokenizer.json` and the added tokens of `tokenizer_config.json`. Ids must be below `vocab_size`, the
    /// rows of the network's embedding.
    pub fn open(files: &Files, vocab_size: usize) -> Result<Self, ChatError> {
        let Some(json) = files.read(FILE)? else {
            return Err(ChatError::MissingFile {
                from: files.describe(),
                file: FILE,
                hint: "copy it from the model's repository",
            });
        };
        let config = files.read(CONFIG)?;
        Self::from_json(&json, config.as_deref(), vocab_size)
    }

    /// The same from the files' contents.
    pub fn from_json(json: &[u8], config: Option<&[u8]>, vocab_size: usize) -> Result<Self, ChatError> {
        let bad = |why: String| ChatError::BadFile { file: FILE, why };
        let document: Document = serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
        let entries = document.added_tokens.unwrap_or_default();
        let mut added = Vec::new();
        for entry in &entries {
            added.push(
                Added::read(entry.get("id").and_then(Value::as_u64), entry).ok_or_else(|| {
                    bad(format!(
                        "added_tokens has an entry without id and content: {entry}"
                    ))
                })?,
            );
        }
        if let Some(config) = config {
            added.extend(added_in_config(config, &added)?);
        }
        let library = tokenizers::Tokenizer::from_bytes(json).map_err(|error| bad(error.to_string()))?;
        let tokens = all_tokens(&library, &added, vocab_size)?;
        let (controls, words): (Vec<Added>, Vec<Added>) = added.into_iter().partition(Added::is_control);
        Ok(Self {
            library,
            tokens,
            controls: longest_first(controls),
            words: longest_first(words),
        })
    }

    fn encode_between(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), ChatError> {
        if text.is_empty() {
            return Ok(());
        }
        let failed = |error: tokenizers::Error| ChatError::Tokenizer {
            bytes: text.len(),
            why: error.to_string(),
        };
        // The library's steps one by one, without its search for added tokens, padding and truncation.
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = self.library.get_normalizer() {
            normalizer.normalize(&mut normalized).map_err(failed)?;
        }
        let mut pieces = PreTokenizedString::from(normalized);
        if let Some(splitter) = self.library.get_pre_tokenizer() {
            splitter.pre_tokenize(&mut pieces).map_err(failed)?;
        }
        let model = self.library.get_model();
        pieces
            .tokenize(|piece| model.tokenize(piece.get()))
            .map_err(failed)?;
        let encoding = pieces.into_encoding(None, 0, OffsetType::None).map_err(failed)?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }
}

/// Where one is the beginning of another, the longer is meant.
fn longest_first(added: Vec<Added>) -> Vec<(String, u32)> {
    let mut list: Vec<(String, u32)> = added.into_iter().map(|token| (token.content, token.id)).collect();
    list.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
    list
}

impl Tokenizer for HuggingFace {
    fn encode(&self, text: &str) -> Result<Vec<u32>, ChatError> {
        let mut ids = Vec::new();
        let mut rest = text;
        // The leftmost word, of those that begin there the longest.
        while let Some((at, word, id)) = self
            .words
            .iter()
            .filter_map(|(word, id)| rest.find(word.as_str()).map(|at| (at, word, *id)))
            .min_by_key(|(at, word, _)| (*at, std::cmp::Reverse(word.len())))
        {
            self.encode_between(&rest[..at], &mut ids)?;
            ids.push(id);
            rest = &rest[at + word.len()..];
        }
        self.encode_between(rest, &mut ids)?;
        Ok(ids)
    }

    fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    fn controls(&self) -> &[(String, u32)] {
        &self.controls
    }
}

/// Tokens that only `tokenizer_config.json` knows.
fn added_in_config(config: &[u8], known: &[Added]) -> Result<Vec<Added>, ChatError> {
    let bad = |why: String| ChatError::BadFile { file: CONFIG, why };
    let config: Value = serde_json::from_slice(config).map_err(|error| bad(error.to_string()))?;
    let Some(decoder) = config.get("added_tokens_decoder").and_then(Value::as_object) else {
        return Ok(Vec::new());
    };
    let mut result = Vec::new();
    for (id, entry) in decoder {
        let token = Added::read(id.parse().ok(), entry).ok_or_else(|| {
            bad(format!(
                "added_tokens_decoder: entry {id:?} has no id and content"
            ))
        })?;
        match known.iter().find(|other| other.id == token.id) {
            None => result.push(token),
            Some(other) if other.content == token.content => {}
            Some(other) => {
                return Err(bad(format!(
                    "added_tokens_decoder: id {id} is {:?}, but {FILE} says {:?}",
                    token.content, other.content
                )));
            }
        }
    }
    Ok(result)
}

fn all_tokens(
    library: &tokenizers::Tokenizer,
    added: &[Added],
    vocab_size: usize,
) -> Result<Vec<Token>, ChatError> {
    let bytes_of = byte_level_alphabet();
    let mut tokens: Vec<Token> = Vec::new();
    let mut place = |id: u32, token: Token| {
        if id as usize >= vocab_size {
            return Err(ChatError::BadFile {
                file: FILE,
                why: format!(
                    "token id {id} is beyond config.json's vocab_size {vocab_size}: the files are of different models"
                ),
            });
        }
        if tokens.len() <= id as usize {
            tokens.resize(id as usize + 1, Token::default());
        }
        tokens[id as usize] = token;
        Ok(())
    };
    for (text, id) in library.get_vocab(false) {
        let bytes = text
            .chars()
            .map(|letter| bytes_of.get(&letter).copied())
            .collect();
        let token = Token {
            // An entry outside the byte alphabet can only be an added token: plain text.
            bytes: Option::unwrap_or_else(bytes, || text.into_bytes()),
            control: false,
        };
        place(id, token)?;
    }
    for token in added {
        let control = token.is_control();
        let bytes = token.content.clone().into_bytes();
        place(token.id, Token { bytes, control })?;
    }
    Ok(tokens)
}

/// The letters that byte-level vocabularies write bytes with (GPT-2's table): printable Latin-1 stands for itself,
/// the other bytes for the letters from U+0100 on, in order.
pub(crate) fn byte_level_alphabet() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=255u8).filter(|byte| !printable(*byte)).zip('\u{100}'..);
    (0..=255u8)
        .filter(|byte| printable(*byte))
        .map(|byte| (char::from(byte), byte))
        .chain(others.map(|(byte, letter)| (letter, byte)))
        .collect()
}
