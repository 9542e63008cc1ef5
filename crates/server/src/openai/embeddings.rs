//! `/v1/embeddings`: texts as vectors of unit length, pooled from the network's last norm.

use std::collections::VecDeque;

use aurore_engine::{Event, Pooling, Priority, Prompt};
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::inputs::Inputs;
use crate::app::App;
use crate::ask::Sender;
use crate::body::read_json;
use crate::dialect::{Dialect, json_response};
use crate::problem::{Kind, Problem};
use crate::{caller, work};

/// Most texts of a request.
const MOST_INPUTS: usize = 2048;
/// Texts of a request that are under way together; the others leave the queue to other requests.
const TOGETHER: usize = 8;

/// Texts whose vectors are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "EmbeddingRequest")]
pub(crate) struct Embeddings {
    model: Option<String>,
    input: Inputs,
    /// Lists of numbers, or little-endian f32 in base64; `float` if absent.
    encoding_format: Option<Encoding>,
    /// The first so many numbers, brought back to unit length.
    #[schemars(range(min = 1))]
    dimensions: Option<usize>,
    /// What stands for the whole text: the mean of all tokens, or the last one; `mean` if absent.
    pooling: Option<Pooled>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Pooled {
    #[default]
    Mean,
    Last,
}

pub(crate) async fn embeddings(State(served): State<App>, request: Request) -> Response {
    match answer(&served, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

async fn answer(served: &App, request: Request) -> Result<Response, Problem> {
    let request: Embeddings = read_json(request, &served.options).await?;
    let served = &served.of_model(request.model.as_deref())?;
    let numbers = served.scheduler.engine().model().config().text.hidden_size;
    let dimensions = request.dimensions.unwrap_or(numbers);
    if dimensions == 0 || dimensions > numbers {
        let message = format!("a vector of this model has {numbers} numbers: ask for 1 to {numbers} of them");
        return Err(Problem::invalid("dimensions", message));
    }
    if request.input.len() > MOST_INPUTS {
        let message = format!("a request has at most {MOST_INPUTS} texts: send several");
        return Err(Problem::invalid("input", message));
    }
    let pooling = match request.pooling.unwrap_or_default() {
        Pooled::Mean => Pooling::Mean,
        Pooled::Last => Pooling::Last,
    };
    let encoding = request.encoding_format.unwrap_or_default();
    let owned = served.clone();
    let lists = work::apart(move || request.input.into_ids(&owned, "input")).await?;
    let tokens: usize = lists.iter().map(Vec::len).sum();
    let mut vectors = Vec::with_capacity(lists.len());
    let mut lists = lists.into_iter();
    let mut begun = VecDeque::new();
    loop {
        while begun.len() < TOGETHER
            && let Some(ids) = lists.next()
        {
            begun.push_back(begin(served, ids, pooling)?);
        }
        let Some(events) = begun.pop_front() else { break };
        let vector = wait(events).await?;
        vectors.push(encode(unit(&vector[..dimensions.min(vector.len())]), encoding));
    }
    let data = vectors.into_iter().enumerate();
    let data =
        data.map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}));
    Ok(json_response(&json!({
        "object": "list",
        "data": data.collect::<Vec<Value>>(),
        "model": served.name(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })))
}

fn begin(served: &App, ids: Vec<u32>, pooling: Pooling) -> Result<UnboundedReceiver<Event>, Problem> {
    let (sender, events) = mpsc::unbounded_channel();
    let tokens = ids.len();
    let listener = Box::new(Sender(sender));
    let prompt = Prompt {
        adapter: served.adapter(),
        ..Prompt::text(ids)
    };
    let begun = served
        .scheduler
        .pool_to(prompt, pooling, Priority::Normal, listener);
    begun.map_err(|error| Problem::from(error).renamed("messages", "input"))?;
    caller::meter().spend(tokens);
    Ok(events)
}

async fn wait(mut events: UnboundedReceiver<Event>) -> Result<Vec<f32>, Problem> {
    while let Some(event) = events.recv().await {
        match event {
            Event::Pooled(vector) => return Ok(vector),
            Event::Failed(error) => return Err(Problem::from(error).renamed("messages", "input")),
            Event::Finished(_) => {
                let message = "the server is ending and could not wait for the rest of this answer";
                return Err(Problem::new(Kind::Ending, message).coded("shutting_down"));
            }
            Event::Started { .. } | Event::Token { .. } => {}
        }
    }
    let message = "the engine stopped because of a defect: restart the server";
    Err(Problem::new(Kind::Defect, message))
}

/// Brought to unit length.
fn unit(vector: &[f32]) -> Vec<f32> {
    let square: f64 = vector.iter().map(|number| f64::from(*number).powi(2)).sum();
    let length = square.sqrt().max(f64::MIN_POSITIVE);
    let scaled = vector.iter().map(|number| (f64::from(*number) / length) as f32);
    scaled.collect()
}

fn encode(vector: Vec<f32>, encoding: Encoding) -> Value {
    match encoding {
        Encoding::Float => vector.into(),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            BASE64_STANDARD.encode(bytes).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_unit_length() {
        assert_eq!(unit(&[3.0, 4.0]), [0.6, 0.8]);
        assert_eq!(unit(&[0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(encode(vec![1.0], Encoding::Base64), "AACAPw==");
        assert_eq!(encode(vec![0.5], Encoding::Float), json!([0.5]));
    }
}
