//! What a person does by hand, through the page or a program of theirs.

use aurore_action::{Action, FrameId};
use aurore_agent::HandRefused;
use axum::Extension;
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::State;
use super::guard::Who;
use crate::body::read_json;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};

/// Longest text that is typed at once, characters.
const LONGEST: usize = 10_000;
/// Longest line that says what something is for, characters.
const LONGEST_PURPOSE: usize = 300;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// What the person saw.
    frame: FrameId,
    action: Action,
    /// What it is for, in the person's words: kept where they show how something is done.
    #[serde(default)]
    purpose: String,
}

pub(super) async fn hand(
    Extract(state): Extract<State>,
    Extension(who): Extension<Who>,
    request: Request,
) -> Response {
    let wish = read_json::<Wish>(request, &state.options).await;
    let given = wish.and_then(|wish| {
        let Wish {
            frame,
            action,
            purpose,
        } = wish;
        if matches!(&action, Action::Type { text } if text.chars().count() > LONGEST) {
            let message = format!("at most {LONGEST} characters are typed at once");
            return Err(Problem::invalid("action.text", message));
        }
        if purpose.chars().count() > LONGEST_PURPOSE {
            let message = format!("at most {LONGEST_PURPOSE} characters: one line");
            return Err(Problem::invalid("purpose", message));
        }
        let taken = state.hub.hand(frame, action, &purpose, &who.name);
        taken.map_err(|refused| problem(&refused))
    });
    match given {
        Ok(number) => json_response(&json!({"number": number, "status": "taken"})),
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

fn problem(refused: &HandRefused) -> Problem {
    let (kind, code) = match refused {
        HandRefused::NotTaken => (Kind::Conflict, "not_taken"),
        HandRefused::Stale => (Kind::Conflict, "stale"),
        HandRefused::Busy => (Kind::Busy, "busy"),
        HandRefused::Unfit(_) => (Kind::Invalid, "unfit"),
    };
    Problem::new(kind, refused.to_string()).coded(code)
}
