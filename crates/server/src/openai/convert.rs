//! A client's request to what is asked.

use aurore_chat::{Content, Message, Role, ToolCall, ToolSchema};
use aurore_engine::Grammar;
use serde_json::{Map, Value, json};

use super::request;
use crate::ask::{Ask, Choice, Format, Wishes};
use crate::pictures;
use crate::problem::Problem;
use crate::shapes::{self, OneOrMany};

/// Tokens of thinking that an effort allows.
const LOW_EFFORT: usize = 1024;
const MEDIUM_EFFORT: usize = 8192;

/// Most likeliest tokens that are reported beside the chosen one.
pub(super) const MOST_LOGPROBS: usize = 20;

/// Most answers to one prompt.
const MOST_ANSWERS: usize = 16;

/// How many answers a prompt is given.
pub(super) fn count(n: Option<usize>) -> Result<usize, Problem> {
    match n.unwrap_or(1) {
        count @ 1..=MOST_ANSWERS => Ok(count),
        _ => Err(Problem::invalid(
            "n",
            format!("between 1 and {MOST_ANSWERS} answers are given to a prompt"),
        )),
    }
}

/// # Errors
/// For whatever means nothing, with its place.
pub(crate) fn ask(request: request::Chat) -> Result<Ask, Problem> {
    let mut messages = Vec::with_capacity(request.messages.len());
    for (number, message) in request.messages.into_iter().enumerate() {
        messages.push(self::message(number, message)?);
    }
    let mut tools = Vec::new();
    for (number, tool) in request.tools.unwrap_or_default().into_iter().enumerate() {
        let param = format!("tools[{number}]");
        if let Some(kind) = tool.kind.filter(|kind| kind != "function") {
            let message = format!("tools of type {kind:?} are not known here: only \"function\"");
            return Err(Problem::invalid(format!("{param}.type"), message));
        }
        let function = tool.function;
        let schema = tool_schema(
            &format!("{param}.function"),
            function.name,
            function.description,
            function.parameters,
        )?;
        tools.push(schema);
    }
    let effort = effort("reasoning_effort", request.reasoning_effort.as_deref())?;
    let mut variables = request.chat_template_kwargs.unwrap_or_default();
    let mut switch = |name: &str| variables.remove(name);
    let asked_there = switch("enable_thinking").and_then(|value| value.as_bool());
    let budget_there = switch("thinking_budget").and_then(|value| value.as_u64());
    let thinking = request.enable_thinking.or(asked_there).or(effort.thinking);
    let budget = request
        .thinking_budget
        .or(budget_there.map(|budget| budget as usize))
        .or(effort.budget);
    if let Some(word) = request.reasoning_effort {
        variables.insert("reasoning_effort".to_owned(), word.into());
    }
    for name in ["messages", "tools", "add_generation_prompt"] {
        if variables.contains_key(name) {
            let message = format!("{name:?} is the server's own: use the request's field of that name");
            return Err(Problem::invalid("chat_template_kwargs", message));
        }
    }
    let logprobs = match (request.logprobs, request.top_logprobs) {
        (_, Some(count)) if count > MOST_LOGPROBS => {
            let message = format!("at most {MOST_LOGPROBS} are reported");
            return Err(Problem::invalid("top_logprobs", message));
        }
        (Some(true), count) => Some(count.unwrap_or(0)),
        (_, Some(count)) if count > 0 => {
            return Err(Problem::invalid(
                "top_logprobs",
                "they come only with `logprobs`: true",
            ));
        }
        _ => None,
    };
    let wishes = Wishes {
        temperature: request.temperature,
        top_k: top_k(request.top_k),
        top_p: request.top_p,
        min_p: request.min_p,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        repetition_penalty: request.repetition_penalty,
        seed: request.seed.map(|seed| seed as u64),
    };
    Ok(Ask {
        messages,
        choice: choice(request.tool_choice, &tools)?,
        tools,
        single: request.parallel_tool_calls == Some(false),
        format: format("response_format", request.response_format)?,
        thinking,
        budget,
        wishes,
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        stops: request.stop.map(OneOrMany::into_vec).unwrap_or_default(),
        logprobs,
        bias: bias(request.logit_bias.unwrap_or_default())?,
        prediction: request.prediction.map(prediction).transpose()?,
        endless: request.ignore_eos.unwrap_or(false),
        variables,
        ..Ask::default()
    })
}

