//! Calls of tool servers. What a server says of its own tools is its word alone; names and arguments are judged.

use serde_json::{Map, Value};

use super::{Classified, Part, fetch};
use crate::{Context, Effect, Tier, classify::words, fold::fold};

/// Arguments that are looked at; a call with more is asked about each time.
const MOST: usize = 200;

pub(super) fn calling(server: &str, tool: &str, arguments: &Map<String, Value>, context: &Context) -> Part {
    let mut named = Vec::new();
    flatten("", &Value::Object(arguments.clone()), &mut named);
    let mut classified = Classified::new(
        Tier::Once,
        Effect::CallTool,
        format!("calls the tool {tool} of {server}"),
    );
    let verbs = fold(&spaced(tool));
    if let Some(consequence) = words::of_a_tool(&verbs) {
        classified = classified.or(Classified::new(
            consequence.tier,
            consequence.effect,
            consequence.what.clone(),
        ));
    }
    if [
        "execute", "exec", "run", "eval", "shell", "bash", "command", "script",
    ]
    .iter()
    .any(|verb| crate::fold::has_phrase(&verbs, verb))
    {
        classified = classified.or(Classified::new(
            Tier::Always,
            Effect::RunUnread,
            "runs code on the tool's server",
        ));
    }
    if named.len() > MOST {
        classified = classified.or(Classified::new(
            Tier::Always,
            Effect::CallTool,
            "has more arguments than can be judged",
        ));
    }
    let mut places = Vec::new();
    for (_, value) in &named {
        if let Some((judged, touched)) = fetch::named(value, context) {
            classified = classified.or(judged);
            places.extend(touched);
        }
    }
    Part {
        tool: format!("{server}/{tool}"),
        arguments: named,
        ..Part::new(classified, places)
    }
}

/// `createIssue`, `create_issue` → `create issue`.
fn spaced(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len() + 8);
    let mut small = false;
    for character in name.chars() {
        if character.is_uppercase() && small {
            spaced.push(' ');
        }
        small = character.is_lowercase();
        spaced.push(if character.is_alphanumeric() {
            character
        } else {
            ' '
        });
    }
    spaced
}

/// `{"a": {"b": [1]}}` → `a.b.0 = 1`.
fn flatten(name: &str, value: &Value, named: &mut Vec<(String, String)>) {
    if named.len() > MOST {
        return;
    }
    let inner = |key: &str| {
        if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        }
    };
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| flatten(&inner(key), value, named)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| flatten(&inner(&index.to_string()), value, named)),
        Value::String(text) => named.push((name.to_owned(), text.clone())),
        other => named.push((name.to_owned(), other.to_string())),
    }
}
