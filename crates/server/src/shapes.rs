//! Shapes that requests of several dialects share.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A list, or its only element.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// Text, or parts of which some are no text.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Content<P> {
    Text(String),
    Parts(Vec<P>),
}

/// How an answer is streamed.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
pub(crate) struct StreamOptions {
    /// Whether a chunk with the usage comes at the end.
    pub(crate) include_usage: Option<bool>,
}

impl StreamOptions {
    /// Whether a chunk with the usage is asked for.
    pub(crate) fn wants_usage(options: Option<&Self>) -> bool {
        options.and_then(|options| options.include_usage).unwrap_or(false)
    }
}

/// Reads an object that may be absent. Lists of its fields' values, which would be taken for it otherwise, are none.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<T>, D::Error> {
    reader.deserialize_option(Maybe(PhantomData))
}

/// Visits what may be absent.
struct Maybe<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Maybe<T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or null")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Option<T>, D::Error> {
        reader.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Outer {
        #[serde(default, deserialize_with = "object")]
        options: Option<StreamOptions>,
    }

    #[test]
    fn only_objects_are_objects() {
        let read = |options: Value| -> Result<Outer, String> {
            let document = json!({ "options": options });
            serde_path_to_error::deserialize(document).map_err(|error| error.path().to_string())
        };
        let asked = read(json!({"include_usage": true, "more": 1})).unwrap().options;
        assert_eq!(asked.unwrap().include_usage, Some(true));
        assert!(read(Value::Null).unwrap().options.is_none());
        assert!(serde_json::from_str::<Outer>("{}").unwrap().options.is_none());
        for wrong in [json!([null]), json!([true]), json!("x"), json!(7)] {
            assert_eq!(read(wrong.clone()).unwrap_err(), "options", "{wrong}");
        }
        let inside = read(json!({"include_usage": 7}));
        assert_eq!(inside.unwrap_err(), "options.include_usage");
    }
}
