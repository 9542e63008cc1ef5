//! Bytes to characters, and prose to events.

use super::{Event, MOST_HELD_LINE_ENDS, Parser, Section, State, THINK_END, call};

/// Collects bytes until they are whole characters.
#[derive(Debug, Default)]
pub struct Utf8 {
    pending: Vec<u8>,
}

impl Utf8 {
    /// The characters that these bytes complete; bytes that can never become one are U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    if let Some(bad) = error.error_len() {
                        text.push(char::REPLACEMENT_CHARACTER);
                        rest = &after[bad..];
                        continue;
                    }
                }
            }
            break;
        }
        self.pending = rest.to_vec();
        text
    }

    /// What is left when no more bytes of the character come.
    pub fn flush(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

impl Parser {
    /// Reads prose up to a spelled call tag; how many bytes were read, and whether they ended in one.
    pub(super) fn scan(&mut self, text: &str) -> (usize, bool) {
        for (index, letter) in text.char_indices() {
            let end = index + letter.len_utf8();
            let starts_line = self.at_line_start || !self.line_ends.is_empty();
            if !self.spelled.is_empty() || (letter == '<' && starts_line) {
                self.spelled.push(letter);
                if self.spelled == call::OPEN {
                    self.spelled.clear();
                    return (end, true);
                }
                let ends_thinking = self.section == Section::Thinking;
                if ends_thinking && self.spelled.strip_suffix('\n') == Some(THINK_END) {
                    self.spelled.clear();
                    self.end_thinking(&State::Prose);
                    continue;
                }
                let may_end = ends_thinking && (THINK_END.starts_with(&self.spelled));
                if may_end || call::OPEN.starts_with(&self.spelled) {
                    continue;
                }
                self.spelled.pop();
                self.flush_spelled();
            }
            if letter == '\n' {
                self.line_ends.push('\n');
                if self.line_ends.len() > MOST_HELD_LINE_ENDS {
                    self.line_ends.pop();
                    self.emit("\n");
                }
            } else {
                self.prose(letter.encode_utf8(&mut [0; 4]));
            }
        }
        (text.len(), false)
    }

    /// Emits what looked like the beginning of a spelled tag.
    pub(super) fn flush_spelled(&mut self) {
        let spelled = std::mem::take(&mut self.spelled);
        self.prose(&spelled);
    }

    /// Emits text that is certainly prose, and the line ends before it.
    pub(super) fn prose(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let line_ends = std::mem::take(&mut self.line_ends);
        if self.begun {
            self.emit(&line_ends);
        }
        if !text.trim().is_empty() {
            // Prose after a call inside thinking: the call was only thought of.
            self.inside.clear();
        }
        self.emit(text);
    }

    /// Emits text of the section.
    pub(super) fn emit(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.begun = true;
        self.at_line_start = text.ends_with('\n');
        match (self.section, self.events.last_mut()) {
            (Section::Thinking, Some(Event::Thinking(last)))
            | (Section::Answer, Some(Event::Answer(last))) => {
                last.push_str(text);
            }
            (Section::Thinking, _) => self.events.push(Event::Thinking(text.to_owned())),
            (Section::Answer, _) => self.events.push(Event::Answer(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_cut_gives_the_same_characters(bytes: Vec<u8>, cuts: Vec<u8>) {
            let mut utf8 = Utf8::default();
            let mut text = String::new();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (head, tail) = rest.split_at(rest.len().min(usize::from(cut % 5)));
                text += &utf8.push(head);
                rest = tail;
            }
            text += &utf8.push(rest);
            text += &utf8.flush();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
