//! An expert: knows the markup of the pages, and reaches every goal as a person would, with true reasons.

mod act;
mod plan;

use aurore_action::{Action, Size};
use aurore_screen::browser::Outline;
use thiserror::Error;

use crate::{AppsError, Goal, Language};

pub(crate) use plan::{Deed, Plan, Press};

/// The elements that an expert has to see in an [`Outline`].
pub const SELECTOR: &str = "[id]";

/// How often one thing is tried before the expert gives up.
const TRIES: u32 = 20;

/// What an expert does next, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// What it sees and why the action follows.
    pub thinking: String,
    /// What it intends, one line.
    pub intent: String,
    /// What it expects to see afterwards, one line.
    pub expect: String,
    /// What it does.
    pub action: Action,
}

/// Why an expert does not know what to do.
#[derive(Debug, Error)]
pub enum Lost {
    /// Something that should be on the page is not there.
    #[error("the expert misses `{id}` on the page `{page}`")]
    Missing {
        /// Its `id`.
        id: String,
        /// The page's heading.
        page: String,
    },
    /// The same thing was tried again and again.
    #[error("the expert tried {tries} times to use `{id}` on the page `{page}`")]
    Stuck {
        /// Its `id`.
        id: String,
        /// The page's heading.
        page: String,
        /// How often.
        tries: u32,
    },
    /// A sentence cannot be said.
    #[error(transparent)]
    Words(#[from] AppsError),
}

/// Works on one goal.
#[derive(Debug)]
pub struct Expert {
    language: Language,
    plan: Vec<Deed>,
    /// The deed that is being done.
    at: usize,
    /// Whether its last action was decided and only its success is open.
    pending: bool,
    /// Whether the content of the field in question is marked, so that typing replaces it.
    marked: bool,
    /// Whether all rows to choose from have been seen.
    surveyed: bool,
    tries: u32,
}

impl Expert {
    /// An expert for a goal whose world is at its beginning.
    pub fn new(goal: &Goal) -> Self {
        Self {
            language: goal.language(),
            plan: goal.plan.clone(),
            at: 0,
            pending: false,
            marked: false,
            surveyed: false,
            tries: 0,
        }
    }

    /// What to do on a page that stands so, in a frame of this size. `done` says whether the action before was
    /// carried out.
    ///
    /// # Errors
    /// When the page is not the one that its plan leads to.
    pub fn next(&mut self, page: &Outline, size: Size, done: bool) -> Result<Move, Lost> {
        if std::mem::take(&mut self.pending) && done {
            self.advance();
        }
        loop {
            let Some(deed) = self.plan.get(self.at).cloned() else {
                return self.finish(page);
            };
            self.tries += 1;
            if self.tries > TRIES {
                return Err(Lost::Stuck {
                    id: deed.id().to_owned(),
                    page: heading(page),
                    tries: self.tries,
                });
            }
            if let Some(action) = self.act(&deed, page, size)? {
                return Ok(action);
            }
            self.advance();
        }
    }

    fn advance(&mut self) {
        self.at += 1;
        self.marked = false;
        self.surveyed = false;
        self.tries = 0;
    }
}

/// The heading of a page; empty if it has none.
fn heading(page: &Outline) -> String {
    page.find("heading")
        .map(|heading| heading.text.clone())
        .unwrap_or_default()
}
