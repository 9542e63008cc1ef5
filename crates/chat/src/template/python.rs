//! How Python prints values and strips text.

use std::fmt::Write;

use minijinja::{Value, value::ValueKind};
use serde_json::Value as Json;

/// Python's `str.isspace` for one character: Unicode whitespace and the four separators U+001C to U+001F.
fn is_space(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{1C}'..='\u{1F}')
}

fn stripped(letters: Option<&str>) -> impl Fn(char) -> bool + '_ {
    move |letter| letters.map_or_else(|| is_space(letter), |set| set.contains(letter))
}

/// `text.strip(letters)`.
pub(super) fn strip<'a>(text: &'a str, letters: Option<&str>) -> &'a str {
    lstrip(rstrip(text, letters), letters)
}

/// `text.lstrip(letters)`.
pub(super) fn lstrip<'a>(text: &'a str, letters: Option<&str>) -> &'a str {
    text.trim_start_matches(stripped(letters))
}

/// `text.rstrip(letters)`.
pub(super) fn rstrip<'a>(text: &'a str, letters: Option<&str>) -> &'a str {
    text.trim_end_matches(stripped(letters))
}

/// `str(value)`; `None` for an undefined value, which prints as nothing.
pub(super) fn str_of(value: &Value) -> Option<String> {
    match (value.kind(), value.as_str()) {
        (ValueKind::Undefined, _) => None,
        (_, Some(text)) => Some(text.to_owned()),
        _ => {
            let mut out = String::new();
            repr(value, &mut out);
            Some(out)
        }
    }
}

/// `repr(value)`.
fn repr(value: &Value, out: &mut String) {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => match (value.is_integer(), f64::try_from(value.clone())) {
            (false, Ok(number)) => out.push_str(&float(number)),
            _ => _ = write!(out, "{value}"),
        },
        ValueKind::String => quote(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                repr(&item, out);
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (index, key) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                repr(&key, out);
                out.push_str(": ");
                repr(&value.get_item(&key).unwrap_or_default(), out);
            }
            out.push('}');
        }
        _ => _ = write!(out, "{value}"),
    }
}

/// Single quotes, unless the text has some and no double ones.
fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(mark);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if letter == mark => out.extend(['\\', letter]),
            _ if letter.is_control() => _ = write!(out, "\\x{:02x}", letter as u32),
            _ => out.push(letter),
        }
    }
    out.push(mark);
}

/// `repr(number)`: the shortest digits that read back the same, an exponent below 1e-4 and from 1e16 on.
pub(crate) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = number.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`.
pub(crate) fn json(value: &Json, indent: Option<usize>) -> String {
    let mut out = String::new();
    write_json(value, indent, 0, &mut out);
    out
}

fn write_json(value: &Json, indent: Option<usize>, depth: usize, out: &mut String) {
    let (open, close, length) = match value {
        Json::Null => return out.push_str("null"),
        Json::Bool(truth) => return out.push_str(if *truth { "true" } else { "false" }),
        Json::Number(number) => {
            return match number.as_f64() {
                Some(value) if number.is_f64() => out.push_str(&float(value)),
                _ => _ = write!(out, "{number}"),
            };
        }
        Json::String(text) => return json_string(text, out),
        Json::Array(items) => ('[', ']', items.len()),
        Json::Object(entries) => ('{', '}', entries.len()),
    };
    out.push(open);
    let line = |depth: usize, out: &mut String| {
        if let (Some(width), true) = (indent, length > 0) {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width * depth));
        }
    };
    let separator = if indent.is_some() { "," } else { ", " };
    let mut first = true;
    let mut begin = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.push_str(separator);
        }
        line(depth + 1, out);
    };
    match value {
        Json::Array(items) => {
            for item in items {
                begin(out);
                write_json(item, indent, depth + 1, out);
            }
        }
        Json::Object(entries) => {
            for (key, item) in entries {
                begin(out);
                json_string(key, out);
                out.push_str(": ");
                write_json(item, indent, depth + 1, out);
            }
        }
        _ => {}
    }
    line(depth, out);
    out.push(close);
}

fn json_string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{C}' => out.push_str("\\f"),
            '\0'..='\u{1F}' => _ = write!(out, "\\u{:04x}", letter as u32),
            _ => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_prints_them() {
        for (number, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e15, "1000000000000000.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(float(number), text);
        }
    }

    #[test]
    fn values_print_as_python_prints_them() {
        let value = Value::from(minijinja::value::Serde(
            serde_json::json!({"a": [true, null, 1.0, "it's"], "b": {"c": "d\n"}}),
        ));
        assert_eq!(
            str_of(&value).unwrap(),
            r#"{'a': [True, None, 1.0, "it's"], 'b': {'c': 'd\n'}}"#
        );
    }

    #[test]
    fn stripping_knows_pythons_whitespace() {
        assert_eq!(strip("\u{1f}\u{a0}\u{3000} a \n", None), "a");
        assert_eq!(strip("\u{200b}a", None), "\u{200b}a");
        assert_eq!(lstrip("\n\na\n", Some("\n")), "a\n");
    }

    #[test]
    fn json_is_spaced_as_python_spaces_it() {
        let value = serde_json::json!({"é": [1, 2.0, "\u{7}\"<&'"], "z": {}, "a": []});
        assert_eq!(
            json(&value, None),
            "{\"é\": [1, 2.0, \"\\u0007\\\"<&'\"], \"z\": {}, \"a\": []}"
        );
        assert_eq!(
            json(&serde_json::json!({"a": [1], "b": {}}), Some(2)),
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}"
        );
    }
}
