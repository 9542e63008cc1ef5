//! What a run needs to start.

use std::sync::{Arc, atomic::AtomicBool};

use aurore_policy::Rules;
use aurore_screen::Screen;

use crate::{Approver, Brain, Budgets, Hub, Journal};

/// What a page itself says of the goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoalState {
    /// Not decided yet.
    Open,
    /// Met.
    Reached,
    /// Missed for good.
    Missed,
}

/// Asks the page itself how the goal stands.
pub type Check<'a, S> = Box<dyn FnMut(&mut S) -> GoalState + 'a>;

/// Files of this machine, for the rules: whose they are and where the person's home is. Absolute paths. It belongs to one
/// run: two of them side by side may have different ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// Folders and files of the agent's own (rules, keys, journal, the program): denied by a locked rule.
    pub controls: Vec<String>,
    /// Folders that the run was given: it may read there.
    pub given: Vec<String>,
    /// The person's home folder, for paths that begin with `~`; empty if there is none.
    pub home: String,
}

/// Everything that a run stands on.
pub struct RunOptions<'a, S: Screen + ?Sized> {
    /// The person's words: the only text that is trusted.
    pub goal: String,
    /// A short name for lists and reports; the goal if empty.
    pub name: String,
    /// Where it happens.
    pub screen: &'a mut S,
    /// Who decides.
    pub brain: &'a mut dyn Brain,
    /// What is allowed.
    pub rules: Rules,
    /// Who answers questions.
    pub approver: &'a mut dyn Approver,
    /// What may be used up.
    pub budgets: Budgets,
    /// Where everything is written down first.
    pub journal: &'a Journal,
    /// The kill switch, looked at before each input.
    pub stop: Arc<AtomicBool>,
    /// Where it can be watched and held.
    pub watch: Hub,
    /// Origins that the person named. That of the first frame is one of them where a run starts, not where it goes on.
    pub known_origins: Vec<String>,
    /// Origins of the agent's own controls (approval page, server, console): denied by a locked rule.
    pub controls: Vec<String>,
    /// What the rules have to know of the machine's files.
    pub files: Files,
    /// The page's own judgement, asked after each action; for demos and evaluation.
    pub check: Option<Check<'a, S>>,
}
