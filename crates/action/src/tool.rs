//! What is done beside the screen: commands, files, fetches, calls of tool servers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A path twice: as somebody wrote it, and as the file system has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct FilePath {
    /// As written. A relative one is taken from the call's folder.
    pub given: String,
    /// Absolute, without `.`, `..` and symbolic links, as whoever carries the call out found it. `None` if it
    /// could not be found out.
    pub resolved: Option<String>,
}

/// One use of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToolCall {
    /// Starts a program. No shell stands between: what is run is exactly these arguments.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Where it starts: an absolute folder.
        folder: String,
        /// Variables set for it besides those of the run.
        #[serde(default)]
        environment: Vec<(String, String)>,
        /// Those arguments that name files, resolved.
        #[serde(default)]
        paths: Vec<FilePath>,
    },
    /// Reads a file or lists a folder.
    ReadFile {
        /// Which.
        path: FilePath,
    },
    /// Makes a file or puts something else into it.
    WriteFile {
        /// Which.
        path: FilePath,
    },
    /// Deletes a file or a folder.
    DeleteFile {
        /// Which.
        path: FilePath,
    },
    /// Moves or renames a file.
    MoveFile {
        /// From here.
        from: FilePath,
        /// To here.
        to: FilePath,
    },
    /// Asks a web server. Each address that it redirects to is a call of its own.
    Fetch {
        /// `GET`, `POST`, …
        method: String,
        /// The address.
        url: String,
        /// What is sent along.
        body: Option<String>,
    },
    /// Calls a tool of a server that speaks the Model Context Protocol.
    Mcp {
        /// The server, as the person named it.
        server: String,
        /// The tool.
        tool: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
}

impl ToolCall {
    /// The name that rules, journals and models use: `run_command`, `read_file`, …
    pub fn name(&self) -> &'static str {
        match self {
            Self::Command { .. } => "run_command",
            Self::ReadFile { .. } => "read_file",
            Self::WriteFile { .. } => "write_file",
            Self::DeleteFile { .. } => "delete_file",
            Self::MoveFile { .. } => "move_file",
            Self::Fetch { .. } => "fetch",
            Self::Mcp { .. } => "mcp_call",
        }
    }

    /// In words for a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Command { argv, folder, .. } => format!("run {argv:?} in {folder}"),
            Self::ReadFile { path } => format!("read {path}"),
            Self::WriteFile { path } => format!("write {path}"),
            Self::DeleteFile { path } => format!("delete {path}"),
            Self::MoveFile { from, to } => format!("move {from} to {to}"),
            Self::Fetch { method, url, .. } => format!("{method} {url}"),
            Self::Mcp {
                server,
                tool,
                arguments,
            } => format!("call {server}/{tool} with {}", Value::Object(arguments.clone())),
        }
    }
}

impl FilePath {
    /// A path that is what it says.
    pub fn plain(path: &str) -> Self {
        Self {
            given: path.to_owned(),
            resolved: Some(path.to_owned()),
        }
    }
}

impl std::fmt::Display for FilePath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.resolved {
            Some(resolved) if *resolved != self.given => {
                write!(formatter, "{} (which is {resolved})", self.given)
            }
            _ => formatter.write_str(&self.given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_where_it_really_leads() {
        let path = FilePath {
            given: "notes/a".into(),
            resolved: Some("/etc/passwd".into()),
        };
        assert_eq!(path.to_string(), "notes/a (which is /etc/passwd)");
        assert_eq!(FilePath::plain("/a").to_string(), "/a");
    }

    #[test]
    fn calls_are_written_and_read() {
        let call = ToolCall::Mcp {
            server: "git".into(),
            tool: "log".into(),
            arguments: Map::new(),
        };
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<ToolCall>(&text).unwrap(), call);
        assert!(text.contains("\"kind\":\"mcp\""));
    }
}
