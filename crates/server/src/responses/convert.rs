//! A client's items to what is asked.

use aurore_chat::computer_use::{TOOL, schema_with};
use serde_json::{Value, json};

use super::computer::{self, Screen};
use super::request::{Create, Input};
use super::safety::Safety;
use super::told::Told;
use crate::ask::{Ask, Wishes};
use crate::openai::{choice, effort, format, tool_schema};
use crate::problem::Problem;

/// What is asked after what an earlier response told, and what is known of the screen.
///
/// # Errors
/// For whatever means nothing, with its place.
pub(super) fn ask(request: Create, mut told: Told) -> Result<(Ask, Safety), Problem> {
    match request.input {
        Input::Text(text) => told.say(&text),
        Input::Items(items) => {
            for (number, item) in items.into_iter().enumerate() {
                told.add(&format!("input[{number}]"), item)?;
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
        messages: told.messages,
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
    Ok((ask, told.safety))
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
