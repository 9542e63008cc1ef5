//! An answer while it comes: the engine's tokens as thinking, text and calls.

use std::collections::VecDeque;
use std::sync::Arc;

use aurore_chat::{Chat, Event as Said, Parser, ToolCall, Turn, Utf8};
use aurore_engine::{Event, Finish, Finished, Logprobs, Vocabulary};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::ask::Ask;
use crate::caller::{self, Meter};
use crate::later::Later;
use crate::problem::{Kind, Problem};
use crate::stop::Stops;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// More thinking.
    Thinking(String),
    /// More of the answer, with what is known about its tokens where asked for.
    Answer(String, Vec<TokenFacts>),
    /// A whole call.
    Call(ToolCall),
    /// The end.
    End(End, Usage),
    /// An end that is none.
    Failed(Problem),
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Done,
    /// By itself, with calls to carry out.
    Calls,
    /// At one of the client's texts.
    Stop(String),
    /// At the limit of tokens.
    Length,
}

/// A token of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TokenFacts {
    pub(crate) bytes: Vec<u8>,
    pub(crate) logprob: f32,
    pub(crate) top: Vec<(Vec<u8>, f32)>,
}

/// What an answer took, tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: usize,
    /// Of the prompt, found in the cache.
    pub(crate) cached: usize,
    pub(crate) answer: usize,
    /// Of the answer, thinking.
    pub(crate) thinking: usize,
    /// Where a prediction was sent and the answer came to its own end: drafts that were right, and that were wrong.
    pub(crate) predicted: Option<[usize; 2]>,
}

/// Reads one answer.
pub(crate) struct Reading {
    events: UnboundedReceiver<Event>,
    vocabulary: Arc<Vocabulary>,
    form: Form,
    stops: Stops,
    single: bool,
    has_prediction: bool,
    pieces: VecDeque<Piece>,
    facts: Vec<TokenFacts>,
    /// Everything so far.
    turn: Turn,
    usage: Usage,
    ended: bool,
    later: Option<Later>,
    meter: Meter,
    /// The request's name, for the log.
    request: Arc<str>,
}

/// How tokens are read.
enum Form {
    /// As a turn of a conversation.
    Turn(Box<Parser>),
    /// As text that goes on, whatever it spells.
    Plain(Utf8),
}

impl Form {
    fn is_thinking(&self) -> bool {
        matches!(self, Self::Turn(parser) if parser.is_thinking())
    }

    fn push(&mut self, id: u32, vocabulary: &Vocabulary) -> Vec<Said> {
        match self {
            Self::Turn(parser) => parser.push(id),
            Self::Plain(utf8) => vec![Said::Answer(utf8.push(vocabulary.bytes(id)))],
        }
    }

    /// What is left when no more tokens come; `whole` if the model ended by itself.
    fn end(&mut self, whole: bool) -> Vec<Said> {
        match self {
            Self::Turn(parser) if whole => parser.finish(),
            Self::Turn(parser) => parser.cut(),
            Self::Plain(utf8) => vec![Said::Answer(utf8.flush())],
        }
    }
}

impl Reading {
    pub(crate) fn new(
        chat: &Chat,
        thinking: bool,
        ask: &Ask,
        events: UnboundedReceiver<Event>,
        prompt: usize,
        later: Option<Later>,
    ) -> Self {
        Self {
            events,
            vocabulary: chat.vocabulary(),
            form: match ask.plain {
                Some(_) => Form::Plain(Utf8::default()),
                None => Form::Turn(Box::new(chat.parser(thinking).with_tools(&ask.tools))),
            },
            stops: Stops::new(ask.stops.clone()),
            single: ask.single,
            has_prediction: ask.prediction.is_some(),
            pieces: VecDeque::new(),
            facts: Vec::new(),
            turn: Turn::default(),
            later,
            usage: Usage {
                prompt,
                ..Usage::default()
            },
            ended: false,
            meter: caller::meter(),
            request: caller::request(),
        }
    }

    /// Tokens of the prompt.
    pub(crate) fn prompt_tokens(&self) -> usize {
        self.usage.prompt
    }

