//! Secrets that are typed by name: the model writes `{{secret:NAME}}`, the screen asks a resolver for the
//! value, and neither the model nor the journal sees it.

use std::fmt;

use thiserror::Error;

/// Where secrets come from. An implementation binds each secret to the origins that may receive it.
pub trait Secrets: Send {
    /// The value of a secret for a document of this origin.
    fn resolve(&self, name: &str, origin: &str) -> Result<Secret, SecretRefused>;
}

/// A secret's value. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret is not typed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretRefused {
    /// The run has no secrets.
    #[error("this run has no secrets; ask the person to type it")]
    NoneConfigured,
    /// There is no secret of that name.
    #[error("no secret has that name")]
    Unknown,
    /// It is not for this origin.
    #[error("it is not bound to {origin}")]
    WrongOrigin {
        /// The document's origin.
        origin: String,
    },
}

/// A piece of a text to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// As it stands.
    Plain(&'a str),
    /// The name of a secret.
    Secret(&'a str),
}

impl Secret {
    /// Wraps a value.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one place that types it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Splits a text at its `{{secret:NAME}}` marks. A mark without an end is plain text.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    const OPEN: &str = "{{secret:";
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, name, after)) = rest.split_once(OPEN).and_then(|(before, tail)| {
        let (name, after) = tail.split_once("}}")?;
        Some((before, name, after))
    }) {
        if !before.is_empty() {
            pieces.push(Piece::Plain(before));
        }
        pieces.push(Piece::Secret(name.trim()));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_wherever_they_stand() {
        assert_eq!(
            pieces("a{{secret: bank }}b{{secret:x}}"),
            [
                Piece::Plain("a"),
                Piece::Secret("bank"),
                Piece::Plain("b"),
                Piece::Secret("x")
            ]
        );
        assert_eq!(pieces("{{secret:open"), [Piece::Plain("{{secret:open")]);
        assert_eq!(pieces("{{other}}"), [Piece::Plain("{{other}}")]);
        assert!(pieces("").is_empty());
    }

    #[test]
    fn a_secret_does_not_print() {
        assert!(!format!("{:?}", Secret::new("hunter2".into())).contains("hunter2"));
    }
}