fn prediction(prediction: request::Prediction) -> Result<String, Problem> {
    if prediction.kind != "content" {
        let message = format!(
            "predictions of type {:?} are not known here: only \"content\"",
            prediction.kind
        );
        return Err(Problem::invalid("prediction.type", message));
    }
    Ok(match prediction.content {
        shapes::Content::Text(text) => text,
        shapes::Content::Parts(parts) => parts.into_iter().map(|part| part.text).collect(),
    })
}

/// Others write -1 where they mean all.
pub(super) fn top_k(count: Option<i64>) -> Option<usize> {
    count.map(|count| usize::try_from(count).unwrap_or(0))
}

fn message(number: usize, message: request::Message) -> Result<Message, Problem> {
    let param = format!("messages[{number}]");
    let Some(role) = Role::parse(&message.role) else {
        let said = format!(
            "the role {:?} is not known: use system, developer, user, assistant or tool",
            message.role
        );
        return Err(Problem::invalid(format!("{param}.role"), said));
    };
    let mut content = Vec::new();
    match message.content {
        None => {}
        Some(shapes::Content::Text(text)) => content.push(Content::Text(text)),
        Some(shapes::Content::Parts(parts)) => {
            for (place, part) in parts.into_iter().enumerate() {
                content.push(self::part(&format!("{param}.content[{place}]"), part)?);
            }
        }
    }
    let mut tool_calls = Vec::new();
    for (place, call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
        let param = format!("{param}.tool_calls[{place}].function");
        tool_calls.push(ToolCall {
            arguments: arguments(&format!("{param}.arguments"), call.function.arguments)?,
            name: call.function.name,
        });
    }
    Ok(Message {
        role,
        content,
        reasoning: message.reasoning_content.filter(|text| !text.is_empty()),
        tool_calls,
    })
}

fn part(param: &str, part: request::Part) -> Result<Content, Problem> {
    match (part.kind.as_str(), part.text, part.image_url) {
        ("text" | "input_text" | "output_text" | "refusal", Some(text), _) => Ok(Content::Text(text)),
        ("image_url" | "input_image", _, Some(url)) => {
            let (request::ImageUrl::Plain(url) | request::ImageUrl::Object { url }) = url;
            let picture = pictures::from_url(&url, &format!("{param}.image_url"))?;
            Ok(Content::Image(picture))
        }
        ("text" | "image_url", ..) => {
            let message = format!("a part of type {:?} needs a field of that name", part.kind);
            Err(Problem::invalid(param, message))
        }
        _ => {
            let message = format!(
                "parts of type {:?} are not read: only \"text\" and \"image_url\"",
                part.kind
            );
            Err(Problem::invalid(format!("{param}.type"), message))
        }
    }
}

/// A call's arguments, which are an object or a text that spells one. An empty text is an empty object.
pub(crate) fn arguments(param: &str, value: Value) -> Result<Map<String, Value>, Problem> {
    let value = match value {
        Value::String(text) if text.trim().is_empty() => return Ok(Map::new()),
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| Problem::invalid(param, format!("the text is not JSON: {error}")))?,
        other => other,
    };
    match value {
        Value::Object(arguments) => Ok(arguments),
        Value::Null => Ok(Map::new()),
        _ => Err(Problem::invalid(
            param,
            "arguments are an object, or a text that spells one",
        )),
    }
}

/// A tool as a client describes it.
pub(crate) fn tool_schema(
    param: &str,
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
) -> Result<ToolSchema, Problem> {
    if name.is_empty()
        || name
            .chars()
            .any(|letter| matches!(letter, '<' | '>' | '"') || letter.is_control())
    {
        let message = format!("{name:?} is no name of a tool: use letters, digits, - and _");
        return Err(Problem::invalid(format!("{param}.name"), message));
    }
    let parameters = parameters.filter(|value| !value.is_null());
    let parameters = parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    if !parameters.is_object() {
        return Err(Problem::invalid(
            format!("{param}.parameters"),
            "a JSON schema is an object",
        ));
    }
    Ok(ToolSchema {
        name,
        description: description.unwrap_or_default(),
        parameters,
    })
}

