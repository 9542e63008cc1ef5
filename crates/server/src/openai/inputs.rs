//! Prompts that are no conversations: texts or token ids, one or several.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::app::App;
use crate::problem::Problem;

/// One prompt or several. In texts, control tokens may be spelled out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "this must be a text, a list of texts, a list of token ids, or a list of such lists"
)]
pub(crate) enum Inputs {
    Text(String),
    Ids(Vec<u32>),
    Texts(Vec<String>),
    Lists(Vec<Vec<u32>>),
}

impl Inputs {
    /// The token ids of each. Takes a while for long texts.
    pub(super) fn into_ids(self, served: &App, param: &str) -> Result<Vec<Vec<u32>>, Problem> {
        let spelled = |text: String| Ok(served.chat.spelled(&text)?);
        let lists = match self {
            Self::Text(text) => vec![spelled(text)?],
            Self::Ids(ids) => vec![ids],
            Self::Texts(texts) => texts.into_iter().map(spelled).collect::<Result<_, Problem>>()?,
            Self::Lists(lists) => lists,
        };
        if lists.is_empty() || lists.iter().any(Vec::is_empty) {
            let message = "each of them needs at least one token";
            return Err(Problem::invalid(param, message));
        }
        Ok(lists)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(_) | Self::Ids(_) => 1,
            Self::Texts(texts) => texts.len(),
            Self::Lists(lists) => lists.len(),
        }
    }
}
