//! Approvers without a person.

use super::{Answer, Approver, Question};

/// Nobody is there: what would be asked is denied by the rules themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct DenyAll;

impl Approver for DenyAll {
    fn name(&self) -> String {
        "nobody".to_owned()
    }

    fn attended(&self) -> bool {
        false
    }

    fn ask(&mut self, _: &Question) -> Answer {
        Answer::No("nobody is there to be asked".to_owned())
    }
}

/// Counts questions and answers all of them the same way. For evaluation on pages without consequences.
#[derive(Debug, Clone, Default)]
pub struct CountingApprover {
    /// Questions so far.
    pub asked: u32,
    /// Whether the answer is yes.
    pub allow: bool,
}

impl CountingApprover {
    /// Says yes to everything and counts.
    pub fn yes() -> Self {
        Self {
            asked: 0,
            allow: true,
        }
    }

    /// Says no to everything and counts.
    pub fn no() -> Self {
        Self::default()
    }
}

impl Approver for CountingApprover {
    fn name(&self) -> String {
        "the evaluation".to_owned()
    }

    fn ask(&mut self, _: &Question) -> Answer {
        self.asked += 1;
        if self.allow {
            Answer::Yes
        } else {
            Answer::No("the evaluation says no".to_owned())
        }
    }
}