/// Whether and what is to be called.
pub(crate) fn choice(value: Option<Value>, tools: &[ToolSchema]) -> Result<Choice, Problem> {
    match value {
        None | Some(Value::Null) => Ok(Choice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Ok(Choice::Auto),
            "none" => Ok(Choice::Never),
            "required" | "any" => Ok(Choice::Required),
            _ => Err(Problem::invalid(
                "tool_choice",
                format!("{word:?} is no choice: use auto, none, required or a function"),
            )),
        },
        Some(value) => {
            let name = value.pointer("/function/name").or_else(|| value.get("name"));
            match name.and_then(Value::as_str) {
                Some(name) if tools.iter().any(|tool| tool.name == name) => {
                    Ok(Choice::Named(name.to_owned()))
                }
                Some(name) => Err(Problem::invalid(
                    "tool_choice",
                    format!("there is no tool {name:?} among `tools`"),
                )),
                None => Err(Problem::invalid(
                    "tool_choice",
                    "a choice of a function looks like {\"type\": \"function\", \"function\": {\"name\": …}}",
                )),
            }
        }
    }
}

/// The form of the answer.
pub(crate) fn format(param: &str, value: Option<Value>) -> Result<Format, Problem> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(Format::Text);
    };
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let lacks = |what: &str| Problem::invalid(param, format!("this type needs {what}"));
    match text("type") {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::Json(json!({"type": "object"}))),
        Some("json_schema") => {
            let schema = value
                .pointer("/json_schema/schema")
                .or_else(|| value.get("schema"));
            let schema = schema.filter(|schema| schema.is_object());
            let schema = schema.ok_or_else(|| lacks("`json_schema.schema`, an object"))?;
            Ok(Format::Json(schema.clone()))
        }
        Some("regex") => {
            let pattern = text("pattern").or_else(|| text("regex"));
            let pattern = pattern.ok_or_else(|| lacks("`pattern`, a text"))?;
            Ok(Format::Grammar(Grammar::Regex(pattern.to_owned())))
        }
        Some("grammar" | "lark") => {
            let grammar = text("grammar").or_else(|| text("lark"));
            let grammar = grammar.ok_or_else(|| lacks("`grammar`, a text in Lark's notation"))?;
            Ok(Format::Grammar(Grammar::Lark(grammar.to_owned())))
        }
        other => Err(Problem::invalid(
            format!("{param}.type"),
            format!(
                "{} is not known: use text, json_object, json_schema, regex or grammar",
                other.unwrap_or("nothing")
            ),
        )),
    }
}

pub(super) fn bias(biases: std::collections::HashMap<String, f32>) -> Result<Vec<(u32, f32)>, Problem> {
    let mut list = Vec::with_capacity(biases.len());
    for (id, bias) in biases {
        let Ok(id) = id.parse() else {
            return Err(Problem::invalid("logit_bias", format!("{id:?} is no token id")));
        };
        if !(-100.0..=100.0).contains(&bias) {
            return Err(Problem::invalid("logit_bias", "a bias lies between -100 and 100"));
        }
        list.push((id, bias));
    }
    // A map has no order of its own.
    list.sort_by_key(|(id, _)| *id);
    Ok(list)
}

/// What a word for effort means.
#[derive(Default)]
pub(crate) struct Effort {
    pub(crate) thinking: Option<bool>,
    pub(crate) budget: Option<usize>,
}

/// Reads a word for effort.
pub(crate) fn effort(param: &str, word: Option<&str>) -> Result<Effort, Problem> {
    let thinking = |budget| Effort {
        thinking: Some(true),
        budget,
    };
    match word {
        None => Ok(Effort::default()),
        Some("none" | "minimal") => Ok(Effort {
            thinking: Some(false),
            budget: None,
        }),
        Some("low") => Ok(thinking(Some(LOW_EFFORT))),
        Some("medium") => Ok(thinking(Some(MEDIUM_EFFORT))),
        Some("high" | "xhigh" | "max") => Ok(thinking(None)),
        Some(word) => Err(Problem::invalid(
            param,
            format!("{word:?} is not known: use none, minimal, low, medium or high"),
        )),
    }
}
