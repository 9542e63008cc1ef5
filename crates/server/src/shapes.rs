//! Shapes that requests of several dialects share.

use schemars::JsonSchema;
use serde::Deserialize;

/// A list, or its only element.
#[derive(Debug, Deserialize, JsonSchema)]
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
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Content<P> {
    Text(String),
    Parts(Vec<P>),
}

/// How an answer is streamed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
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
