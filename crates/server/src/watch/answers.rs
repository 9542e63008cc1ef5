//! Answers to questions.

use std::time::Duration;

use aurore_agent::{Answer, AnswerRefused};
use axum::Extension;
use axum::extract::{Path, Request, State as Extract};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::guard::Who;
use super::{GLANCE, State};
use crate::body::read_json;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};

/// Longest word to the model, characters.
const LONGEST: usize = 2000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    /// As it came with the question.
    nonce: String,
    answer: Word,
    /// Which of the scopes that were offered, from 0, is allowed from now on.
    #[serde(default)]
    scope: Option<usize>,
    /// Which of the items that are asked up front are allowed, from 0; all of them if absent.
    #[serde(default)]
    items: Option<Vec<usize>>,
    /// A word to the model.
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Yes,
    No,
    Stop,
}

impl Reply {
    fn answer(self) -> Result<(String, Answer), Problem> {
        if self.reason.chars().count() > LONGEST {
            let message = format!("at most {LONGEST} characters are passed on");
            return Err(Problem::invalid("reason", message));
        }
        let answer = match (self.answer, self.scope, self.items) {
            (Word::Yes, None, None) => Answer::Yes,
            (Word::Yes, Some(index), None) => Answer::FromNowOn(index),
            (Word::Yes, None, Some(chosen)) => Answer::Only(chosen),
            (Word::No, None, None) => Answer::No(self.reason),
            (Word::Stop, None, None) => Answer::Stop,
            (_, Some(_), _) => return Err(Problem::invalid("scope", "only a yes has a scope, and no items")),
            (_, None, Some(_)) => return Err(Problem::invalid("items", "only a yes has items")),
        };
        Ok((self.nonce, answer))
    }
}

pub(super) async fn answer(
    Extract(state): Extract<State>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let reply = read_json::<Reply>(request, &state.options).await;
    let given = reply.and_then(Reply::answer).and_then(|(nonce, answer)| {
        let least = if who.is_browser { GLANCE } else { Duration::ZERO };
        let answered = state.hub.answer(&id, &nonce, answer, &who.name, least);
        answered.map_err(|refused| problem(&refused))
    });
    match given {
        Ok(()) => json_response(&json!({"question": id, "status": "answered"})),
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

fn problem(refused: &AnswerRefused) -> Problem {
    let (kind, code) = match refused {
        AnswerRefused::Unknown => (Kind::NotFound, "unknown_question"),
        AnswerRefused::Nonce => (Kind::Conflict, "other_question"),
        AnswerRefused::Closed(_) => (Kind::Conflict, "already_answered"),
        AnswerRefused::Late => (Kind::Conflict, "too_late"),
        AnswerRefused::Soon(_) => (Kind::Conflict, "too_soon"),
        AnswerRefused::Scope(_) => (Kind::Invalid, "unknown_scope"),
        AnswerRefused::Items => (Kind::Invalid, "unknown_items"),
    };
    Problem::new(kind, refused.to_string()).coded(code)
}
