//! `/v1/responses` and what can be done with a kept one.

use aurore_chat::Message;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::convert;
use super::encode::Growing;
use super::request::Create;
use crate::answers::{Answers, Encoder, stream};
use crate::app::{App, now};
use crate::body::read_json;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};
use crate::reading::Piece;
use crate::{ids, work};

pub(crate) async fn create(State(app): State<App>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

pub(crate) async fn retrieve(State(app): State<App>, Path(id): Path<String>) -> Response {
    match app.responses.find(&id) {
        Some(kept) => json_response(&kept.object),
        None => Dialect::OpenAi.refuse(&unknown(&id, "response_id")),
    }
}

pub(crate) async fn delete(State(app): State<App>, Path(id): Path<String>) -> Response {
    if app.responses.delete(&id) {
        return json_response(&json!({"id": id, "object": "response.deleted", "deleted": true}));
    }
    Dialect::OpenAi.refuse(&unknown(&id, "response_id"))
}

/// Responses are not made in the background, so whatever is known has ended.
pub(crate) async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Response {
    let problem = match app.responses.find(&id) {
        Some(_) => Problem::invalid(
            "response_id",
            "this response has ended: there is nothing to cancel",
        ),
        None => unknown(&id, "response_id"),
    };
    Dialect::OpenAi.refuse(&problem)
}

fn unknown(id: &str, param: &str) -> Problem {
    let message =
        format!("there is no response {id:?}: it was not kept, was deleted, or is older than what is kept");
    let problem = Problem {
        param: Some(param.to_owned()),
        ..Problem::new(Kind::NotFound, message)
    };
    problem.coded("response_not_found")
}

async fn answer(app: &App, request: Request) -> Result<Response, Problem> {
    let request: Create = read_json(request, &app.options).await?;
    app.check_model(request.model.as_deref())?;
    if request.background == Some(true) {
        let message = "responses are not made in the background here: leave it out, and stream";
        return Err(Problem::invalid("background", message));
    }
    let is_stream = request.stream.unwrap_or(false);
    let object = skeleton(app, &request);
    let owned = app.clone();
    let (readings, keep) = work::apart(move || begin(&owned, request)).await?;
    let mut answers = Answers::new(readings);
    let mut growing = Growing::new(app, object, keep);
    if is_stream {
        return Ok(stream(answers, growing, app.options.pulse));
    }
    let mut events = String::new();
    while let Some((number, piece)) = answers.next().await {
        if let Piece::Failed(problem) = piece {
            return Err(problem);
        }
        growing.piece(number, piece, &mut events);
        // Nobody watches it grow.
        events.clear();
    }
    Ok(json_response(&growing.object))
}

type Begun = (Vec<crate::reading::Reading>, Option<Vec<Message>>);

fn begin(app: &App, mut request: Create) -> Result<Begun, Problem> {
    let earlier = match &request.previous_response_id {
        Some(id) => match app.responses.find(id) {
            Some(kept) => kept.messages,
            None => return Err(unknown(id, "previous_response_id")),
        },
        None => Vec::new(),
    };
    let is_kept = request.store.unwrap_or(true);
    let instructions = request.instructions.take();
    let mut ask = convert::ask(request, earlier)?;
    let keep = is_kept.then(|| ask.messages.clone());
    if let Some(instructions) = instructions {
        ask.messages.insert(0, Message::system(instructions));
    }
    Ok((ask.begin(app, 1)?, keep))
}

/// What is known of a response before it begins.
fn skeleton(app: &App, request: &Create) -> Value {
    let tools = request.tools.iter().flatten().map(|tool| {
        json!({"type": tool.kind, "name": tool.name, "description": tool.description, "parameters": tool.parameters,
            "strict": false})
    });
    let format = request.text.as_ref().and_then(|text| text.format.clone());
    json!({
        "id": ids::fresh("resp_"),
        "object": "response",
        "created_at": now(),
        "status": "in_progress",
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "model": app.options.name,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls.unwrap_or(true),
        "previous_response_id": request.previous_response_id,
        "reasoning": {"effort": request.reasoning.as_ref().and_then(|reasoning| reasoning.effort.clone()), "summary": null},
        "store": request.store.unwrap_or(true),
        "temperature": request.temperature,
        "text": {"format": format.unwrap_or_else(|| json!({"type": "text"}))},
        "tool_choice": request.tool_choice.clone().unwrap_or_else(|| "auto".into()),
        "tools": tools.collect::<Vec<Value>>(),
        "top_p": request.top_p,
        "truncation": "disabled",
        "usage": null,
        "metadata": request.metadata.clone().unwrap_or_else(|| json!({})),
    })
}
