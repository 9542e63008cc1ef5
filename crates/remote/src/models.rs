//! What a server serves.

use serde::Deserialize;

/// A model of a server's list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Served {
    /// Its name.
    pub id: String,
    /// Its context in tokens, as far as the server says.
    #[serde(default, alias = "context_length")]
    pub max_model_len: Option<usize>,
}

/// The list.
#[derive(Debug, Deserialize)]
pub(crate) struct List {
    pub(crate) data: Vec<Served>,
}
