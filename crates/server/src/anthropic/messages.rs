//! `/v1/messages` and `/v1/messages/count_tokens`.

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::json;

use super::convert;
use super::encode::{Collected, Events};
use super::request::Create;
use crate::answers::{Answers, stream};
use crate::app::App;
use crate::dialect::{Dialect, json_response};
use crate::problem::Problem;
use crate::{fetch, work};

pub(crate) async fn messages(State(served): State<App>, request: Request) -> Response {
    match answer(&served, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::Anthropic.refuse(&problem),
    }
}

pub(crate) async fn count_tokens(State(served): State<App>, request: Request) -> Response {
    match count(&served, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::Anthropic.refuse(&problem),
    }
}

async fn answer(served: &App, request: Request) -> Result<Response, Problem> {
    let request: Create = fetch::read(request, served).await?;
    let served = &served.of_model(request.model.as_deref())?;
    let is_stream = request.stream.unwrap_or(false);
    let owned = served.clone();
    let screen = convert::screen(&request)?;
    let readings = work::apart(move || convert::ask(request)?.begin(&owned, 1)).await?;
    let prompt = readings.first().map_or(0, crate::reading::Reading::prompt_tokens);
    let mut answers = Answers::new(readings);
    let model = served.name().to_owned();
    if is_stream {
        return Ok(stream(
            answers,
            Events::new(model, prompt, screen),
            served.options.pulse,
        ));
    }
    let mut collected = Collected::new(screen);
    while let Some((_, piece)) = answers.next().await {
        collected.take(piece)?;
    }
    Ok(json_response(&collected.message(&model)))
}

async fn count(served: &App, request: Request) -> Result<Response, Problem> {
    let request: Create = fetch::read(request, served).await?;
    let served = &served.of_model(request.model.as_deref())?;
    let owned = served.clone();
    let tokens = work::apart(move || convert::ask(request)?.count(&owned)).await?;
    Ok(json_response(&json!({"input_tokens": tokens})))
}
