//! What an action would cause, by name: for rules, and for what is asked up front.

use serde::{Deserialize, Serialize};

/// One thing that an action would cause. What is free has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Acts on or goes to a place that neither the goal nor the start of the run names.
    NewPlace,
    /// Goes to this machine or its network.
    LocalPlace,
    /// Opens an address that is disguised by a name or password in it.
    Disguise,
    /// Opens what is no web page.
    NoWebPage,
    /// Opens another program.
    Program,
    /// Carries text from one place to another.
    Carry,
    /// Types or submits personal data.
    PersonalData,
    /// Logs in.
    LogIn,
    /// Types a secret by its name, or a password.
    Secret,
    /// Uploads a file.
    Upload,
    /// Moves or renames something.
    Move,
    /// Gives a page or an app a permission.
    Permission,
    /// Confirms something that its label does not name.
    Confirm,
    /// Pays, orders, books or cancels what was ordered.
    Pay,
    /// Deletes something.
    Delete,
    /// Sends or publishes in the person's name.
    Send,
    /// Changes who may see or do something.
    Share,
    /// Creates an account or a key.
    Account,
    /// Installs software.
    Install,
    /// Runs a program.
    Run,
    /// Runs code that cannot be judged.
    RunUnread,
    /// Gets the rights of another user.
    Rights,
    /// Reads a file.
    ReadFile,
    /// Writes a file.
    WriteFile,
    /// Calls a tool server.
    CallTool,
    /// Changes a password.
    Password,
    /// Passes a certificate warning.
    Certificate,
    /// Answers a test for humans.
    Captcha,
}

impl Effect {
    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewPlace => "new-place",
            Self::LocalPlace => "local-place",
            Self::Disguise => "disguise",
            Self::NoWebPage => "no-web-page",
            Self::Program => "program",
            Self::Carry => "carry",
            Self::PersonalData => "personal-data",
            Self::LogIn => "log-in",
            Self::Secret => "secret",
            Self::Upload => "upload",
            Self::Move => "move",
            Self::Permission => "permission",
            Self::Confirm => "confirm",
            Self::Pay => "pay",
            Self::Delete => "delete",
            Self::Send => "send",
            Self::Share => "share",
            Self::Account => "account",
            Self::Install => "install",
            Self::Run => "run",
            Self::RunUnread => "run-unread",
            Self::Rights => "rights",
            Self::ReadFile => "read-file",
            Self::WriteFile => "write-file",
            Self::CallTool => "call-tool",
            Self::Password => "password",
            Self::Certificate => "certificate",
            Self::Captcha => "captcha",
        }
    }
}

impl std::fmt::Display for Effect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
