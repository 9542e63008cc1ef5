//! Reading JSON objects field by field, with errors that name the field.

use std::{collections::HashSet, fmt, marker::PhantomData, ops::RangeInclusive};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::CheckpointError;

/// One JSON object of one file, at a dotted path.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    file: &'a str,
    path: &'a str,
    map: &'a Map<String, Value>,
}

type Result<T> = std::result::Result<T, CheckpointError>;

/// Parses a file whose top is a JSON object.
pub(crate) fn parse_object(text: &str, file: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|error| CheckpointError::Json {
        file: file.to_owned(),
        message: error.to_string(),
    })
}

impl<'a> Fields<'a> {
    /// The fields of `map`, which stands at `path` (empty for the top) of `file`.
    pub(crate) fn new(file: &'a str, path: &'a str, map: &'a Map<String, Value>) -> Self {
        Self { file, path, map }
    }

    /// The value of a field; JSON's null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// The object under a field.
    pub(crate) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>> {
        self.get(name)
            .map(|value| value.as_object().ok_or_else(|| self.wrong(name, "an object")))
            .transpose()
    }

    /// A size within `range`; an error when absent.
    pub(crate) fn size(&self, name: &str, range: RangeInclusive<usize>) -> Result<usize> {
        self.size_opt(name, range.clone())?
            .ok_or_else(|| self.wrong(name, &format!("a whole number in {range:?}")))
    }

    /// A size within `range`, or `default` when absent.
    pub(crate) fn size_or(&self, name: &str, default: usize, range: RangeInclusive<usize>) -> Result<usize> {
        Ok(self.size_opt(name, range)?.unwrap_or(default))
    }

    /// A size within `range` if there is one. A list of equal sizes counts as one of them.
    pub(crate) fn size_opt(&self, name: &str, range: RangeInclusive<usize>) -> Result<Option<usize>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let single = match value.as_array().map(Vec::as_slice) {
            Some([first, rest @ ..]) if rest.iter().all(|other| other == first) => first,
            _ => value,
        };
        single
            .as_u64()
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| range.contains(size))
            .map(Some)
            .ok_or_else(|| self.wrong(name, &format!("a whole number in {range:?}")))
    }

    /// A finite number within `range` if there is one.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>> {
        self.get(name)
            .map(|value| {
                value
                    .as_f64()
                    .filter(|number| range.contains(number))
                    .ok_or_else(|| self.wrong(name, &format!("a number in {range:?}")))
            })
            .transpose()
    }

    /// True or false if there is one.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.get(name)
            .map(|value| value.as_bool().ok_or_else(|| self.wrong(name, "true or false")))
            .transpose()
    }

    /// Text if there is some.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>> {
        self.get(name)
            .map(|value| value.as_str().ok_or_else(|| self.wrong(name, "text")))
            .transpose()
    }

    /// A token id, or `default` when absent.
    pub(crate) fn token(&self, name: &str, default: u32) -> Result<u32> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value
                .as_u64()
                .and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| self.wrong(name, "a token id")),
        }
    }

    /// One token id or a list of them, if there is one.
    pub(crate) fn tokens(&self, name: &str) -> Result<Option<Vec<u32>>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let values = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        values
            .iter()
            .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
            .collect::<Option<Vec<u32>>>()
            .map(Some)
            .ok_or_else(|| self.wrong(name, "a token id or a list of them"))
    }

    /// A list of exactly `N` numbers if there is one.
    pub(crate) fn numbers<const N: usize>(&self, name: &str) -> Result<Option<[f64; N]>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_array()
            .and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>())
            .and_then(|list| list.try_into().ok())
            .map(Some)
            .ok_or_else(|| self.wrong(name, &format!("a list of {N} numbers")))
    }

    /// The error for a field that is not `expected`.
    pub(crate) fn wrong(&self, name: &str, expected: &str) -> CheckpointError {
        let found = match self.map.get(name) {
            None => "nothing".to_owned(),
            Some(value) => shorten(&value.to_string()),
        };
        CheckpointError::Field {
            file: self.file.to_owned(),
            field: self.full_name(name),
            expected: expected.to_owned(),
            found,
        }
    }

    /// The error for a value that exists but that this program cannot run.
    pub(crate) fn unsupported(&self, name: &str, hint: &'static str) -> CheckpointError {
        let value = self.map.get(name).map_or_else(String::new, Value::to_string);
        CheckpointError::Unsupported {
            file: self.file.to_owned(),
            what: format!("{} = {}", self.full_name(name), shorten(&value)),
            hint,
        }
    }

    fn full_name(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(80).chain("…".chars()).collect()
}

/// Deserialises a JSON object into pairs, in order; a key that occurs twice is an error.
pub(crate) fn unique_map<'de, D, V>(deserializer: D) -> std::result::Result<Vec<(String, V)>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    struct Pairs<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
        type Value = Vec<(String, V)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
            let mut seen = HashSet::new();
            let mut pairs = Vec::new();
            while let Some(key) = map.next_key::<String>()? {
                if !seen.insert(key.clone()) {
                    return Err(A::Error::custom(format!("{key:?} occurs twice")));
                }
                pairs.push((key, map.next_value()?));
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_map(Pairs(PhantomData))
}
