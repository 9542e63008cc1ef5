//! What is wrong with a call, in words that the model can act on.

use aurore_action::KeyError;
use thiserror::Error;

/// Why a tool call is no action. The text goes back to the model as the tool's result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ToolCallError {
    /// The tool does not exist.
    #[error("there is no tool {name:?}: call computer_use")]
    UnknownTool {
        /// What was called.
        name: String,
    },
    /// No action was named.
    #[error("the argument action is missing: name one of {known}")]
    MissingAction {
        /// All actions.
        known: String,
    },
    /// The action does not exist.
    #[error("there is no action {action:?}: use one of {known}")]
    UnknownAction {
        /// What was named.
        action: String,
        /// All actions.
        known: String,
    },
    /// An argument is missing.
    #[error("{action} needs the argument {argument}: {expected}")]
    Missing {
        /// The action.
        action: &'static str,
        /// The argument.
        argument: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// An argument is of the wrong kind.
    #[error("{action}: the argument {argument} is {found}, but must be {expected}")]
    Wrong {
        /// The action.
        action: &'static str,
        /// The argument.
        argument: &'static str,
        /// What was given, shortened.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// An argument that the action does not take.
    #[error("{action} takes no argument {argument:?}, only {takes}")]
    Unexpected {
        /// The action.
        action: &'static str,
        /// The argument.
        argument: String,
        /// What it takes.
        takes: String,
    },
    /// A key that does not exist.
    #[error("{action}: {source}")]
    Key {
        /// The action.
        action: &'static str,
        /// Which key.
        source: KeyError,
    },
}
