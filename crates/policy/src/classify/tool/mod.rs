//! What the use of a tool would cause.

mod command;
mod fetch;
mod file;
mod mcp;
mod programs;

use aurore_action::ToolCall;

use super::Classified;
use crate::{ToolRequest, facts::Place};

/// One thing that a call does. A script does several, and each is judged for itself.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) classified: Classified,
    /// `server/tool` of a call.
    pub(crate) tool: String,
    /// A program with its arguments.
    pub(crate) command: Vec<String>,
    /// Whether the command is exactly its words.
    pub(crate) bare: bool,
    /// Arguments of a call, by dotted name.
    pub(crate) arguments: Vec<(String, String)>,
    /// Files and addresses.
    pub(crate) places: Vec<Place>,
}

impl Part {
    fn new(classified: Classified, places: Vec<Place>) -> Self {
        Self {
            classified,
            tool: String::new(),
            command: Vec::new(),
            bare: true,
            arguments: Vec::new(),
            places,
        }
    }
}

/// All that a call does; never empty.
pub(crate) fn parts(request: &ToolRequest<'_>) -> Vec<Part> {
    let context = request.context;
    match request.call {
        ToolCall::Command {
            argv,
            folder,
            environment,
            paths,
        } => command::parts(argv, folder, environment, paths, context),
        ToolCall::ReadFile { path } => vec![file::reading(path, context)],
        ToolCall::WriteFile { path } => vec![file::writing(path, context)],
        ToolCall::DeleteFile { path } => vec![file::deleting(path, context)],
        ToolCall::MoveFile { from, to } => vec![file::moving(from, to, context)],
        ToolCall::Fetch { method, url, body } => vec![fetch::fetching(method, url, body.as_deref(), context)],
        ToolCall::Mcp {
            server,
            tool,
            arguments,
        } => vec![mcp::calling(server, tool, arguments, context)],
    }
}

#[cfg(test)]
mod tests;