    /// Waits for the next part; nothing after the end.
    pub(crate) async fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Some(piece);
            }
            if self.ended {
                return None;
            }
            match self.events.recv().await {
                Some(event) => self.take(event),
                None => self.fail(Problem::new(
                    Kind::Defect,
                    "the engine stopped because of a defect: restart the server",
                )),
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Started { cached } => self.usage.cached = cached,
            Event::Token { id, logprobs } => {
                self.usage.answer += 1;
                self.meter.spend(1);
                let was_thinking = self.form.is_thinking();
                self.usage.thinking += usize::from(was_thinking);
                if let Some(logprobs) = logprobs.filter(|_| !was_thinking) {
                    let facts = self.facts(id, logprobs);
                    self.facts.push(facts);
                }
                let said = self.form.push(id, &self.vocabulary);
                self.hear(said);
            }
            Event::Finished(finished) => {
                self.usage.cached = finished.usage.cached_tokens;
                let (drafts, right) = (finished.usage.drafts, finished.usage.right_drafts);
                self.usage.predicted = self.has_prediction.then_some([right, drafts - right]);
                self.log(&finished);
                let said = self.form.end(finished.finish == Finish::Eos);
                self.hear(said);
                if self.ended {
                    return;
                }
                match finished.finish {
                    Finish::Eos if !self.turn.calls.is_empty() => self.end(End::Calls),
                    Finish::Eos => self.end(End::Done),
                    Finish::Length => self.end(End::Length),
                    Finish::Cancelled | Finish::Shutdown => {
                        self.flush();
                        let message = "the server is ending and could not wait for the rest of this answer";
                        self.fail(Problem::new(Kind::Ending, message).coded("shutting_down"));
                    }
                }
            }
            Event::Failed(error) => self.fail(error.into()),
            // Nobody reads an answer of a text that is only pooled.
            Event::Pooled(_) => {}
        }
    }

    /// What it took, and nothing of what it says.
    fn log(&self, finished: &Finished) {
        let usage = &finished.usage;
        tracing::info!(
            request = %self.request,
            finish = ?finished.finish,
            prompt_tokens = usage.prompt_tokens,
            cached_tokens = usage.cached_tokens,
            answer_tokens = usage.answer_tokens,
            drafts = usage.drafts,
            right_drafts = usage.right_drafts,
            queue_seconds = usage.queue_seconds,
            prefill_seconds = usage.prefill_seconds,
            decode_seconds = usage.decode_seconds,
            "an answer has ended"
        );
    }

    fn hear(&mut self, said: Vec<Said>) {
        for event in said {
            if self.ended {
                return;
            }
            match event {
                Said::Thinking(text) => {
                    self.turn.thinking += &text;
                    self.pieces.push_back(Piece::Thinking(text));
                }
                Said::Answer(text) => self.answer(&text),
                Said::Call(call) => {
                    self.flush();
                    self.turn.calls.push(call.clone());
                    self.pieces.push_back(Piece::Call(call));
                    if self.single {
                        self.end(End::Calls);
                    }
                }
                // Nothing may be done for it; the client sees what was written.
                Said::Malformed(malformed) => self.answer(&malformed.text),
                Said::CallText(_) => {}
            }
        }
    }

    fn answer(&mut self, text: &str) {
        let (text, stop) = self.stops.push(text);
        self.say(text);
        if let Some(stop) = stop {
            self.end(End::Stop(stop));
        }
    }

    fn say(&mut self, text: String) {
        if !text.is_empty() || !self.facts.is_empty() {
            let facts = std::mem::take(&mut self.facts);
            self.turn.answer += &text;
            self.pieces.push_back(Piece::Answer(text, facts));
        }
    }

    fn flush(&mut self) {
        let rest = self.stops.flush();
        self.say(rest);
    }

    fn end(&mut self, end: End) {
        self.flush();
        if let Some(later) = self.later.take().filter(|_| end != End::Length) {
            later.read(std::mem::take(&mut self.turn));
        }
        self.pieces.push_back(Piece::End(end, self.usage));
        self.close();
    }

    fn fail(&mut self, problem: Problem) {
        self.pieces.push_back(Piece::Failed(problem));
        self.close();
    }

    /// Nothing more is wanted: the engine sees it and goes on to others.
    fn close(&mut self) {
        self.ended = true;
        self.events.close();
    }

    fn facts(&self, id: u32, logprobs: Logprobs) -> TokenFacts {
        let bytes = |id: u32| self.vocabulary.bytes(id).to_vec();
        let top = logprobs.top.into_iter();
        TokenFacts {
            bytes: bytes(id),
            logprob: logprobs.logprob,
            top: top.map(|(id, logprob)| (bytes(id), logprob)).collect(),
        }
    }
}
