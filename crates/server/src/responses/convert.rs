//! A client's items to what is asked.

use aurore_chat::computer_use::{TOOL, schema_with};
use aurore_chat::{Content, Message, Role, ToolCall};
use serde_json::{Value, json};

use super::computer::{self, Screen};
use super::request::{self, Create, Item, Output};
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
    let screen = screen(&request);
    let mut messages = earlier;
    match request.input {
        request::Input::Text(text) => messages.push(Message::user(text)),
        request::Input::Items(items) => {
            for (number, item) in items.into_iter().enumerate() {
                add(&format!("input[{number}]"), item, screen, &mut messages)?;
            }
        }
    }
    let mut tools = Vec::new();
    for (number, tool) in request.tools.unwrap_or_default().into_iter().enumerate() {
        let param = format!("tools[{number}]");
        if is_screen(&tool.kind) {
            tools.push(schema_with(computer::OFFERED));
            continue;
        }
        if tool.kind != "function" {
            let message = format!(
                "tools of type {:?} are not run here: only \"function\", and \"computer_use_preview\" or \"computer\"",
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
        choice: choice(request.tool_choice.map(of_screen), &tools)?,
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

/// The screen that a request's tools declare.
pub(super) fn screen(request: &Create) -> Option<Screen> {
    let mut tools = request.tools.iter().flatten();
    let tool = tools.find(|tool| is_screen(&tool.kind))?;
    Some(Screen {
        declared: crate::screen::size(tool.display_width, tool.display_height),
        lists: tool.kind == "computer",
    })
}

/// Whether that is a kind of tool for a screen.
pub(super) fn is_screen(kind: &str) -> bool {
    matches!(
        kind,
        "computer" | "computer_use" | "computer_use_preview" | "computer-preview"
    )
}

/// A choice of the screen as the choice of its function.
fn of_screen(choice: Value) -> Value {
    match choice["type"].as_str() {
        Some(kind) if is_screen(kind) => json!({"type": "function", "name": TOOL}),
        _ => choice,
    }
}

/// One item: a message, or a part of one, for reasoning, text and calls are items of their own in this dialect.
pub(super) fn add(
    param: &str,
    item: Item,
    screen: Option<Screen>,
    messages: &mut Vec<Message>,
) -> Result<(), Problem> {
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
        ("computer_call", _) => {
            let frame = crate::screen::frame(screen.and_then(|screen| screen.declared), messages);
            let (actions, one) = (item.actions.unwrap_or_default(), item.action);
            let all: Vec<_> = one.into_iter().chain(actions).collect();
            if all.is_empty() {
                return Err(Problem::invalid(format!("{param}.action"), "say what was done"));
            }
            for action in all {
                let call = computer::read(&action, frame).map_err(|field| {
                    let message = "this is no action of a screen, or this part of it is missing or wrong";
                    Problem::invalid(format!("{param}.action.{field}"), message)
                })?;
                assistant(messages).tool_calls.push(call);
            }
        }
        ("function_call_output" | "computer_call_output", _) => {
            let param = format!("{param}.output");
            let mut content = match item.output {
                Some(Output::Picture { image_url: Some(url) }) => {
                    vec![Content::Image(pictures::from_url(
                        &url,
                        &format!("{param}.image_url"),
                    )?)]
                }
                Some(Output::Picture { image_url: None }) => {
                    let message = "only pictures inside the request are seen: send image_url as data:image/png;base64,…";
                    return Err(Problem::invalid(format!("{param}.image_url"), message));
                }
                Some(Output::Content(content)) => contents(&param, Some(content))?,
                None => Vec::new(),
            };
            content.extend(
                item.current_url
                    .map(|url| Content::Text(format!("Address: {url}"))),
            );
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
