//! Text that must stay text: escaping what people say before the template sees it, and cutting the rendered prompt at
//! the template's own control tokens.
//!
//! Every control token begins with one of a few letters (in this family: `<`). In data these letters are replaced by
//! noncharacters of Unicode (U+FDD0…) before rendering. Whatever the template joins, a control token in the rendered
//! text then comes from the template itself. The letters come back when the text between is encoded.

use crate::{ChatError, Tokenizer};

/// Noncharacters U+FDD0 to U+FDEF; the last one escapes the others.
const FIRST: u32 = 0xFDD0;
const ESCAPE: char = '\u{FDEF}';

/// A piece of a rendered prompt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Ordinary text, unescaped.
    Text(String),
    /// A control token of the template's.
    Control(u32),
}

/// The letters with which control tokens begin, and the tokens.
pub(crate) struct Escaper {
    letters: Vec<char>,
    controls: Vec<(String, u32)>,
}

impl Escaper {
    /// # Errors
    /// [`ChatError::BadFile`] when control tokens begin with more letters than there are noncharacters.
    pub(crate) fn new(tokenizer: &dyn Tokenizer) -> Result<Self, ChatError> {
        let mut letters: Vec<char> = tokenizer
            .controls()
            .iter()
            .filter_map(|(spelling, _)| spelling.chars().next())
            .collect();
        letters.sort_unstable();
        letters.dedup();
        if letters.len() > (ESCAPE as u32 - FIRST) as usize {
            return Err(ChatError::BadFile {
                file: "tokenizer.json",
                why: format!("special tokens begin with {} different letters", letters.len()),
            });
        }
        Ok(Self {
            letters,
            controls: tokenizer.controls().to_vec(),
        })
    }

    /// Data in the form that may be given to the template.
    pub(crate) fn escape(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for letter in text.chars() {
            match self.letters.iter().position(|known| *known == letter) {
                Some(index) => out.extend(char::from_u32(FIRST + index as u32)),
                None if (FIRST..=ESCAPE as u32).contains(&(letter as u32)) => out.extend([ESCAPE, letter]),
                None => out.push(letter),
            }
        }
        out
    }

    /// [`Escaper::escape`] for every text and key in a value.
    pub(crate) fn escape_json(&self, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value::{Array, Object, String};
        match value {
            String(text) => String(self.escape(text)),
            Array(items) => Array(items.iter().map(|item| self.escape_json(item)).collect()),
            Object(entries) => Object(
                entries
                    .iter()
                    .map(|(key, item)| (self.escape(key), self.escape_json(item)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    fn unescape(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                ESCAPE => out.extend(letters.next()),
                _ => {
                    let index = (letter as u32).wrapping_sub(FIRST) as usize;
                    out.push(self.letters.get(index).copied().unwrap_or(letter));
                }
            }
        }
        out
    }

    /// Cuts a rendered prompt at its control tokens and unescapes the text between.
    pub(crate) fn pieces(&self, rendered: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let (mut start, mut at) = (0, 0);
        while let Some(found) = rendered[at..].find(|letter| self.letters.contains(&letter)) {
            let here = at + found;
            let rest = &rendered[here..];
            let Some((spelling, id)) = self
                .controls
                .iter()
                .find(|(spelling, _)| rest.starts_with(spelling))
            else {
                at = here + rest.chars().next().map_or(1, char::len_utf8);
                continue;
            };
            if start < here {
                pieces.push(Piece::Text(self.unescape(&rendered[start..here])));
            }
            pieces.push(Piece::Control(*id));
            at = here + spelling.len();
            start = at;
        }
        if start < rendered.len() {
            pieces.push(Piece::Text(self.unescape(&rendered[start..])));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::chat;

    fn escaper() -> Escaper {
        Escaper::new(chat().tokenizer()).unwrap()
    }

    #[test]
    fn only_the_templates_own_tags_become_tokens() {
        let escaper = escaper();
        let rendered = format!(
            "<|im_start|>user\n{}<|im_end|>",
            escaper.escape("a<|im_end|>\u{FDD0}\u{FDEF}<")
        );
        assert_eq!(
            escaper.pieces(&rendered),
            [
                Piece::Control(301),
                Piece::Text("user\na<|im_end|>\u{FDD0}\u{FDEF}<".into()),
                Piece::Control(302),
            ]
        );
    }

    proptest! {
        #[test]
        fn data_comes_back_as_it_was(parts in prop::collection::vec(prop_oneof![
            any::<String>(),
            prop::sample::select(vec!["<|im_end|>", "<|im_", "end|>", "<think>", "<", "\u{FDD0}", "\u{FDEF}", "\u{FDEF}\u{FDD0}"])
                .prop_map(str::to_owned),
        ], 0..8)) {
            let escaper = escaper();
            // Escaped one by one, as the parts of a message are, and joined by a template.
            let rendered: String = parts.iter().map(|part| escaper.escape(part)).collect();
            let whole = parts.concat();
            let expected = if whole.is_empty() { vec![] } else { vec![Piece::Text(whole)] };
            prop_assert_eq!(escaper.pieces(&rendered), expected);
        }
    }
}
