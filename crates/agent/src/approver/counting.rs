//! Approvers without a person.

use super::{Answer, Approver, Question, UpFront};

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
    /// Questions so far, but those before a first step.
    pub asked: u32,
    /// Questions before a first step.
    pub up_front: u32,
    /// Whether the answer is yes.
    pub allow: bool,
}

impl CountingApprover {
    /// Says yes to everything and counts.
    pub fn yes() -> Self {
        Self {
            allow: true,
            ..Self::default()
        }
    }

    /// Says no to everything and counts.
    pub fn no() -> Self {
        Self::default()
    }
}

impl CountingApprover {
    fn answer(&self) -> Answer {
        if self.allow {
            Answer::Yes
        } else {
            Answer::No("the evaluation says no".to_owned())
        }
    }
}

impl Approver for CountingApprover {
    fn name(&self) -> String {
        "the evaluation".to_owned()
    }

    fn ask(&mut self, _: &Question) -> Answer {
        self.asked += 1;
        self.answer()
    }

    fn ask_up_front(&mut self, _: &UpFront) -> Option<Answer> {
        self.up_front += 1;
        Some(self.answer())
    }
}
