//! `/tokenize` and `/detokenize`, in vLLM's shapes. What llama.cpp's clients send and read (`content`) is there too.

use aurore_chat::PromptOptions;
use axum::extract::{Request, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::body::read_json;
use crate::dialect::{Dialect, json_response};
use crate::fetch;
use crate::openai;
use crate::problem::Problem;
use crate::work;

/// Text or a conversation to be cut into tokens: one of `prompt`, `content` and `messages`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TokenizeRequest")]
pub(crate) struct Tokenize {
    model: Option<String>,
    /// Text. Control tokens may be spelled out in it.
    prompt: Option<String>,
    /// The same by llama.cpp's name.
    content: Option<String>,
    messages: Option<Vec<openai::Message>>,
    tools: Option<Vec<openai::Tool>>,
    /// Whether a conversation ends with the head of the answer; so it does if absent.
    add_generation_prompt: Option<bool>,
    chat_template_kwargs: Option<Map<String, Value>>,
    /// Whether the spelling of each token is given too.
    return_token_strs: Option<bool>,
}

/// Tokens to be spelled.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "DetokenizeRequest")]
pub(crate) struct Detokenize {
    model: Option<String>,
    tokens: Vec<u32>,
}

pub(crate) async fn tokenize(State(served): State<App>, request: Request) -> Response {
    match cut(&served, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

pub(crate) async fn detokenize(State(served): State<App>, request: Request) -> Response {
    match spell(&served, request).await {
        Ok(response) => response,
        Err(problem) => Dialect::OpenAi.refuse(&problem),
    }
}

async fn cut(served: &App, request: Request) -> Result<Response, Problem> {
    let request: Tokenize = fetch::read(request, served).await?;
    let served = &served.of_model(request.model.as_deref())?;
    let spellings = request.return_token_strs.unwrap_or(false);
    let owned = served.clone();
    let ids = work::apart(move || ids(&owned, request)).await?;
    let strings = spellings.then(|| {
        let vocabulary = served.chat.vocabulary();
        let spelled = ids.iter().map(|id| vocabulary.decode(&[*id]));
        spelled.collect::<Vec<String>>()
    });
    Ok(json_response(&json!({
        "count": ids.len(),
        "max_model_len": served.scheduler.engine().context(),
        "tokens": ids,
        "token_strs": strings,
    })))
}

fn ids(served: &App, request: Tokenize) -> Result<Vec<u32>, Problem> {
    let text = request.prompt.or(request.content);
    if text.is_some() && request.tools.is_some() {
        return Err(Problem::invalid(
            "tools",
            "tools belong to `messages`: a text has none",
        ));
    }
    match (text, request.messages) {
        (Some(text), None) => Ok(served.chat.spelled(&text)?),
        (None, Some(messages)) => {
            let ask = openai::ask(openai::Chat {
                messages,
                tools: request.tools,
                chat_template_kwargs: request.chat_template_kwargs,
                ..openai::Chat::default()
            })?;
            let options = PromptOptions {
                thinking: ask.thinking,
                open_answer: request.add_generation_prompt.unwrap_or(true),
                variables: ask.variables,
                ..PromptOptions::default()
            };
            Ok(served.chat.prompt(&ask.messages, &ask.tools, &options)?.ids)
        }
        _ => Err(Problem::invalid(
            "prompt",
            "send either `prompt`, a text, or `messages`, a conversation",
        )),
    }
}

async fn spell(served: &App, request: Request) -> Result<Response, Problem> {
    let request: Detokenize = read_json(request, &served.options).await?;
    let served = &served.of_model(request.model.as_deref())?;
    let vocabulary = served.chat.vocabulary();
    if let Some(place) = request
        .tokens
        .iter()
        .position(|id| vocabulary.token(*id).is_none())
    {
        let message = format!(
            "{} is no token: ids are below {}",
            request.tokens[place],
            vocabulary.len()
        );
        return Err(Problem::invalid(format!("tokens[{place}]"), message));
    }
    let text = vocabulary.decode(&request.tokens);
    Ok(json_response(&json!({"prompt": text, "content": text})))
}
