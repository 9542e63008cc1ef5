//! Who decides: a script, a network, a server's model, or a recording.

mod heard;
mod memory;
mod network;
mod remote;
mod scripted;

use aurore_action::{Action, Frame};
use aurore_chat::step::Item;
use aurore_policy::{Principal, Tier};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Plan;

pub use aurore_chat::Memory;
pub use network::{NetworkBrain, NetworkOptions};
pub use remote::{RemoteBrain, RemoteOptions};
pub use scripted::ScriptedBrain;

/// What a brain sees of a run.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The person's words.
    pub goal: &'a str,
    /// What the screen shows now.
    pub frame: &'a Frame,
    /// What was decided before and what came of it, oldest first.
    pub history: &'a [Past],
    /// What the model should know besides, as plain lines: notes of the frame, warnings of the loop.
    pub notes: &'a [String],
    /// The plan and the notes that the model has kept so far.
    pub plan: &'a Plan,
    /// Who hears the thinking while it comes.
    pub listener: Listener<'a>,
}

/// Hears thinking while it comes, piece by piece.
#[derive(Clone, Copy)]
pub struct Listener<'a>(&'a dyn Fn(&str));

impl<'a> Listener<'a> {
    /// Calls this with each piece.
    pub fn new(hear: &'a dyn Fn(&str)) -> Self {
        Self(hear)
    }

    /// Nobody.
    pub fn nobody() -> Self {
        Self(&|_| ())
    }

    /// Says a piece.
    pub fn hear(&self, text: &str) {
        (self.0)(text);
    }
}

impl std::fmt::Debug for Listener<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Listener")
    }
}

/// One earlier decision of this run.
#[derive(Debug, Clone)]
pub struct Past {
    /// The frame that it was made on.
    pub frame: Frame,
    /// What was decided; `None` if what the model said could not be used.
    pub decision: Option<Decision>,
    /// The tool result: what happened, or why it was refused.
    pub result: String,
    /// Whether it was carried out.
    pub done: bool,
    /// Whether a rule or a person said no to it.
    pub refused: bool,
}

/// One decision: the reason stands before the deed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The thinking.
    #[serde(default)]
    pub thinking: String,
    /// The whole plan, where it is written anew.
    #[serde(default)]
    pub plan: Option<Vec<Item>>,
    /// What is to be remembered on other pages, each one line.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What it intends, one line.
    #[serde(default)]
    pub intent: String,
    /// What it expects to see afterwards, one line.
    #[serde(default)]
    pub expect: String,
    /// What to do.
    pub action: Action,
    /// The least tier that the model gives it. Can only tighten.
    #[serde(default)]
    pub raised: Option<Tier>,
    /// Tokens generated for it.
    #[serde(default)]
    pub tokens: u32,
    /// Seconds that it took.
    #[serde(default)]
    pub seconds: f64,
}

impl Decision {
    /// An action without a word: for whoever fills in the rest.
    pub fn new(action: Action) -> Self {
        Self {
            thinking: String::new(),
            plan: None,
            notes: Vec::new(),
            intent: String::new(),
            expect: String::new(),
            action,
            raised: None,
            tokens: 0,
            seconds: 0.0,
        }
    }
}

/// Why there is no decision.
#[derive(Debug, Error)]
pub enum BrainError {
    /// What the model said is no usable action. It is told so and may try again.
    #[error("{message}")]
    Unusable {
        /// What it thought.
        thinking: String,
        /// All that it said.
        said: String,
        /// What is wrong, in words that the model can act on.
        message: String,
        /// Tokens generated.
        tokens: u32,
        /// Seconds that it took.
        seconds: f64,
    },
    /// The script or the recording has no further step.
    #[error("the script is at its end after {steps} steps and the goal is still open")]
    Exhausted {
        /// How many steps it had.
        steps: usize,
    },
    /// A line of a script cannot be read.
    #[error("{file}:{line}: {message}")]
    Script {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A recording is fed to other pages than those it was made on.
    #[error("the recording goes another way at step {step}: {message}")]
    Diverged {
        /// Which step, from 1.
        step: usize,
        /// What is different.
        message: String,
    },
    /// The conversation cannot be rendered.
    #[error(transparent)]
    Chat(#[from] aurore_chat::ChatError),
    /// The network cannot answer.
    #[error(transparent)]
    Engine(#[from] aurore_engine::EngineError),
    /// The server of the model gives no answer.
    #[error(transparent)]
    Remote(#[from] aurore_remote::RemoteError),
    /// The run was stopped while it thought.
    #[error("stopped while thinking")]
    Stopped,
}

/// Something that decides on the next action.
pub trait Brain {
    /// Who it is, for the rules and the journal.
    fn principal(&self) -> Principal;

    /// What identifies the weights or the script, for the journal: a hash, or empty.
    fn fingerprint(&self) -> String {
        String::new()
    }

    /// The next action.
    ///
    /// # Errors
    /// [`BrainError::Unusable`] is told to the model and the run goes on; every other error ends the run.
    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError>;
}
