//! What can be done with a kept response, by those who see it.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::items;
use crate::app::App;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};
use crate::{caller, work};

pub(crate) async fn retrieve(State(app): State<App>, Path(id): Path<String>) -> Response {
    reply(find(&app, &id).await)
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

async fn find(app: &App, id: &str) -> Result<Value, Problem> {
    let (app, id) = (app.clone(), id.to_owned());
    let found = work::apart(move || {
        let found = app.responses.find(&id, &caller::sight())?;
        found.ok_or_else(|| unknown(&id, "response_id"))
    });
    found.await
}

async fn forget(app: &App, id: String) -> Result<Value, Problem> {
    find(app, &id).await?;
    // One that is under way would come back at its end.
    app.background.cancel(&id).await;
    let app = app.clone();
    let deleted = work::apart(move || {
        if !app.responses.delete(&id, &caller::sight())? {
            return Err(unknown(&id, "response_id"));
        }
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
    app.background.cancel(id).await;
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
