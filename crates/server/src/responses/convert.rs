//! A client's items to what is asked.

use aurore_chat::{Content, Message, Role, ToolCall};

use super::request::{self, Create, Item};
use crate::ask::{Ask, Wishes};
use crate::openai::{arguments, choice, effort, format, tool_schema};
use crate::pictures;
use crate::problem::Problem;
use crate::shapes;

/// What is asked after the messages of an earlier response.
///
/// # Errors
/// For whatever means nothing, with its place.
pub(super) fn ask(request: Create, earlier: Vec<Message>) -> Result<Ask, Problem> {
    let mut messages = earlier;
    match request.input {
        request::Input::Text(text) => messages.push(Message::user(text)),
        request::Input::Items(items) => {
            for (number, item) in items.into_iter().enumerate() {
                add(&format!("input[{number}]"), item, &mut messages)?;
            }
        }
    }
    let mut tools = Vec::new();
    for (number, tool) in request.tools.unwrap_or_default().into_iter().enumerate() {
        let param = format!("tools[{number}]");
        if tool.kind != "function" {
            let message = format!(
                "tools of type {:?} are not run here: only \"function\"",
                tool.kind
            );
            return Err(Problem::invalid(format!("{param}.type"), message));
        }
        let name = tool.name.unwrap_or_default();
        tools.push(tool_schema(&param, name, tool.description, tool.parameters)?);
    }
    let word = request.reasoning.and_then(|reasoning| reasoning.effort);
    let effort = effort("reasoning.effort", word.as_deref())?;
    let mut ask = Ask {
        messages,
        choice: choice(request.tool_choice, &tools)?,
        tools,
        single: request.parallel_tool_calls == Some(false),
        format: format("text.format", request.text.and_then(|text| text.format))?,
        thinking: effort.thinking,
        budget: effort.budget,
        wishes: Wishes {
            temperature: request.temperature,
            top_p: request.top_p,
            ..Wishes::default()
        },
        max_tokens: request.max_output_tokens,
        ..Ask::default()
    };
    if let Some(word) = word {
        ask.variables.insert("reasoning_effort".to_owned(), word.into());
    }
    Ok(ask)
}

/// One item: a message, or a part of one, for reasoning, text and calls are items of their own in this dialect.
fn add(param: &str, item: Item, messages: &mut Vec<Message>) -> Result<(), Problem> {
    match (item.kind.as_deref().unwrap_or("message"), item.name) {
        ("message", _) => {
            let word = item.role.unwrap_or_default();
            let Some(role) = Role::parse(&word).filter(|role| *role != Role::Tool) else {
                let message =
                    format!("the role {word:?} is not known: use user, assistant, system or developer");
                return Err(Problem::invalid(format!("{param}.role"), message));
            };
            let content = contents(&format!("{param}.content"), item.content)?;
            if role == Role::Assistant {
                assistant(messages).content.extend(content);
            } else {
                let message = Message::text(role, "");
                messages.push(Message { content, ..message });
            }
        }
        ("reasoning", _) => {
            let content = contents(&format!("{param}.content"), item.content)?;
            let text = Message {
                content,
                ..Message::user("")
            };
            let reasoning = &mut assistant(messages).reasoning;
            reasoning.get_or_insert_default().push_str(&text.plain_text());
        }
        ("function_call", Some(name)) => {
            let arguments = arguments(&format!("{param}.arguments"), item.arguments.unwrap_or_default())?;
            assistant(messages).tool_calls.push(ToolCall { name, arguments });
        }
        ("function_call_output", _) => {
            let content = contents(&format!("{param}.output"), item.output)?;
            messages.push(Message {
                content,
                ..Message::tool("")
            });
        }
        ("function_call", None) => {
            return Err(Problem::invalid(format!("{param}.name"), "say which function"));
        }
        (other, _) => {
            let message = format!("items of type {other:?} are not read here");
            return Err(Problem::invalid(format!("{param}.type"), message));
        }
    }
    Ok(())
}

/// The model's turn that is being told.
fn assistant(messages: &mut Vec<Message>) -> &mut Message {
    if messages.last().is_none_or(|last| last.role != Role::Assistant) {
        messages.push(Message {
            content: Vec::new(),
            ..Message::assistant(None, "", Vec::new())
        });
    }
    let last = messages.len() - 1;
    &mut messages[last]
}

fn contents(param: &str, content: Option<shapes::Content<request::Part>>) -> Result<Vec<Content>, Problem> {
    let parts = match content {
        None => return Ok(Vec::new()),
        Some(shapes::Content::Text(text)) => return Ok(vec![Content::Text(text)]),
        Some(shapes::Content::Parts(parts)) => parts,
    };
    let parts = parts.into_iter().enumerate();
    let part = |(number, part): (usize, request::Part)| {
        let param = format!("{param}[{number}]");
        match (part.kind.as_str(), part.text, part.image_url) {
            (
                "input_text" | "output_text" | "text" | "reasoning_text" | "summary_text" | "refusal",
                Some(text),
                _,
            ) => Ok(Content::Text(text)),
            ("input_image", _, Some(url)) => {
                let picture = pictures::from_url(&url, &format!("{param}.image_url"))?;
                Ok(Content::Image(picture))
            }
            (kind, ..) => {
                let message = format!(
                    "a part of type {kind:?} is not read here, or lacks its content: use input_text or input_image"
                );
                Err(Problem::invalid(param, message))
            }
        }
    };
    parts.map(part).collect()
}
