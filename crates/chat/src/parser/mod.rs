//! Token ids to thinking, answer and tool calls, while they come.
//!
//! Tags are tokens, so text that only spells a tag is prose, with two exceptions that real models need: a spelled
//! `<tool_call>` that is followed by a call, and a spelled `</think>` alone on its line while thinking.
//!
//! What is emitted lags behind what came by a few bytes at most: an unfinished character, the beginning of a possible
//! tag, two line ends that may turn out to be format.

mod call;
mod raw;
mod text;
mod turn;
mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use aurore_engine::Vocabulary;

pub use call::Malformed;
pub use raw::raw;
pub use turn::Turn;
pub use values::retyped;

use crate::{ChatError, Tokenizer, ToolCall, ToolSchema};
use call::Outcome;
pub use text::Utf8;

/// Ids of the family's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// `<think>`
    pub think: u32,
    /// `</think>`
    pub think_end: u32,
    /// `<tool_call>`
    pub call: u32,
    /// `</tool_call>`
    pub call_end: u32,
}

impl Tags {
    /// Looks the tags up.
    ///
    /// # Errors
    /// [`ChatError::MissingToken`] for a tokeniser that lacks one.
    pub fn new(tokenizer: &dyn Tokenizer) -> Result<Self, ChatError> {
        let find = |token: &str| {
            tokenizer.control(token).ok_or_else(|| ChatError::MissingToken {
                token: token.to_owned(),
            })
        };
        Ok(Self {
            think: find("<think>")?,
            think_end: find("</think>")?,
            call: find(call::OPEN)?,
            call_end: find(call::CLOSE)?,
        })
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// More thinking.
    Thinking(String),
    /// More of the answer.
    Answer(String),
    /// More of a tool call that is being written, as it stands; the call itself follows, or [`Event::Malformed`].
    CallText(String),
    /// A whole tool call.
    Call(ToolCall),
    /// Something that began as a tool call and is none: nothing may be done for it.
    Malformed(Malformed),
}

/// Where the text belongs that is neither tag nor call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Thinking,
    Answer,
}

/// What is being read.
#[derive(Debug)]
enum State {
    /// Prose of the section.
    Prose,
    /// A call tag came; what follows tells whether a call begins. Holds the tag and the whitespace after it.
    Opening(String),
    /// The text of a call after its tag. `closed` is where the first closing tag stood that may have been part of a value.
    Call { body: String, closed: Option<usize> },
}

/// Reads one answer.
#[derive(Debug)]
pub struct Parser {
    vocabulary: Arc<Vocabulary>,
    tags: Tags,
    tools: Vec<ToolSchema>,
    section: Section,
    state: State,
    utf8: Utf8,
    /// Line ends that came and were not emitted.
    line_ends: String,
    /// The beginning of a spelled tag that came and was not emitted.
    spelled: String,
    /// Whether the section has emitted anything (line ends before that are format).
    begun: bool,
    /// Whether the last emitted character of the section ended a line.
    at_line_start: bool,
    /// Calls inside unfinished thinking: real only if thinking never ends and nothing follows them.
    inside: Vec<Event>,
    events: Vec<Event>,
}

/// Line ends that may be format.
const MOST_HELD_LINE_ENDS: usize = 2;

const THINK_END: &str = "</think>";

