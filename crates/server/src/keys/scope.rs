//! What a key may be used for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A part of the server that a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything that a model answers.
    Infer,
    /// Figures, links to the page, and what is kept for everybody.
    Manage,
    /// Runs of the agent: looking on, answering its questions, holding it (`aurore agent --watch`).
    Agent,
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope: use infer, manage or agent")]
pub struct UnknownScope(String);

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Infer, Self::Manage, Self::Agent];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Manage => "manage",
            Self::Agent => "agent",
        }
    }

    /// Several of them, as they are written.
    pub fn list(scopes: &[Self]) -> String {
        let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
        names.join(", ")
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        let known = Self::ALL.into_iter().find(|scope| scope.name() == word);
        known.ok_or_else(|| UnknownScope(word.to_owned()))
    }
}
