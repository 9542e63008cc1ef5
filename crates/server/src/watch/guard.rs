//! Who is let in: the right `Host`, no foreign `Origin`, and a browser that came over a link or a key of the agent's.

use axum::extract::{Request, State as Extract};
use axum::http::{HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::State;
use crate::app::now;
use crate::dialect::Dialect;
use crate::guard::{check_host, check_origin, sent_key};
use crate::keys::Scope;
use crate::page::{ENTRANCE, entrance, is_for_people, simple};
use crate::problem::{Kind, Problem};

/// What a page that came over a link shows with everything but a look.
const HAND: HeaderName = HeaderName::from_static("x-aurore-hand");

/// Who asks, in words, for the journal.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) is_browser: bool,
}

pub(super) async fn guard(Extract(state): Extract<State>, mut request: Request, next: Next) -> Response {
    let checked = check_host(&[], &request).and_then(|()| check_origin(&[], request.headers()));
    let who = checked.and_then(|_| find(&state, &request));
    match who {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(problem) if is_for_people(&request) => {
            let text = "This page opens with the link that <code>aurore agent --watch</code> printed. Each link \
                        works once; whoever is in can make another one.";
            let mut response = simple("Closed", text, "");
            *response.status_mut() = problem.status();
            response
        }
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

fn find(state: &State, request: &Request) -> Result<Who, Problem> {
    let browser = Who {
        name: "the person at the watch page".to_owned(),
        is_browser: true,
    };
    let message = match sent_key(request.headers()) {
        Some(key) => match state.options.keys.find(key, now()) {
            Some(holder) if holder.scopes.contains(&Scope::Agent) => {
                return Ok(Who {
                    name: format!("the key {:?}", holder.name),
                    is_browser: false,
                });
            }
            Some(_) => {
                let message = "this key may not be used for the agent: make one with `aurore keys make NAME --scope agent`";
                return Err(Problem::new(Kind::Forbidden, message).coded("insufficient_scope"));
            }
            None => {
                "this key is not known here, or was revoked, or has ended: `aurore keys list` shows those that are"
            }
        },
        None if entrance::has_come_in(&state.doors, request.headers()) => {
            if request.method() == Method::GET {
                return Ok(browser);
            }
            // With everything but a look it says whose page asks, and shows what came with the link: the cookie alone
            // may have been read by another server of this machine.
            if !request.headers().contains_key(header::ORIGIN) {
                let message = "a browser must say which page asks: the header `Origin` is missing";
                return Err(Problem::new(Kind::Forbidden, message).coded("unknown_origin"));
            }
            let hand = request.headers().get(HAND).and_then(|value| value.to_str().ok());
            if hand.is_some_and(|hand| state.hands.knows(hand)) {
                return Ok(browser);
            }
            let message = "this browser may look on and no more: open a new link of the page's in it";
            return Err(Problem::new(Kind::Forbidden, message).coded("unknown_hand"));
        }
        // Its link is a key of its own.
        None if request.uri().path() == ENTRANCE => return Ok(browser),
        None => {
            "open the link that `aurore agent --watch` printed, or send the header `Authorization: Bearer KEY` with a key of the scope agent"
        }
    };
    Err(Problem::new(Kind::Key, message).coded("invalid_api_key"))
}
