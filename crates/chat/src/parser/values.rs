//! Argument texts to values: the schema decides.

use serde_json::{Map, Number, Value};

use crate::ToolSchema;

/// Schemas (parts of unions, targets of references) that are looked at for one argument: they may refer to themselves.
const MOST_SCHEMAS: usize = 200;
/// Literals nested deeper than this stay text.
const MOST_NESTING: usize = 64;

/// The JSON types that a schema allows, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Types(u8);

impl Types {
    const STRING: Self = Self(1);
    const NULL: Self = Self(1 << 1);
    const BOOLEAN: Self = Self(1 << 2);
    const INTEGER: Self = Self(1 << 3);
    const NUMBER: Self = Self(1 << 4);
    const ARRAY: Self = Self(1 << 5);
    const OBJECT: Self = Self(1 << 6);
    /// Nothing is said.
    const ANY: Self = Self(1 << 7);

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn named(name: &str) -> Self {
        match name {
            "string" => Self::STRING,
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::ANY,
        }
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.is_f64() => Self::NUMBER,
            Value::Number(_) => Self::INTEGER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// The value, if it is of an allowed type other than text.
    fn fit(self, value: &Value) -> Option<Value> {
        match value {
            Value::String(_) => None,
            Value::Number(number) if number.is_f64() && !self.has(Self::NUMBER) => {
                self.has(Self::INTEGER).then(|| whole(number)).flatten()
            }
            Value::Number(_) => (self.has(Self::INTEGER) || self.has(Self::NUMBER)).then(|| value.clone()),
            _ => self.has(Self::of(value)).then(|| value.clone()),
        }
    }
}

/// The value of an argument, typed by the tool's schema. Text stays text where text is allowed and nothing else fits;
/// without a schema everything is text. Non-text values may be JSON or Python literals.
pub(super) fn typed(raw: &str, key: &str, schema: Option<&Value>) -> Value {
    let text = || Value::String(raw.to_owned());
    let Some((root, property)) = schema.and_then(|root| Some((root, root.get("properties")?.get(key)?)))
    else {
        return text();
    };
    let mut left = MOST_SCHEMAS;
    let types = allowed(root, property, &mut left);
    let literal = literal(raw.trim());
    if types.has(Types::ANY) {
        // Containers are meant as such, all else is text.
        return literal
            .filter(|value| value.is_array() || value.is_object())
            .unwrap_or_else(text);
    }
    let fitting = literal.as_ref().and_then(|value| types.fit(value));
    // What fits nowhere is left for the tool to refuse.
    let left = literal.filter(|_| !types.has(Types::STRING));
    fitting.or(left).unwrap_or_else(text)
}

/// Arguments that a server has read already, typed by the tool's schema: some of them leave every value text.
pub fn retyped(arguments: Map<String, Value>, tool: &ToolSchema) -> Map<String, Value> {
    let typed = |key: &str, value: Value| match value {
        Value::String(text) => typed(&text, key, Some(&tool.parameters)),
        other => other,
    };
    arguments
        .into_iter()
        .map(|(key, value)| {
            let value = typed(&key, value);
            (key, value)
        })
        .collect()
}

/// 5.0 as 5.
fn whole(number: &Number) -> Option<Value> {
    let value = number.as_f64()?;
    (value.fract() == 0.0 && value.abs() < 9e15).then(|| Value::from(value as i64))
}

fn allowed(root: &Value, schema: &Value, left: &mut usize) -> Types {
    let Some(fewer) = left.checked_sub(1) else {
        return Types::ANY;
    };
    *left = fewer;
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str)
        && let Some(target) = reference.strip_prefix('#').and_then(|path| root.pointer(path))
    {
        return allowed(root, target, left);
    }
    let list = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut types = Types::default();
    match schema.get("type") {
        Some(Value::String(name)) => types.add(Types::named(name)),
        Some(Value::Array(_)) => list("type")
            .filter_map(Value::as_str)
            .for_each(|name| types.add(Types::named(name))),
        _ => {
            for part in ["anyOf", "oneOf", "allOf"].into_iter().flat_map(list) {
                types.add(allowed(root, part, left));
            }
            for value in list("enum").chain(schema.get("const")) {
                types.add(Types::of(value));
            }
        }
    }
    if types == Types::default() {
        types = Types::ANY;
    }
    if schema.get("nullable") == Some(&Value::Bool(true)) {
        types.add(Types::NULL);
    }
    types
}

/// A JSON value or a Python literal.
fn literal(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| {
        let mut reader = Literal { rest: text };
        let value = reader.value(MOST_NESTING)?;
        reader.rest.trim().is_empty().then_some(value)
    })
}

/// Reads Python literals: `None`, `True`, numbers, quoted text, lists, tuples, dicts.
struct Literal<'a> {
    rest: &'a str,
}

impl Literal<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.rest = self.rest.trim_start();
        for (word, value) in [
            ("None", Value::Null),
            ("null", Value::Null),
            ("True", true.into()),
            ("true", true.into()),
            ("False", false.into()),
            ("false", false.into()),
        ] {
            if self.take(word) {
                return Some(value);
            }
        }
        match self.rest.chars().next()? {
            '[' => self.items('[', ']', depth),
            '(' => self.items('(', ')', depth),
            '{' => self.entries(depth),
            quote @ ('\'' | '"') => self.quoted(quote).map(Value::String),
            _ => self.number(),
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// After spaces.
    fn take_sign(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        self.take(sign.encode_utf8(&mut [0; 4]))
    }

    fn items(&mut self, open: char, close: char, depth: usize) -> Option<Value> {
        self.take_sign(open);
        let mut items = Vec::new();
        while !self.take_sign(close) {
            items.push(self.value(depth)?);
            if !self.take_sign(',') {
                return self.take_sign(close).then_some(Value::Array(items));
            }
        }
        Some(Value::Array(items))
    }

    fn entries(&mut self, depth: usize) -> Option<Value> {
        self.take_sign('{');
        let mut entries = Map::new();
        while !self.take_sign('}') {
            let Value::String(key) = self.value(depth)? else {
                return None;
            };
            if !self.take_sign(':') {
                return None;
            }
            entries.insert(key, self.value(depth)?);
            if !self.take_sign(',') {
                return self.take_sign('}').then_some(Value::Object(entries));
            }
        }
        Some(Value::Object(entries))
    }

    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut letters = self.rest.char_indices().skip(1);
        let mut text = String::new();
        while let Some((index, letter)) = letters.next() {
            match letter {
                _ if letter == quote => {
                    self.rest = &self.rest[index + 1..];
                    return Some(text);
                }
                '\\' => match letters.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    '0' => text.push('\0'),
                    kind @ ('x' | 'u' | 'U') => {
                        let length = match kind {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let digits: String = letters.by_ref().take(length).map(|(_, digit)| digit).collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    other => text.push(other),
                },
                _ => text.push(letter),
            }
        }
        None
    }

    fn number(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.' | '_')))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let plain = digits.replace('_', "");
        let plain = plain.strip_prefix('+').unwrap_or(&plain);
        let value = plain.parse::<i64>().map(Value::from).ok().or_else(|| {
            let digit = plain.contains(|letter: char| letter.is_ascii_digit());
            let number = plain.parse::<f64>().ok().filter(|_| digit)?;
            Number::from_f64(number).map(Value::Number)
        })?;
        self.rest = rest;
        Some(value)
    }
}
