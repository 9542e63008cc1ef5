//! Open questions and the answers that count.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::{Answer, Approval, Question, UpFront, clock, journal::hex};

/// Closed questions that are remembered, so that a late answer is told what happened.
const REMEMBERED: usize = 64;

/// A question that waits.
pub(super) struct Open {
    pub(super) id: String,
    pub(super) nonce: String,
    /// Number of the step; 0 before the first.
    pub(super) step: u32,
    asks: Asks,
    asked: Instant,
    deadline: Instant,
    /// The answer that counts, and who gave it.
    pub(super) answer: Option<(Answer, String)>,
}

/// What may be chosen.
enum Asks {
    /// About a step: so many scopes.
    Step(usize),
    /// Before the first step.
    UpFront(Box<UpFront>),
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AnswerRefused {
    /// No question has this name.
    #[error("there is no such question")]
    Unknown,
    /// It is another question's answer.
    #[error("this answer was made for another question: look at the one that is open now")]
    Nonce,
    /// Somebody was faster.
    #[error("too late: {0}")]
    Closed(String),
    /// Its time is over.
    #[error("too late: the question waited for its time and was then taken as a no")]
    Late,
    /// It came before anybody can have read the question.
    #[error("too soon: this came {0:?} after the question, before anybody can have read it")]
    Soon(Duration),
    /// The scope was not offered.
    #[error("scope {0} was not offered")]
    Scope(usize),
    /// These items were not offered.
    #[error("choose among the items that were offered, by their places from 0, and at least one")]
    Items,
}

impl Open {
    pub(super) fn new(question: &Question) -> Self {
        Self::asking(question.step, Asks::Step(question.scopes.len()), question.wait)
    }

    pub(super) fn up_front(question: &UpFront) -> Self {
        Self::asking(0, Asks::UpFront(Box::new(question.clone())), question.wait)
    }

    fn asking(step: u32, asks: Asks, wait: Duration) -> Self {
        let asked = Instant::now();
        Self {
            id: random(),
            nonce: random(),
            step,
            asks,
            asked,
            deadline: asked + wait,
            answer: None,
        }
    }

    /// The answer as those who watch are told it.
    pub(super) fn approval(&self, answer: &Answer, by: &str) -> Approval {
        let (allowed, note) = match (&self.asks, answer) {
            (Asks::UpFront(question), answer) => {
                (!question.allowed_by(answer).is_empty(), question.note(answer))
            }
            (Asks::Step(_), Answer::Yes) => (true, "this once".to_owned()),
            (Asks::Step(_), Answer::FromNowOn(_)) => (true, "from now on".to_owned()),
            (Asks::Step(_), Answer::Only(_)) => (false, String::new()),
            (Asks::Step(_), Answer::No(why)) => (false, why.clone()),
            (Asks::Step(_), Answer::Stop) => (false, "and the run ends".to_owned()),
        };
        Approval {
            allowed,
            by: by.to_owned(),
            note,
            at_ms: clock::now_ms(),
        }
    }

    /// Time that is left; `None` when it is over.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Whether an answer counts. `least`: how long a person needs to see the question.
    pub(super) fn check(&self, nonce: &str, answer: &Answer, least: Duration) -> Result<(), AnswerRefused> {
        if self.nonce.is_empty() || nonce != self.nonce {
            return Err(AnswerRefused::Nonce);
        }
        if let Some((_, by)) = &self.answer {
            return Err(AnswerRefused::Closed(format!("{by} has answered")));
        }
        if self.left().is_none() {
            return Err(AnswerRefused::Late);
        }
        let since = self.asked.elapsed();
        if since < least {
            return Err(AnswerRefused::Soon(since));
        }
        match (&self.asks, answer) {
            (Asks::Step(scopes), Answer::FromNowOn(index)) if index < scopes => Ok(()),
            (_, Answer::FromNowOn(index)) => Err(AnswerRefused::Scope(*index)),
            (Asks::UpFront(question), Answer::Only(chosen))
                if !chosen.is_empty() && chosen.iter().all(|index| *index < question.items.len()) =>
            {
                Ok(())
            }
            (_, Answer::Only(_)) => Err(AnswerRefused::Items),
            _ => Ok(()),
        }
    }
}

/// What became of questions.
#[derive(Default)]
pub(super) struct Closed(VecDeque<(String, AnswerRefused)>);

impl Closed {
    pub(super) fn remember(&mut self, id: String, what: AnswerRefused) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((id, what));
    }

    pub(super) fn what(&self, id: &str) -> AnswerRefused {
        let found = self.0.iter().find(|(known, _)| known == id);
        found.map_or(AnswerRefused::Unknown, |(_, what)| what.clone())
    }
}

/// 128 bits that nobody guesses. Empty where the system has no randomness: then no answer counts.
fn random() -> String {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => hex(&bytes),
        Err(_) => String::new(),
    }
}
