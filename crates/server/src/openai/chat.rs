//! `/v1/chat/completions`.

use axum::extract::{Request, State};
use axum::response::Response;

use super::convert;
use super::encode::{Chunks, Collected, Head, completion};
use super::request::Chat;
use crate::answers::{Answers, stream};
use crate::app::{App, now};
use crate::dialect::{Dialect, json_response};
use crate::problem::Problem;
use crate::shapes::StreamOptions;
use crate::{fetch, ids, work};

pub(crate) async fn chat(State(served): State<App>, request: Request) -> Response {
    match answer(&served, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

async fn answer(served: &App, request: Request) -> Result<Response, Problem> {
    let request: Chat = fetch::read(request, served).await?;
    let served = &served.of_model(request.model.as_deref())?;
    let count = convert::count(request.n)?;
    let is_stream = request.stream.unwrap_or(false);
    let include_usage = StreamOptions::wants_usage(request.stream_options.as_ref());
    let owned = served.clone();
    let (readings, has_logprobs) = work::apart(move || {
        let ask = convert::ask(request)?;
        Ok((ask.begin(&owned, count)?, ask.logprobs.is_some()))
    })
    .await?;
    let mut answers = Answers::new(readings);
    let head = Head {
        id: ids::fresh("chatcmpl-"),
        created: now(),
        model: served.name().to_owned(),
    };
    if is_stream {
        let encoder = Chunks::new(head, count, include_usage, has_logprobs);
        return Ok(stream(answers, encoder, served.options.pulse));
    }
    let mut collected: Vec<Collected> = (0..count).map(|_| Collected::default()).collect();
    while let Some((number, piece)) = answers.next().await {
        collected[number].take(piece)?;
    }
    Ok(json_response(&completion(&head, collected, has_logprobs)))
}
