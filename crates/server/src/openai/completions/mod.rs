//! `/v1/completions`: text that goes on, without turns.

mod encode;
mod request;

use axum::extract::{Request, State};
use axum::response::Response;

use self::encode::{Chunks, Collected, completion};
pub(crate) use self::request::Completions;
use super::convert;
use super::encode::Head;
use crate::answers::{Answers, stream};
use crate::app::{App, now};
use crate::ask::{Ask, Wishes};
use crate::body::read_json;
use crate::dialect::{Dialect, json_response};
use crate::problem::Problem;
use crate::shapes::{OneOrMany, StreamOptions};
use crate::{ids, work};

/// Most answers of a request.
const MOST_ANSWERS: usize = 64;
/// Tokens of an answer for which nothing else is said, as this dialect has it.
const TOKENS: usize = 16;

pub(crate) async fn completions(State(served): State<App>, request: Request) -> Response {
    match answer(&served, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

async fn answer(served: &App, request: Request) -> Result<Response, Problem> {
    let request: Completions = read_json(request, &served.options).await?;
    let served = &served.of_model(request.model.as_deref())?;
    check(&request)?;
    let each = convert::count(request.n)?;
    let count = each * request.prompt.len();
    if count > MOST_ANSWERS {
        let message = format!("{count} answers are more than the {MOST_ANSWERS} of a request: send several");
        return Err(Problem::invalid("prompt", message));
    }
    let is_stream = request.stream.unwrap_or(false);
    let include_usage = StreamOptions::wants_usage(request.stream_options.as_ref());
    let has_logprobs = request.logprobs.is_some();
    let owned = served.clone();
    let readings = work::apart(move || {
        let asks = asks(&owned, request)?;
        let mut readings = Vec::with_capacity(count);
        for ask in asks {
            let begun = ask.begin(&owned, each);
            readings.extend(begun.map_err(|problem| problem.renamed("messages", "prompt"))?);
        }
        Ok(readings)
    })
    .await?;
    let mut answers = Answers::new(readings);
    let head = Head {
        id: ids::fresh("cmpl-"),
        created: now(),
        model: served.name().to_owned(),
    };
    if is_stream {
        let encoder = Chunks::new(head, count, each, include_usage, has_logprobs);
        return Ok(stream(answers, encoder, served.options.pulse));
    }
    let mut collected: Vec<Collected> = (0..count).map(|_| Collected::new(has_logprobs)).collect();
    while let Some((number, piece)) = answers.next().await {
        collected[number].take(piece)?;
    }
    Ok(json_response(&completion(&head, &collected, each)))
}

/// What this dialect has and this server has not.
fn check(request: &Completions) -> Result<(), Problem> {
    if request.echo == Some(true) {
        let message = "the prompt is not repeated here: put it before the answer yourself";
        return Err(Problem::invalid("echo", message));
    }
    if request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        let message = "text is only continued here: put what follows into the prompt, or leave it out";
        return Err(Problem::invalid("suffix", message));
    }
    if request.best_of.is_some_and(|best| best != request.n.unwrap_or(1)) {
        let message = "all answers are given: leave it out, or make it the same as `n`";
        return Err(Problem::invalid("best_of", message));
    }
    if request
        .logprobs
        .is_some_and(|count| count > convert::MOST_LOGPROBS)
    {
        let message = format!("at most {} are reported", convert::MOST_LOGPROBS);
        return Err(Problem::invalid("logprobs", message));
    }
    Ok(())
}

/// What is asked, once for each prompt.
fn asks(served: &App, request: Completions) -> Result<Vec<Ask>, Problem> {
    let lists = request.prompt.into_ids(served, "prompt")?;
    let ask = Ask {
        wishes: Wishes {
            temperature: request.temperature,
            top_k: convert::top_k(request.top_k),
            top_p: request.top_p,
            min_p: request.min_p,
            presence_penalty: request.presence_penalty,
            frequency_penalty: request.frequency_penalty,
            repetition_penalty: request.repetition_penalty,
            seed: request.seed.map(|seed| seed as u64),
        },
        max_tokens: Some(request.max_tokens.unwrap_or(TOKENS)),
        stops: request.stop.map(OneOrMany::into_vec).unwrap_or_default(),
        logprobs: request.logprobs,
        bias: convert::bias(request.logit_bias.unwrap_or_default())?,
        ..Ask::default()
    };
    let each = lists.into_iter().map(|ids| Ask {
        plain: Some(ids),
        ..ask.clone()
    });
    Ok(each.collect())
}
