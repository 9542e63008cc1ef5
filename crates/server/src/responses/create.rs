//! `POST /v1/responses`.

use aurore_chat::Message;
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::computer::Screen;
use super::growing::{Growing, Keep};
use super::kept::unknown;
use super::output::Desk;
use super::request::Create;
use super::telling::Telling;
use super::told::Told;
use super::{convert, items};
use crate::answers::{Answers, Encoder, stream};
use crate::app::{App, now};
use crate::body::typed;
use crate::dialect::{Dialect, json_response};
use crate::problem::Problem;
use crate::reading::{Piece, Reading};
use crate::{caller, fetch, ids, work};

pub(crate) async fn create(State(app): State<App>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

async fn answer(app: &App, request: Request) -> Result<Response, Problem> {
    let body: Value = fetch::read(request, app).await?;
    let input = items::named(&body["input"]);
    let request: Create = typed(body)?;
    let app = &app.of_model(request.model.as_deref())?;
    let is_stream = request.stream.unwrap_or(false);
    let is_background = request.background.unwrap_or(false);
    let is_kept = request.store.unwrap_or(true);
    if is_background && !is_kept {
        let message =
            "a response in the background must be kept, or nobody would see it: leave \"store\": false out";
        return Err(Problem::invalid("store", message));
    }
    let object = skeleton(app, &request);
    let owned = app.clone();
    let (readings, desk) = work::apart(move || begin(&owned, request)).await?;
    let mut answers = Answers::new(readings);
    let owner = caller::owner();
    let keep = Keep {
        input,
        owner: owner.clone(),
        always: is_background,
    };
    let mut growing = Growing::new(app, object, is_kept.then_some(keep));
    growing.output.desk = desk;
    if is_background {
        return in_background(app, growing, answers, owner, is_stream);
    }
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
    match growing.refused {
        Some(problem) => Err(problem),
        None => Ok(json_response(&growing.object)),
    }
}

/// Goes on without the client, which is told at once what to ask for, or listens as long as it likes.
fn in_background(
    app: &App,
    mut growing: Growing,
    answers: Answers,
    owner: String,
    is_stream: bool,
) -> Result<Response, Problem> {
    let telling = is_stream.then(Telling::default);
    if let Some(telling) = &telling {
        let mut events = String::new();
        growing.open(&mut events);
        telling.tell(&events);
    }
    growing.telling.clone_from(&telling);
    // From now on it can be asked for, whatever becomes of it.
    growing.store("")?;
    let object = growing.object.clone();
    let id = object["id"].as_str().unwrap_or_default().to_owned();
    app.background.spawn(id, owner, growing, answers);
    Ok(match telling {
        Some(telling) => telling.follow(0, app.options.pulse),
        None => json_response(&object),
    })
}

type Begun = (Vec<Reading>, Option<Desk>);

fn begin(app: &App, mut request: Create) -> Result<Begun, Problem> {
    let screen = convert::screen(&request);
    let earlier = match &request.previous_response_id {
        Some(id) => earlier(app, id, screen)?,
        None => Told::on(screen),
    };
    if request.store.unwrap_or(true) {
        // Nothing is computed that could not be kept.
        app.responses.check()?;
    }
    let instructions = request.instructions.take();
    let (mut ask, safety) = convert::ask(request, earlier)?;
    if let Some(instructions) = instructions {
        ask.messages.insert(0, Message::system(instructions));
    }
    let desk = screen.map(|screen| Desk {
        screen,
        frame: crate::screen::frame(screen.declared, &ask.messages),
        safety,
        model: app.name().to_owned(),
        rules: app.rules.clone(),
    });
    Ok((ask.begin(app, 1)?, desk))
}

/// The conversation up to a response.
fn earlier(app: &App, id: &str, screen: Option<Screen>) -> Result<Told, Problem> {
    let unknown = || unknown(id, "previous_response_id");
    let sight = caller::sight();
    let object = app.responses.find(id, &sight)?.ok_or_else(unknown)?;
    if object["status"] == "in_progress" {
        let message = format!("the response {id:?} is still being made: wait for its end, or cancel it");
        return Err(Problem::invalid("previous_response_id", message));
    }
    items::told(
        app.responses.items(id, &sight, true)?.ok_or_else(unknown)?,
        screen,
    )
}

/// What is known of a response before it begins.
fn skeleton(app: &App, request: &Create) -> Value {
    let tools = request.tools.iter().flatten().map(|tool| {
        if convert::is_screen(&tool.kind) {
            return json!({"type": tool.kind, "display_width": tool.display_width,
                "display_height": tool.display_height});
        }
        json!({"type": tool.kind, "name": tool.name, "description": tool.description, "parameters": tool.parameters,
            "strict": false})
    });
    let format = request.text.as_ref().and_then(|text| text.format.clone());
    json!({
        "id": ids::fresh("resp_"),
        "object": "response",
        "created_at": now(),
        "status": "in_progress",
        "background": request.background.unwrap_or(false),
        "error": null,
        "incomplete_details": null,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "model": app.name(),
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
