//! The `computer_use` tool: the family's vocabulary for screens, and what a browser adds.
//!
//! The model points at a grid of 0 to 1000 over the frame; an [`aurore_action::Action`] holds frame pixels. The
//! conversion happens here and nowhere else. One table ([`spec`]) says what each action takes; schema, grammar,
//! reading and writing follow from it.

mod error;
mod grammar;
mod read;
mod spec;
mod write;

#[cfg(test)]
mod tests;

pub use error::ToolCallError;
pub use grammar::{StepForm, step_grammar};
pub use read::parse_action;
pub use spec::{TOOL, schema, schema_with};
pub use write::render;
