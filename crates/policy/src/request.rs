//! What is judged: who, what, on what, in which state.

use aurore_action::{Action, FrameId, Target, ToolCall};
use serde::{Deserialize, Serialize};

use crate::{Crop, Tier};

/// One action to be judged. Everything a verdict depends on is here or in the rules.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who wants to act.
    pub principal: &'a Principal,
    /// What it wants to do.
    pub action: &'a Action,
    /// What the action hits: under its first point, or what has the focus.
    pub target: Option<&'a Target>,
    /// What its other points hit (where a drag ends).
    pub also: &'a [Target],
    /// The state around it.
    pub context: &'a Context,
}

/// One use of a tool to be judged.
#[derive(Debug, Clone, Copy)]
pub struct ToolRequest<'a> {
    /// Who wants to use it.
    pub principal: &'a Principal,
    /// What it wants to do.
    pub call: &'a ToolCall,
    /// The state around it.
    pub context: &'a Context,
}

/// Who wants to act: `model:nano`, `script:checkout.jsonl`, `model:nano/2` for the second helper of the first.
/// What was allowed to one is not allowed to another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(pub String);

/// The state of the run that a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The person's own words: the only text here that is trusted.
    pub goal: String,
    /// Origin of the page in the frame, or the app's identity.
    pub origin: String,
    /// Address of that page, if it has one.
    pub url: Option<String>,
    /// Origins that the run was started on, or that a person let it go to.
    pub known_origins: Vec<String>,
    /// Origins of the agent's own controls: approval page, server, console. Loopback origins stand for their
    /// port under every name of this machine.
    pub controls: Vec<String>,
    /// Folders and files of the agent's own: rules, keys, journal, the program. Absolute paths.
    pub control_paths: Vec<String>,
    /// The person's home folder, for paths that begin with `~`; empty if there is none.
    pub home: String,
    /// Folders that the run was given: it may read there.
    pub folders: Vec<String>,
    /// Arguments that came off a screen, a page or a tool and not out of the goal.
    pub tainted: Vec<Tainted>,
    /// The least tier that the model itself gives the action; it can raise, never lower.
    pub raised: Option<Tier>,
    /// Whether somebody is there to be asked. If not, what would be asked is denied.
    pub attended: bool,
    /// Number of the step, from 1.
    pub step: u32,
    /// What is left.
    pub budget: Budget,
    /// The frame that the decision was made on.
    pub frame: Option<FrameId>,
    /// The pixels around the point in that frame.
    pub around: Option<Crop>,
}

/// What a run may still use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// Steps left.
    pub steps: Option<u32>,
    /// Questions left.
    pub questions: Option<u32>,
}

/// An argument that is derived from untrusted text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tainted {
    /// Which argument.
    pub argument: Argument,
    /// Origin that the text came from; empty if that is not known.
    pub source: String,
    /// Whether it is itself an address of somebody or something (a URL, an e-mail address, an account): then it says
    /// where things go, and that the goal names the place where it is typed is no excuse.
    #[serde(default)]
    pub address: bool,
}

/// An argument of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// The text to type.
    Text,
    /// The address to open.
    Url,
    /// The point, the key or the choice itself.
    Choice,
    /// The command.
    Command,
    /// The path.
    Path,
    /// An argument of a call.
    Call,
}

impl Principal {
    /// A model by its name.
    pub fn model(name: &str) -> Self {
        Self(format!("model:{name}"))
    }

    /// A helper that this one started, by its number.
    #[must_use]
    pub fn helper(&self, number: u32) -> Self {
        Self(format!("{}/{number}", self.0))
    }

    /// A script by its name.
    pub fn script(name: &str) -> Self {
        Self(format!("script:{name}"))
    }
}
