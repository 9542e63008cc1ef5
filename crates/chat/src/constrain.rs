//! Grammars for answers that a client wants in a form: JSON, or calls of its tools.
//!
//! They begin behind thinking ([`crate::Chat::lead`]). Free text is a sequence of rows, as in
//! [`crate::computer_use::step_grammar`], for the same reason.

use std::fmt::Write;

use aurore_engine::{Grammar, Section};
use serde_json::{Map, Value, json};

use crate::ToolSchema;
use crate::parser::Tags;

/// What an answer must be; of several forms, one of them.
#[derive(Debug, Clone, Default)]
pub struct Form<'a> {
    /// JSON that fits this schema.
    pub json: Option<&'a Value>,
    /// Calls of these tools.
    pub tools: &'a [ToolSchema],
    /// More than one call may come.
    pub several: bool,
}

/// Calls in an answer that may call and need not: from the tag that opens one, it is held to its tool's schema. Nothing
/// where there is nothing to call. What a schema says beyond what grammars can express is left to the model; a
/// `thinking` answer calls only behind its thinking.
pub fn calls(tags: &Tags, tools: &[ToolSchema], thinking: bool) -> Option<Section> {
    (!tools.is_empty()).then(|| {
        let mut lark = format!("start: {}\n", call_body(tags, tools.len()));
        for (number, tool) in tools.iter().enumerate() {
            write_tool(&mut lark, number, tool, true);
        }
        Section {
            opens: tags.call,
            after: thinking.then_some(tags.think_end),
            grammar: Grammar::Lark(lark + TEXT),
        }
    })
}

/// The rule of a call behind its tag, one of so many tools'.
fn call_body(tags: &Tags, tools: usize) -> String {
    let names: Vec<String> = (0..tools).map(|number| format!("tool_{number}")).collect();
    let end = tags.call_end;
    format!(r#""\n" ({}) "</function>\n" <[{end}]>"#, names.join(" | "))
}

/// Properties of a tool that a grammar holds to; the rest of a larger one would not fit.
const MOST_PROPERTIES: usize = 200;

impl Form<'_> {
    /// The grammar, or nothing where everything is allowed.
    pub fn grammar(&self, tags: &Tags) -> Option<Grammar> {
        match (self.json, self.tools) {
            (None, []) => None,
            (Some(schema), []) => Some(Grammar::JsonSchema(schema.clone())),
            (json, tools) => Some(Grammar::Lark(self.lark(tags, json, tools))),
        }
    }

    fn lark(&self, tags: &Tags, json: Option<&Value>, tools: &[ToolSchema]) -> String {
        let call = tags.call;
        let mut starts = Vec::new();
        let mut lark = String::new();
        if let Some(schema) = json {
            starts.push("json".to_owned());
            _ = writeln!(lark, "json: %json {}", spaced(schema));
        }
        if !tools.is_empty() {
            let more = if self.several { r#"("\n" call)*"# } else { "" };
            starts.push(format!("call {more}"));
            _ = writeln!(lark, "call: <[{call}]> {}", call_body(tags, tools.len()));
            for (number, tool) in tools.iter().enumerate() {
                write_tool(&mut lark, number, tool, false);
            }
            lark += TEXT;
        }
        format!("start: {}\n{lark}", starts.join(" | "))
    }
}

/// A value on lines of its own, up to its closing tag.
const TEXT: &str = r#"NEWLINE: /\n/
ROW: /[^\n]+/
OTHER_ROW: /[^\n]+/ & ~/<\/parameter>/
text: ROW? (NEWLINE OTHER_ROW?)* NEWLINE "</parameter>\n"
KEY: /[^>\n]+/
"#;

/// The rules of a call of one tool: its arguments in the order of its schema. A lenient grammar passes over what it cannot
/// express.
fn write_tool(lark: &mut String, number: usize, tool: &ToolSchema, lenient: bool) {
    let empty = Map::new();
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&empty);
    let required: Vec<&str> = tool
        .parameters
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let head = literal(&format!("<function={}>\n", tool.name));
    let mut rule = format!("tool_{number}: {head}");
    let mut values = String::new();
    for (place, (key, schema)) in properties.iter().take(MOST_PROPERTIES).enumerate() {
        let optional = if required.contains(&key.as_str()) { "" } else { "?" };
        let open = literal(&format!("<parameter={key}>\n"));
        let value = value(&tool.parameters, schema, lenient);
        _ = write!(rule, " ({open} value_{number}_{place}){optional}");
        _ = writeln!(values, "value_{number}_{place}: {value}");
    }
    if properties.is_empty() && tool.parameters.get("additionalProperties") != Some(&Value::Bool(false)) {
        rule += r#" ("<parameter=" KEY ">\n" text)*"#;
    }
    _ = writeln!(lark, "{rule}\n{values}");
}

