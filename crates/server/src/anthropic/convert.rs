//! A client's request to what is asked.

use aurore_chat::{Content, Message, ToolCall};

use super::request::{self, Block};
use crate::ask::{Ask, Choice, Wishes};
use crate::openai::{arguments, effort, format, tool_schema};
use crate::pictures;
use crate::problem::Problem;

/// # Errors
/// For whatever means nothing, with its place.
pub(super) fn ask(request: request::Create) -> Result<Ask, Problem> {
    let mut messages = Vec::new();
    if let Some(system) = request.system {
        let content = contents("system", system)?;
        if !content.is_empty() {
            messages.push(Message {
                content,
                ..Message::system("")
            });
        }
    }
    for (number, message) in request.messages.into_iter().enumerate() {
        let param = format!("messages[{number}]");
        match message.role.as_str() {
            "user" => user(&param, message.content, &mut messages)?,
            "assistant" => messages.push(assistant(&param, message.content)?),
            other => {
                let said =
                    format!("the role {other:?} is not known: use user or assistant, and the field `system`");
                return Err(Problem::invalid(format!("{param}.role"), said));
            }
        }
    }
    let mut tools = Vec::new();
    for (number, tool) in request.tools.unwrap_or_default().into_iter().enumerate() {
        let param = format!("tools[{number}]");
        if let Some(kind) = tool.kind.filter(|kind| kind != "custom") {
            let message =
                format!("tools of type {kind:?} are not run here: describe them with an `input_schema`");
            return Err(Problem::invalid(format!("{param}.type"), message));
        }
        tools.push(tool_schema(
            &param,
            tool.name,
            tool.description,
            tool.input_schema,
        )?);
    }
    let single = request
        .tool_choice
        .as_ref()
        .and_then(|choice| choice.disable_parallel_tool_use)
        .unwrap_or(false);
    let output = request.output_config.unwrap_or_default();
    let effort = effort("output_config.effort", output.effort.as_deref())?;
    let (thinking, budget) = match request.thinking {
        // This dialect thinks only when asked to.
        None => (Some(false), None),
        Some(thinking) => match thinking.kind.as_str() {
            "enabled" => (Some(true), thinking.budget_tokens),
            "adaptive" => (effort.thinking, thinking.budget_tokens.or(effort.budget)),
            "disabled" => (Some(false), None),
            other => {
                let message = format!("{other:?} is not known: use enabled, adaptive or disabled");
                return Err(Problem::invalid("thinking.type", message));
            }
        },
    };
    Ok(Ask {
        messages,
        choice: choice(request.tool_choice)?,
        tools,
        single,
        format: format("output_config.format", output.format)?,
        thinking,
        budget,
        wishes: Wishes {
            temperature: request.temperature,
            top_p: request.top_p,
            top_k: request.top_k,
            ..Wishes::default()
        },
        max_tokens: request.max_tokens,
        stops: request.stop_sequences.unwrap_or_default(),
        thinking_returns: true,
        ..Ask::default()
    })
}

fn choice(choice: Option<request::ToolChoice>) -> Result<Choice, Problem> {
    let Some(choice) = choice else {
        return Ok(Choice::Auto);
    };
    match (choice.kind.as_str(), choice.name) {
        ("auto", _) => Ok(Choice::Auto),
        ("none", _) => Ok(Choice::Never),
        ("any", _) => Ok(Choice::Required),
        ("tool", Some(name)) => Ok(Choice::Named(name)),
        ("tool", None) => Err(Problem::invalid("tool_choice.name", "say which tool")),
        (other, _) => {
            let message = format!("{other:?} is not known: use auto, any, tool or none");
            Err(Problem::invalid("tool_choice.type", message))
        }
    }
}

/// A user's message. Results of tools in it are messages of their own here.
fn user(param: &str, content: request::Content, messages: &mut Vec<Message>) -> Result<(), Problem> {
    let blocks = match content {
        request::Content::Text(text) => {
            messages.push(Message::user(text));
            return Ok(());
        }
        request::Content::Blocks(blocks) => blocks,
    };
    let mut content = Vec::new();
    let is_empty = blocks.is_empty();
    for (number, block) in blocks.into_iter().enumerate() {
        let param = format!("{param}.content[{number}]");
        if block.kind == "tool_result" {
            let result = match block.content {
                Some(result) => contents(&format!("{param}.content"), result)?,
                None => Vec::new(),
            };
            messages.push(Message {
                content: result,
                ..Message::tool("")
            });
        } else {
            content.push(piece(&param, block)?);
        }
    }
    if is_empty || !content.is_empty() {
        messages.push(Message {
            content,
            ..Message::user("")
        });
    }
    Ok(())
}

fn assistant(param: &str, content: request::Content) -> Result<Message, Problem> {
    let mut message = Message::assistant(None, "", Vec::new());
    let blocks = match content {
        request::Content::Text(text) => {
            message.content = vec![Content::Text(text)];
            return Ok(message);
        }
        request::Content::Blocks(blocks) => blocks,
    };
    message.content.clear();
    for (number, block) in blocks.into_iter().enumerate() {
        let param = format!("{param}.content[{number}]");
        match (block.kind.as_str(), block.name) {
            ("thinking", _) => {
                let thinking = block.thinking.unwrap_or_default();
                message.reasoning.get_or_insert_default().push_str(&thinking);
            }
            ("redacted_thinking", _) => {}
            ("tool_use", Some(name)) => message.tool_calls.push(ToolCall {
                name,
                arguments: arguments(&format!("{param}.input"), block.input.unwrap_or_default())?,
            }),
            ("tool_use", None) => return Err(Problem::invalid(format!("{param}.name"), "say which tool")),
            (_, name) => message.content.push(piece(&param, Block { name, ..block })?),
        }
    }
    Ok(message)
}

fn contents(param: &str, content: request::Content) -> Result<Vec<Content>, Problem> {
    match content {
        request::Content::Text(text) => Ok(vec![Content::Text(text)]),
        request::Content::Blocks(blocks) => blocks
            .into_iter()
            .enumerate()
            .map(|(number, block)| piece(&format!("{param}[{number}]"), block))
            .collect(),
    }
}

fn piece(param: &str, block: Block) -> Result<Content, Problem> {
    match (block.kind.as_str(), block.text, block.source) {
        ("text", Some(text), _) => Ok(Content::Text(text)),
        ("image", _, Some(source)) => {
            let param = format!("{param}.source");
            let picture = match (source.kind.as_str(), source.data, source.url) {
                ("base64", Some(data), _) => pictures::from_base64(&data, &format!("{param}.data"))?,
                ("url", _, Some(url)) => pictures::from_url(&url, &format!("{param}.url"))?,
                _ => {
                    return Err(Problem::invalid(
                        param,
                        "a source is base64 with `data`, or url with `url`",
                    ));
                }
            };
            Ok(Content::Image(picture))
        }
        ("text" | "image", ..) => {
            let message = format!("a block of type {:?} lacks its content", block.kind);
            Err(Problem::invalid(param, message))
        }
        _ => {
            let message = format!("blocks of type {:?} are not read here", block.kind);
            Err(Problem::invalid(format!("{param}.type"), message))
        }
    }
}
