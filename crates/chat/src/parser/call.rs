//! The text of one tool call.
//!
//! `<function=NAME>`, then `<parameter=KEY>` blocks with the value on lines of its own, then `</function>`. A value may
//! contain any of the closing tags: an end is only where the rest still reads as a call. Older releases of the family
//! wrote `{"name": …, "arguments": {…}}` instead, which is read too.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::values;
use crate::{ToolCall, ToolSchema};

pub(super) const OPEN: &str = "<tool_call>";
pub(super) const CLOSE: &str = "</tool_call>";
/// Whitespace between the tag and the call, with some leeway.
pub(super) const MOST_SPACE: usize = 8;

const FUNCTION: &str = "<function=";
const FUNCTION_END: &str = "</function>";
const PARAMETER: &str = "<parameter=";
const PARAMETER_END: &str = "</parameter>";

/// Something that began as a tool call and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Its text, without the outer tags.
    pub text: String,
    /// What is wrong, for the model.
    pub why: String,
}

/// What the text of a call is.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A call, and what stands after it.
    Call(ToolCall, String),
    /// Not yet whole: a value is open.
    Open,
    /// Nothing that can be carried out.
    Malformed(Malformed),
}

impl Outcome {
    fn malformed(text: &str, why: impl Into<String>) -> Self {
        Self::Malformed(Malformed {
            text: text.to_owned(),
            why: why.into(),
        })
    }

    /// A call that was cut off by the limit of tokens or by a cancel.
    pub(super) fn cut(text: &str) -> Self {
        Self::malformed(
            text,
            "the answer was cut off inside this tool call; nothing was done",
        )
    }
}

/// Whether what follows a call tag begins a call; `None` if it can't.
pub(super) fn begins(text: &str) -> Option<bool> {
    if text.starts_with(FUNCTION) || text.starts_with('{') {
        Some(true)
    } else {
        FUNCTION.starts_with(text).then_some(false)
    }
}

/// Where a closing tag was spelled in the last `fresh` bytes.
pub(super) fn spelled_end(body: &str, fresh: usize) -> Option<usize> {
    let mut from = body.len().saturating_sub(fresh + CLOSE.len());
    while !body.is_char_boundary(from) {
        from -= 1;
    }
    body[from..].find(CLOSE).map(|at| from + at)
}

/// Whether the function is closed, so that only the outer tag is missing.
pub(super) fn is_closed(body: &str) -> bool {
    body.trim_end().ends_with(FUNCTION_END)
}

/// Whether a new call may begin here: the function is closed, or the outer tag came and nothing after it.
pub(super) fn ended(body: &str, closed: Option<usize>) -> bool {
    is_closed(body) || closed.is_some_and(|at| body[at + CLOSE.len()..].trim().is_empty())
}

/// Reads the text between the outer tags.
pub(super) fn read(body: &str, tools: &[ToolSchema]) -> Outcome {
    let text = body.trim_start();
    if text.starts_with('{') {
        return read_json(body);
    }
    let Some((name, rest)) = head(text) else {
        return Outcome::malformed(body, "it does not begin with <function=NAME>");
    };
    match parameters(rest, 0, &mut HashSet::new()) {
        Some(found) => build(body, name, &found, "", tools),
        None => Outcome::Open,
    }
}

/// Reads a call whose closing tags are missing in part.
pub(super) fn read_leniently(body: &str, tools: &[ToolSchema]) -> Outcome {
    match read(body, tools) {
        Outcome::Open => {}
        other => return other,
    }
    // Prose after the function.
    let text = body.trim_start();
    for (at, _) in text.rmatch_indices(FUNCTION_END) {
        let (call, rest) = text.split_at(at + FUNCTION_END.len());
        if let Outcome::Call(call, _) = read(call, tools) {
            return Outcome::Call(call, rest.to_owned());
        }
    }
    // A value without its end tag, up to the next parameter or the function's end.
    let Some((name, mut rest)) = head(text) else {
        return Outcome::malformed(body, "it does not begin with <function=NAME>");
    };
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with(FUNCTION_END) {
            let after = rest.strip_prefix(FUNCTION_END).unwrap_or_default();
            return build(body, name, &found, after, tools);
        }
        let Some((key, value)) = rest.strip_prefix(PARAMETER).and_then(|rest| rest.split_once('>')) else {
            return Outcome::malformed(body, "between the parameters stands text that is no parameter");
        };
        let ends = [PARAMETER_END, PARAMETER, FUNCTION_END];
        let Some(end) = ends.iter().filter_map(|tag| value.find(tag)).min() else {
            return Outcome::malformed(
                body,
                format!("the parameter {key:?} has no end: the call is incomplete"),
            );
        };
        found.push((key, &value[..end]));
        rest = &value[end..];
        rest = rest.strip_prefix(PARAMETER_END).unwrap_or(rest);
    }
}