/// The rule of a value with its closing tag.
fn value(root: &Value, schema: &Value, lenient: bool) -> String {
    let closing = r#""\n</parameter>\n""#;
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let texts: Option<Vec<String>> = choices
            .iter()
            .map(|choice| choice.as_str().map(literal))
            .collect();
        if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
            return format!("({}) {closing}", texts.join(" | "));
        }
    }
    let is_plain = |name: &str| {
        matches!(
            name,
            "integer" | "number" | "boolean" | "array" | "object" | "null"
        )
    };
    let is_bare = schema.get("const").or(schema.get("enum")).is_none();
    match schema.get("type").and_then(Value::as_str) {
        // Templates show them in Python's spelling or in JSON's, and both are read.
        Some("boolean") if is_bare => format!(r#"("true" | "false" | "True" | "False") {closing}"#),
        Some("null") if is_bare => format!(r#"("null" | "None") {closing}"#),
        Some(name) if is_plain(name) => {
            let mut schema = schema.clone();
            // What references point to stands in the tool's schema.
            for place in ["$defs", "definitions"] {
                if let (Some(object), Some(definitions)) = (schema.as_object_mut(), root.get(place)) {
                    object.insert(place.to_owned(), definitions.clone());
                }
            }
            let mut schema = spaced(&schema);
            if lenient && let Some(options) = schema.get_mut("x-guidance").and_then(Value::as_object_mut) {
                options.insert("lenient".to_owned(), true.into());
            }
            format!("%json {schema} {closing}")
        }
        // Text, or one of several kinds: what it means is decided when it is read.
        _ => "text".to_owned(),
    }
}

/// A schema whose documents have one spelling.
fn spaced(schema: &Value) -> Value {
    let mut schema = match schema {
        Value::Object(object) => object.clone(),
        Value::Bool(false) => [("not".to_owned(), json!({}))].into_iter().collect(),
        _ => Map::new(),
    };
    schema.entry("x-guidance").or_insert_with(
        || json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "}),
    );
    Value::Object(schema)
}

/// A text as the grammar's language writes it, which is as JSON does.
fn literal(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use aurore_engine::Constraint;

    use super::*;
    use crate::testing::{CALL, CALL_END, chat};

    /// Whether an answer is what the form wants, whole.
    fn fits(form: &Form<'_>, parts: &[Part]) -> bool {
        let chat = chat();
        let grammar = form.grammar(chat.tags()).unwrap();
        let mut constraint = Constraint::new(&grammar, &chat.vocabulary()).unwrap();
        for part in parts {
            let ids = match part {
                Part::Text(text) => chat.vocabulary().encode(text),
                Part::Tag(id) => vec![*id],
            };
            if !ids.iter().all(|id| constraint.try_push(*id).unwrap()) {
                return false;
            }
        }
        let end = chat.vocabulary().eos()[0];
        constraint.is_complete() || constraint.try_push(end).unwrap()
    }

    enum Part {
        Text(&'static str),
        Tag(u32),
    }
    use Part::{Tag, Text};

    fn tools() -> Vec<ToolSchema> {
        let tool = |name: &str, parameters| ToolSchema {
            name: name.to_owned(),
            description: String::new(),
            parameters,
        };
        let weather = json!({
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "a \"kelvin\""]},
                "days": {"type": "integer", "minimum": 1},
                "box": {"$ref": "#/$defs/box", "type": "array"},
            },
            "$defs": {"box": {"type": "array", "items": {"type": "number"}}},
            "required": ["place", "days"],
        });
        vec![tool("weather", weather), tool("now", json!({"type": "object"}))]
    }

    const WEATHER: &str = "\n<function=weather>\n<parameter=place>\nParis\n</parameter>\n<parameter=unit>\na \
                           \"kelvin\"\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n";

    #[test]
    fn calls_are_held_to_their_schemas() {
        let tools = tools();
        let form = Form {
            tools: &tools,
            ..Form::default()
        };
        assert!(fits(&form, &[Tag(CALL), Text(WEATHER), Tag(CALL_END)]));
        let check = |text: &'static str| fits(&form, &[Tag(CALL), Text(text), Tag(CALL_END)]);
        assert!(check(
            "\n<function=weather>\n<parameter=place>\na\n</b>\n\n</parameter>\n<parameter=days>\n12\n</parameter>\n</function>\n"
        ));
        assert!(check(
            "\n<function=now>\n<parameter=zone>\nUTC\n</parameter>\n</function>\n"
        ));
        assert!(check("\n<function=now>\n</function>\n"));
        // A required argument is missing, a number is none, a tool is unknown.
        assert!(!check(
            "\n<function=weather>\n<parameter=place>\na\n</parameter>\n</function>\n"
        ));
        assert!(!check(
            "\n<function=weather>\n<parameter=place>\na\n</parameter>\n<parameter=days>\nmany\n</parameter>\n</function>\n"
        ));
        assert!(!check("\n<function=tomorrow>\n</function>\n"));
        assert!(!fits(&form, &[Text("No.")]));
        // One call, unless several may come.
        let two = [
            Tag(CALL),
            Text(WEATHER),
            Tag(CALL_END),
            Text("\n"),
            Tag(CALL),
            Text(WEATHER),
            Tag(CALL_END),
        ];
        assert!(!fits(&form, &two));
        let form = Form {
            several: true,
            ..form
        };
        assert!(fits(&form, &two));
    }

    #[test]
    fn calls_that_need_not_come_are_held_from_their_tag_on() {
        let (chat, mut tools) = (chat(), tools());
        tools[0].parameters["properties"]["sure"] = json!({"type": "boolean"});
        // Beyond what grammars can express.
        tools[0].parameters["properties"]["box"]["uniqueItems"] = true.into();
        let section = calls(chat.tags(), &tools, true).unwrap();
        assert_eq!(
            (section.opens, section.after),
            (CALL, Some(chat.tags().think_end))
        );
        let fits = |text: &str| {
            let mut constraint = Constraint::new(&section.grammar, &chat.vocabulary()).unwrap();
            let ids = [chat.vocabulary().encode(text), vec![CALL_END]].concat();
            ids.iter().all(|id| constraint.try_push(*id).unwrap()) && constraint.is_complete()
        };
        assert!(fits(WEATHER));
        let sure = |spelling: &str| {
            let rest = format!("<parameter=sure>\n{spelling}\n</parameter>\n</function>\n");
            fits(&WEATHER.replace("</function>\n", &rest))
        };
        assert!(sure("True") && sure("false") && !sure("maybe"));
        assert!(!fits("\n<function=tomorrow>\n</function>\n"));
        assert!(calls(chat.tags(), &[], false).is_none());
    }

    #[test]
    fn json_or_calls() {
        let tools = tools();
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false});
        let only = Form {
            json: Some(&schema),
            ..Form::default()
        };
        assert!(fits(&only, &[Text("{\"a\": 5}")]));
        assert!(!fits(&only, &[Text("{\"a\":5}")]));
        assert!(!fits(&only, &[Text("{\"b\": 5}")]));
        let either = Form {
            tools: &tools,
            ..only.clone()
        };
        assert!(fits(&either, &[Text("{\"a\": 5}")]));
        assert!(fits(&either, &[Tag(CALL), Text(WEATHER), Tag(CALL_END)]));
        assert!(Form::default().grammar(chat().tags()).is_none());
    }
}
