//! What can be done with a kept response, by those who see it.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::items;
use super::telling::{Telling, replay};
use crate::app::App;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};
use crate::{caller, work};

/// A response, or with `stream=true` its events behind `starting_after`.
pub(crate) async fn retrieve(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match first_event(query.as_deref().unwrap_or_default()) {
        Ok(None) => reply(find(&app, &id).await),
        Ok(Some(next)) => listen(app, id, next)
            .await
            .unwrap_or_else(|problem| Dialect::OpenAi.refuse(&problem)),
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

pub(crate) async fn delete(State(app): State<App>, Path(id): Path<String>) -> Response {
    reply(forget(&app, id).await)
}

/// What a response was given: the items of its request after those of all that it goes on from.
pub(crate) async fn input_items(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = work::apart(move || {
        let found = app.responses.items(&id, &caller::sight(), false)?;
        let items = found.ok_or_else(|| unknown(&id, "response_id"))?;
        items::page(items, query.as_deref().unwrap_or_default())
    });
    reply(page.await)
}

/// Ends a response in the background; one that has ended stays as it is.
pub(crate) async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Response {
    reply(end(&app, &id).await)
}

/// The number of the first event that is wanted, if events are.
fn first_event(query: &str) -> Result<Option<usize>, Problem> {
    let (mut is_stream, mut next) = (false, 0);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match (name, value) {
            ("stream", "true" | "false") => is_stream = value == "true",
            ("stream", _) => {
                let message = format!("{value:?} is neither true nor false");
                return Err(Problem::invalid("stream", message));
            }
            ("starting_after", _) => {
                let seen: Option<u32> = value.parse().ok();
                let message = format!("{value:?} is no number of an event");
                let seen = seen.ok_or_else(|| Problem::invalid("starting_after", message))?;
                next = seen as usize + 1;
            }
            _ => {}
        }
    }
    Ok(is_stream.then_some(next))
}

/// Where a response's events are.
enum Events {
    /// It is being made.
    Told(Telling),
    /// It has ended.
    Kept(Value, String),
}

/// The events of a response from a number on.
async fn listen(app: App, id: String, next: usize) -> Result<Response, Problem> {
    let pulse = app.options.pulse;
    let events = work::apart(move || events(&app, &id)).await?;
    Ok(match events {
        Events::Told(telling) => telling.follow(next, pulse),
        Events::Kept(object, events) => replay(&events, &object, next),
    })
}

fn events(app: &App, id: &str) -> Result<Events, Problem> {
    let sight = caller::sight();
    if let Some(telling) = app.background.telling(id, &sight) {
        return Ok(Events::Told(telling));
    }
    let found = app.responses.told(id, &sight)?;
    let (object, events) = found.ok_or_else(|| unknown(id, "response_id"))?;
    let events = events.ok_or_else(|| {
        let message = "events are kept of responses that were made with \"background\" and \"stream\": ask for this one \
                       without stream=true";
        Problem::invalid("stream", message)
    })?;
    Ok(Events::Kept(object, events))
}

async fn find(app: &App, id: &str) -> Result<Value, Problem> {
    let (app, id) = (app.clone(), id.to_owned());
    let found = work::apart(move || {
        let sight = caller::sight();
        if let Some(object) = app.background.so_far(&id, &sight) {
            return Ok(object);
        }
        let found = app.responses.find(&id, &sight)?;
        found.ok_or_else(|| unknown(&id, "response_id"))
    });
    found.await
}

async fn forget(app: &App, id: String) -> Result<Value, Problem> {
    find(app, &id).await?;
    // One that is under way would come back at its end.
    app.background.cancel(&id, &caller::sight()).await;
    let app = app.clone();
    let deleted = work::apart(move || {
        if !app.responses.delete(&id, &caller::sight())? {
            return Err(unknown(&id, "response_id"));
        }
        app.background.forget(&id);
        Ok(json!({"id": id, "object": "response.deleted", "deleted": true}))
    });
    deleted.await
}

async fn end(app: &App, id: &str) -> Result<Value, Problem> {
    if find(app, id).await?["background"] != true {
        return Err(Problem::invalid(
            "response_id",
            "only responses in the background are cancelled this way: others end when their connection is closed",
        ));
    }
    app.background.cancel(id, &caller::sight()).await;
    find(app, id).await
}

fn reply(outcome: Result<Value, Problem>) -> Response {
    match outcome {
        Ok(value) => json_response(&value),
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

/// There is no such response, or not for whoever asks.
pub(super) fn unknown(id: &str, param: &str) -> Problem {
    let message = format!(
        "there is no response {id:?}: it was not kept, was deleted, is older than what is kept, or belongs to another key"
    );
    let problem = Problem {
        param: Some(param.to_owned()),
        ..Problem::new(Kind::NotFound, message)
    };
    problem.coded("response_not_found")
}
