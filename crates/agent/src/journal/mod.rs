//! The journal: what was decided, before it was done.
//!
//! One SQLite file holds all runs. The records of a run form a chain by SHA-256, each authenticated with the
//! user's key; the head of each chain is kept in a file of its own, so that a cut tail is found too. Every
//! record is committed with `synchronous=FULL` before the caller goes on.

mod chain;
mod event;
mod key;
mod manage;
mod store;
mod verify;

pub(crate) use key::{hex, sha256};

use serde::{Deserialize, Serialize};

pub use event::{
    Approval, DecisionRecord, EndRecord, Event, HandRecord, HandResultRecord, OrderRecord, Record,
    ResultRecord, StartRecord, UpFrontRecord, WindowRecord,
};
pub use manage::RunSummary;
pub use store::{Journal, JournalOptions};
pub use verify::Verification;

/// Names a run: the time when it began (UTC) and a few random digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl std::fmt::Display for RunId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