impl Parser {
    /// A parser at the start of an answer.
    pub fn new(vocabulary: Arc<Vocabulary>, tags: Tags, thinking: bool) -> Self {
        Self {
            vocabulary,
            tags,
            tools: Vec::new(),
            section: if thinking {
                Section::Thinking
            } else {
                Section::Answer
            },
            state: State::Prose,
            utf8: Utf8::default(),
            line_ends: String::new(),
            spelled: String::new(),
            begun: false,
            at_line_start: true,
            inside: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Arguments of these tools are typed by their schemas; those of others stay text.
    #[must_use]
    pub fn with_tools(mut self, tools: &[ToolSchema]) -> Self {
        self.tools = tools.to_vec();
        self
    }

    /// Whether the model is still thinking.
    pub fn is_thinking(&self) -> bool {
        self.section == Section::Thinking
    }

    /// Takes the next token.
    pub fn push(&mut self, id: u32) -> Vec<Event> {
        if self.vocabulary.eos().contains(&id) {
            return Vec::new();
        }
        if let Some(tag) = self.tag(id) {
            let rest = self.utf8.flush();
            self.text(&rest);
            self.flush_spelled();
            self.on_tag(tag);
        } else {
            let vocabulary = Arc::clone(&self.vocabulary);
            let text = self.utf8.push(vocabulary.bytes(id));
            self.text(&text);
        }
        std::mem::take(&mut self.events)
    }

    /// The answer ended by itself: what is open is read as well as it can be.
    pub fn finish(&mut self) -> Vec<Event> {
        self.end(true)
    }

    /// The answer was cut off: an open call is malformed.
    pub fn cut(&mut self) -> Vec<Event> {
        self.end(false)
    }

    fn end(&mut self, whole: bool) -> Vec<Event> {
        let rest = self.utf8.flush();
        self.text(&rest);
        match std::mem::replace(&mut self.state, State::Prose) {
            State::Prose => {}
            State::Opening(held) => self.prose(&held),
            State::Call { body, closed } => self.resolve(&body, closed, whole),
        }
        if self.section == Section::Thinking && self.spelled == THINK_END {
            self.spelled.clear();
            self.end_thinking(&State::Prose);
        }
        self.flush_spelled();
        self.line_ends.clear();
        if whole {
            self.events.append(&mut self.inside);
        }
        std::mem::take(&mut self.events)
    }

    fn tag(&self, id: u32) -> Option<Tag> {
        Some(match id {
            _ if id == self.tags.think => Tag::Think,
            _ if id == self.tags.think_end => Tag::ThinkEnd,
            _ if id == self.tags.call => Tag::Call,
            _ if id == self.tags.call_end => Tag::CallEnd,
            _ => return None,
        })
    }

    fn on_tag(&mut self, tag: Tag) {
        match (tag, std::mem::replace(&mut self.state, State::Prose)) {
            (Tag::ThinkEnd, state) if self.section == Section::Thinking => self.end_thinking(&state),
            (Tag::Think, State::Prose) if self.section == Section::Thinking && !self.begun => {}
            (Tag::Call, State::Prose) => self.state = State::Opening(call::OPEN.to_owned()),
            (tag, State::Prose) => self.prose(tag.spelling()),
            (Tag::Call, State::Opening(held)) => {
                self.prose(&held);
                self.state = State::Opening(call::OPEN.to_owned());
            }
            (tag, State::Opening(held)) => {
                self.prose(&held);
                self.prose(tag.spelling());
            }
            (Tag::CallEnd, State::Call { body, closed }) => self.close_call(body, closed),
            (Tag::Call, State::Call { body, closed }) if call::ended(&body, closed) => {
                self.resolve(&body, closed, true);
                self.state = State::Opening(call::OPEN.to_owned());
            }
            (tag, State::Call { mut body, closed }) => {
                body.push_str(tag.spelling());
                self.state = State::Call { body, closed };
                self.emit_call(tag.spelling());
            }
        }
    }

    /// A closing tag in a call: its end, unless it stands in a value that is still open.
    fn close_call(&mut self, mut body: String, closed: Option<usize>) {
        match call::read(&body, &self.tools) {
            Outcome::Open => {
                let at = body.len();
                body.push_str(call::CLOSE);
                self.state = State::Call {
                    body,
                    closed: closed.or(Some(at)),
                };
                self.emit_call(call::CLOSE);
            }
            outcome => {
                self.emit_call(call::CLOSE);
                self.settle(outcome);
            }
        }
    }

    /// A call that has no proper end.
    fn resolve(&mut self, body: &str, closed: Option<usize>, whole: bool) {
        let (body, rest) = body.split_at(closed.unwrap_or(body.len()));
        if whole || closed.is_some() {
            let outcome = call::read_leniently(body, &self.tools);
            self.settle(outcome);
        } else {
            let outcome = match call::read(body, &self.tools) {
                Outcome::Call(call, rest) if call::is_closed(body) => Outcome::Call(call, rest),
                _ => Outcome::cut(body),
            };
            self.settle(outcome);
        }
        let rest = rest.strip_prefix(call::CLOSE).unwrap_or(rest);
        if !rest.trim().is_empty() {
            self.prose(rest);
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        let (event, rest) = match outcome {
            Outcome::Call(call, rest) => (Event::Call(call), rest),
            Outcome::Malformed(malformed) => (Event::Malformed(malformed), String::new()),
            Outcome::Open => return,
        };
        match self.section {
            Section::Thinking => self.inside.push(event),
            Section::Answer => {
                self.events.push(event);
                // What separates the call from the next is format.
                (self.begun, self.at_line_start) = (false, true);
            }
        }
        if !rest.trim().is_empty() {
            self.prose(&rest);
        }
    }

    fn end_thinking(&mut self, state: &State) {
        if let State::Opening(held) = state {
            self.prose(held);
        }
        self.line_ends.clear();
        self.inside.clear();
        self.section = Section::Answer;
        (self.begun, self.at_line_start) = (false, true);
    }

    /// More text, wherever it belongs.
    fn text(&mut self, text: &str) {
        let mut text = text;
        while !text.is_empty() {
            text = match std::mem::replace(&mut self.state, State::Prose) {
                State::Prose => {
                    let (taken, opened) = self.scan(text);
                    if opened {
                        self.state = State::Opening(call::OPEN.to_owned());
                    }
                    &text[taken..]
                }
                State::Opening(held) => self.open(held, text),
                State::Call { body, closed } => {
                    self.more_of_call(body, closed, text);
                    ""
                }
            };
        }
    }

    /// More text of a call; a spelled closing tag ends it where the call is whole.
    fn more_of_call(&mut self, mut body: String, closed: Option<usize>, text: &str) {
        let before = body.len();
        body.push_str(text);
        if let Some(end) = call::spelled_end(&body, text.len())
            && let outcome @ Outcome::Call(..) = call::read(&body[..end], &self.tools)
        {
            let after = end + call::CLOSE.len();
            self.emit_call(&body[before..after]);
            self.settle(outcome);
            self.text(&body[after..]);
        } else {
            self.emit_call(text);
            self.state = State::Call { body, closed };
        }
    }

    /// After a call tag: whitespace, then the beginning of a call, or it was prose.
    fn open<'a>(&mut self, mut held: String, text: &'a str) -> &'a str {
        for (index, letter) in text.char_indices() {
            held.push(letter);
            let after = held[call::OPEN.len()..].trim_start();
            let too_long = after.is_empty() && held.len() > call::OPEN.len() + call::MOST_SPACE;
            if let Some(begun) = call::begins(after).filter(|_| !too_long) {
                if begun {
                    self.begin_call(&held);
                    self.state = State::Call {
                        body: held[call::OPEN.len()..].to_owned(),
                        closed: None,
                    };
                    return &text[index + letter.len_utf8()..];
                }
                continue;
            }
            self.prose(&held);
            return &text[index + letter.len_utf8()..];
        }
        self.state = State::Opening(held);
        ""
    }

    /// Line ends before a call are format: the answer does not have them.
    fn begin_call(&mut self, held: &str) {
        match self.section {
            Section::Thinking => {
                let line_ends = std::mem::take(&mut self.line_ends);
                self.emit(&line_ends);
                self.emit(held);
            }
            Section::Answer => {
                self.line_ends.clear();
                self.emit_call(held);
            }
        }
    }

    fn emit_call(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.section {
            Section::Thinking => self.emit(text),
            Section::Answer => self.events.push(Event::CallText(text.to_owned())),
        }
    }
}

/// A tag that came as a token.
#[derive(Debug, Clone, Copy)]
enum Tag {
    Think,
    ThinkEnd,
    Call,
    CallEnd,
}

impl Tag {
    fn spelling(self) -> &'static str {
        match self {
            Self::Think => "<think>",
            Self::ThinkEnd => THINK_END,
            Self::Call => call::OPEN,
            Self::CallEnd => call::CLOSE,
        }
    }
}