/// Name and the text after `<function=NAME>`.
fn head(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix(FUNCTION)?.split_once('>')?;
    let name = name.trim();
    (!name.is_empty() && !name.contains(['<', '\n'])).then_some((name, rest))
}

/// All parameters from `at` on, if the rest reads as parameters and the function's end (which may be missing).
/// `dead` are places from which it does not.
fn parameters<'a>(text: &'a str, at: usize, dead: &mut HashSet<usize>) -> Option<Vec<(&'a str, &'a str)>> {
    // A chain of parameters is followed in a loop over open choices, since hostile text may hold very many.
    let mut choices: Vec<Choice<'a>> = Vec::new();
    let mut at = at;
    loop {
        let rest = text[at..].trim_start();
        let whole = rest.is_empty()
            || rest
                .strip_prefix(FUNCTION_END)
                .is_some_and(|after| after.trim().is_empty());
        if whole {
            return Some(
                choices
                    .iter()
                    .map(|choice| (choice.key, choice.value(text)))
                    .collect(),
            );
        }
        let parameter = rest.strip_prefix(PARAMETER).and_then(|rest| rest.split_once('>'));
        match parameter {
            Some((key, value)) if !dead.contains(&at) && !key.contains(['<', '\n']) => {
                let start = text.len() - value.len();
                choices.push(Choice {
                    from: at,
                    key,
                    start,
                    end: None,
                });
            }
            _ => _ = dead.insert(at),
        }
        // The next possible end of the innermost value; without one, that of the value around it.
        loop {
            let choice = choices.last_mut()?;
            let seek = choice.end.map_or(choice.start, |end| end + PARAMETER_END.len());
            match text[seek..].find(PARAMETER_END) {
                Some(found) => {
                    choice.end = Some(seek + found);
                    at = seek + found + PARAMETER_END.len();
                    if !dead.contains(&at) {
                        break;
                    }
                }
                None => {
                    dead.insert(choice.from);
                    choices.pop();
                }
            }
        }
    }
}

/// A parameter whose value's end is one of several places.
struct Choice<'a> {
    from: usize,
    key: &'a str,
    start: usize,
    /// The end that is tried; `None` before the first.
    end: Option<usize>,
}

impl Choice<'_> {
    fn value<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start..self.end.unwrap_or(self.start)]
    }
}

fn build(body: &str, name: &str, found: &[(&str, &str)], rest: &str, tools: &[ToolSchema]) -> Outcome {
    let schema = tools
        .iter()
        .find(|tool| tool.name == name)
        .map(|tool| &tool.parameters);
    let mut arguments = Map::new();
    for (key, value) in found {
        let key = key.trim();
        let value = values::typed(one_line_off(value), key, schema);
        if arguments.insert(key.to_owned(), value).is_some() {
            return Outcome::malformed(body, format!("the parameter {key:?} is given twice"));
        }
    }
    let name = name.to_owned();
    Outcome::Call(ToolCall { name, arguments }, rest.to_owned())
}

/// One line end on each side is format and no more.
fn one_line_off(value: &str) -> &str {
    let value = value
        .strip_prefix("\r\n")
        .or_else(|| value.strip_prefix('\n'))
        .unwrap_or(value);
    value
        .strip_suffix("\r\n")
        .or_else(|| value.strip_suffix('\n'))
        .unwrap_or(value)
}

fn read_json(body: &str) -> Outcome {
    let parsed: Result<Value, _> = serde_json::from_str(body.trim());
    let value = match parsed {
        Ok(value) => value,
        Err(error) if error.is_eof() => return Outcome::Open,
        Err(error) => return Outcome::malformed(body, format!("it is no valid JSON: {error}")),
    };
    let name = value.get("name").and_then(Value::as_str);
    // Some write the arguments as JSON inside a string.
    let arguments = match value.get("arguments") {
        Some(Value::Object(arguments)) => Some(arguments.clone()),
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        None => Some(Map::new()),
        Some(_) => None,
    };
    match (name, arguments) {
        (Some(name), Some(arguments)) if !name.is_empty() => Outcome::Call(
            ToolCall {
                name: name.to_owned(),
                arguments,
            },
            String::new(),
        ),
        _ => Outcome::malformed(body, "it needs a \"name\" and an object of \"arguments\""),
    }
}
