//! A client's request to what is asked.

use aurore_chat::computer_use::{TOOL, schema_with};
use aurore_chat::{Content, Message, ToolCall};

use super::computer::{self, Screen};
use super::request::{self, Block};
use crate::ask::{Ask, Choice, Wishes};
use crate::openai::{arguments, effort, format, tool_schema};
use crate::pictures;
use crate::problem::Problem;
use crate::shapes;

/// # Errors
/// For whatever means nothing, with its place.
pub(super) fn ask(request: request::Create) -> Result<Ask, Problem> {
    if request.messages.is_empty() {
        let message = "there is no message: send at least one";
        return Err(Problem::invalid("messages", message));
    }
    let screen = screen(&request)?;
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
            "assistant" => messages.push(assistant(&param, message.content, screen)?),
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
            if let Some(offered) = computer::offered(&kind) {
                tools.push(schema_with(offered));
                continue;
            }
            let message = format!(
                "tools of type {kind:?} are not run here: describe them with an `input_schema`, or use computer_20250124"
            );
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
        choice: choice(request.tool_choice, screen.is_some())?,
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

/// The screen that a request's tools declare.
///
/// # Errors
/// When it has no size: actions are in its pixels.
pub(super) fn screen(request: &request::Create) -> Result<Option<Screen>, Problem> {
    for (number, tool) in request.tools.iter().flatten().enumerate() {
        let Some(offered) = tool.kind.as_deref().and_then(computer::offered) else {
            continue;
        };
        let size = crate::screen::size(tool.display_width_px, tool.display_height_px);
        let frame = size.ok_or_else(|| {
            let message = "say how large the display is, in pixels: display_width_px and display_height_px";
            Problem::invalid(format!("tools[{number}].display_width_px"), message)
        })?;
        return Ok(Some(Screen { frame, offered }));
    }
    Ok(None)
}

fn choice(choice: Option<request::ToolChoice>, has_screen: bool) -> Result<Choice, Problem> {
    let Some(choice) = choice else {
        return Ok(Choice::Auto);
    };
    match (choice.kind.as_str(), choice.name) {
        ("auto", _) => Ok(Choice::Auto),
        ("none", _) => Ok(Choice::Never),
        ("any", _) => Ok(Choice::Required),
        ("tool", Some(name)) if has_screen && name == computer::NAME => Ok(Choice::Named(TOOL.to_owned())),
        ("tool", Some(name)) => Ok(Choice::Named(name)),
        ("tool", None) => Err(Problem::invalid("tool_choice.name", "say which tool")),
        (other, _) => {
            let message = format!("{other:?} is not known: use auto, any, tool or none");
            Err(Problem::invalid("tool_choice.type", message))
        }
    }
}

/// A user's message. Results of tools in it are messages of their own here.
fn user(param: &str, content: shapes::Content<Block>, messages: &mut Vec<Message>) -> Result<(), Problem> {
    let blocks = match content {
        shapes::Content::Text(text) => {
            messages.push(Message::user(text));
            return Ok(());
        }
        shapes::Content::Parts(blocks) => blocks,
    };
    let mut content = Vec::new();
    let is_empty = blocks.is_empty();
    for (number, block) in blocks.into_iter().enumerate() {
        let param = format!("{param}.content[{number}]");
        if block.kind == "tool_result" {
            check(&param, &block)?;
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

fn assistant(
    param: &str,
    content: shapes::Content<Block>,
    screen: Option<Screen>,
) -> Result<Message, Problem> {
    let mut message = Message::assistant(None, "", Vec::new());
    let blocks = match content {
        shapes::Content::Text(text) => {
            message.content = vec![Content::Text(text)];
            return Ok(message);
        }
        shapes::Content::Parts(blocks) => blocks,
    };
    message.content.clear();
    for (number, block) in blocks.into_iter().enumerate() {
        let param = format!("{param}.content[{number}]");
        check(&param, &block)?;
        match (block.kind.as_str(), block.name) {
            ("thinking", _) => {
                let thinking = block.thinking.unwrap_or_default();
                message.reasoning.get_or_insert_default().push_str(&thinking);
            }
            ("redacted_thinking", _) => {}
            ("tool_use", Some(name)) => {
                let param = format!("{param}.input");
                let arguments = arguments(&param, block.input.unwrap_or_default())?;
                message
                    .tool_calls
                    .push(match screen.filter(|_| name == computer::NAME) {
                        None => ToolCall { name, arguments },
                        Some(screen) => computer::read(&arguments, screen.frame).map_err(|field| {
                            let message =
                                "this is no action of a screen, or this part of it is missing or wrong";
                            Problem::invalid(format!("{param}.{field}"), message)
                        })?,
                    });
            }
            ("tool_use", None) => return Err(Problem::invalid(format!("{param}.name"), "say which tool")),
            (_, name) => message.content.push(piece(&param, Block { name, ..block })?),
        }
    }
    Ok(message)
}

fn contents(param: &str, content: shapes::Content<Block>) -> Result<Vec<Content>, Problem> {
    match content {
        shapes::Content::Text(text) => Ok(vec![Content::Text(text)]),
        shapes::Content::Parts(blocks) => blocks
            .into_iter()
            .enumerate()
            .map(|(number, block)| piece(&format!("{param}[{number}]"), block))
            .collect(),
    }
}

/// Refuses what a block of its type does not have: it would be left out without a word.
fn check(param: &str, block: &Block) -> Result<(), Problem> {
    let (source, content) = match block.kind.as_str() {
        "image" => (true, false),
        "tool_result" => (false, true),
        "text" | "thinking" | "redacted_thinking" | "tool_use" => (false, false),
        // Not read at all.
        _ => return Ok(()),
    };
    for (name, is_there, may_be) in [
        ("source", block.source.is_some(), source),
        ("content", block.content.is_some(), content),
    ] {
        if is_there && !may_be {
            let message = format!("a block of type {:?} has no {name}", block.kind);
            return Err(Problem::invalid(format!("{param}.{name}"), message));
        }
    }
    Ok(())
}

fn piece(param: &str, block: Block) -> Result<Content, Problem> {
    check(param, &block)?;
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
