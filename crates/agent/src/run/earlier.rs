//! Answers from before an interruption that still hold, exactly as narrow as they were.
//!
//! They are read from the journal, which holds the text of each rule that an answer made. They were given for a goal, to
//! somebody, under rules: where any of these is another now, all of them are void and asked again. Answers that were
//! kept for every run are not among them: their own file has them, or has them no more.

use aurore_policy::{Decision, Rules};
use aurore_screen::Screen;

use super::Run;
use crate::{DecisionRecord, StartRecord, UpFrontRecord};

/// What was answered so far, while a journal is read.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    under: Option<Terms>,
    /// What was allowed, in words, and the rules' texts.
    granted: Vec<(String, Vec<String>)>,
    /// Origins that the person named.
    named: Vec<String>,
    /// Origins that a yes made known.
    places: Vec<String>,
    /// What was asked before the first step, if it was.
    up_front: Option<Vec<String>>,
}

/// What answers were given for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Terms {
    goal: String,
    principal: String,
    fingerprint: String,
    rules: String,
}

impl Terms {
    fn of(start: &StartRecord) -> Self {
        Self {
            goal: start.goal.clone(),
            principal: start.principal.clone(),
            fingerprint: start.fingerprint.clone(),
            rules: start.written_rules.clone(),
        }
    }
}

impl Earlier {
    /// The run began, or goes on: answers that were given under other terms are void, for good.
    pub(super) fn begin(&mut self, start: &StartRecord) {
        let terms = Terms::of(start);
        if let Some(before) = self.under.replace(terms.clone())
            && before != terms
        {
            if before.goal != terms.goal {
                self.named.clear();
            }
            self.granted.clear();
            self.places.clear();
            self.up_front = None;
        }
        for origin in &start.known_origins {
            add(&mut self.named, origin);
        }
    }

    pub(super) fn up_front(&mut self, record: UpFrontRecord) {
        if record.approval.allowed {
            self.granted.push((record.approval.note, record.granted));
        }
        self.up_front = Some(record.items);
    }

    pub(super) fn decision(&mut self, record: &DecisionRecord) {
        let Some(approval) = record.approval.as_ref().filter(|approval| approval.allowed) else {
            return;
        };
        if !record.granted.is_empty() {
            self.granted.push((approval.note.clone(), record.granted.clone()));
        }
        if record
            .verdict
            .as_ref()
            .is_some_and(|verdict| verdict.decision == Decision::Ask)
        {
            for facts in record.facts.iter().chain(&record.more_facts) {
                for origin in super::ask::made_known(facts) {
                    add(&mut self.places, origin);
                }
            }
        }
    }

    /// Puts in force what still holds; what does, in words.
    fn restore(&mut self, rules: &mut Rules) -> Vec<String> {
        self.granted.retain(|(_, texts)| {
            let mut tried = rules.clone();
            let whole = texts.iter().all(|text| match tried.restore(text) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, "an earlier answer does not hold any more");
                    false
                }
            });
            if whole {
                *rules = tried;
            }
            whole
        });
        self.granted.iter().map(|(words, _)| words.clone()).collect()
    }
}

fn add(list: &mut Vec<String>, origin: &str) {
    if !origin.is_empty() && !list.iter().any(|known| known == origin) {
        list.push(origin.to_owned());
    }
}

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Takes over what was answered before the interruption, as far as the terms are the same. Gives the record that the
    /// run goes on with.
    pub(super) fn take_over(&mut self, mut earlier: Earlier) -> StartRecord {
        // What the person named stays named, as long as it is for the same goal.
        let mut now = self.start_record();
        earlier.begin(&now);
        self.options.known_origins.clone_from(&earlier.named);
        now.known_origins.clone_from(&earlier.named);
        self.named.clone_from(&earlier.named);
        now.still_allowed = earlier.restore(&mut self.options.rules);
        self.still_allowed.clone_from(&now.still_allowed);
        for origin in &earlier.places {
            add(&mut self.options.known_origins, origin);
        }
        self.asked_before = earlier.up_front;
        now
    }
}
