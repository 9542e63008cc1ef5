//! What was decided, by which rule, and what may follow from it.

use aurore_action::Action;
use serde::{Deserialize, Serialize};

use crate::{Approved, Authority, Binding, Tier};

/// Allow, ask, or deny. Ordered by strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// May be done.
    Allow,
    /// May be done if somebody says yes.
    Ask,
    /// Is not done.
    Deny,
}

/// Where a rule comes from, from general to particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Compiled in.
    Builtin,
    /// Of this machine, owned by root.
    System,
    /// Of this person.
    User,
    /// Of this run.
    Run,
    /// Of a project's folder: can only tighten what the others say.
    Project,
}

/// The rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleRef {
    /// Where it comes from.
    pub layer: Layer,
    /// Its name.
    pub name: String,
    /// Why it is there, for the person and for the model.
    pub reason: String,
}

/// What a verdict says, to be written down and shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// Allow, ask or deny.
    pub decision: Decision,
    /// The rule that decided.
    pub rule: RuleRef,
    /// What the action would cause.
    pub tier: Tier,
    /// How it came to this, in words.
    pub why: String,
}

/// A judged action: what was decided, bound to what was judged. It cannot be cloned or built elsewhere.
///
/// `T` is what was judged: an [`Action`], or a [`ToolCall`](aurore_action::ToolCall).
#[derive(Debug)]
pub struct Verdict<T = Action> {
    record: VerdictRecord,
    action: T,
    binding: Binding,
}

/// What somebody else holds of a verdict: another model, or a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// Who says so, in words.
    pub by: String,
    /// What it would decide. Counts only where it is stricter.
    pub decision: Decision,
    /// Why.
    pub reason: String,
}

/// What follows from a verdict.
#[derive(Debug)]
pub enum Outcome<T = Action> {
    /// It may be done now.
    Allowed(Approved<T>),
    /// Somebody has to be asked.
    Ask(Ask<T>),
    /// It is not done.
    Denied(Denial),
}

/// An open question: a judged action that waits for an answer.
#[derive(Debug)]
pub struct Ask<T = Action>(Verdict<T>);

/// A refusal, in words that the model can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The verdict behind it.
    pub verdict: VerdictRecord,
    /// Who said no, if somebody was asked.
    pub by: Option<String>,
}

/// The end of [`VerdictRecord::why`] where a question became a denial.
pub(crate) const NOBODY: &str = "; it would be asked, but nobody is there to answer";

impl VerdictRecord {
    /// Whether the rules ask: also where that became a denial because nobody was there.
    pub fn asks(&self) -> bool {
        self.decision == Decision::Ask || (self.decision == Decision::Deny && self.why.ends_with(NOBODY))
    }
}

impl<T> Verdict<T> {
    pub(crate) fn new(record: VerdictRecord, action: T, binding: Binding) -> Self {
        Self {
            record,
            action,
            binding,
        }
    }

    /// The same, decided otherwise by another rule.
    pub(crate) fn decided(mut self, decision: Decision, rule: RuleRef) -> Self {
        self.record.decision = decision;
        self.record.rule = rule;
        self
    }

    /// Allow, ask or deny.
    pub fn decision(&self) -> Decision {
        self.record.decision
    }

    /// The rule that decided.
    pub fn rule(&self) -> &RuleRef {
        &self.record.rule
    }

    /// What the action would cause.
    pub fn tier(&self) -> Tier {
        self.record.tier
    }

    /// How it came to this, in words.
    pub fn why(&self) -> &str {
        &self.record.why
    }

    /// All of it, to be written down.
    pub fn record(&self) -> &VerdictRecord {
        &self.record
    }

    /// What the action is bound to.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The verdict with a second opinion heard: it can tighten, never loosen. With nobody to ask, ask is deny.
    #[must_use]
    pub fn tightened(mut self, opinion: &Opinion, attended: bool) -> Self {
        if opinion.decision <= self.record.decision {
            return self;
        }
        let unanswerable = opinion.decision == Decision::Ask && !attended;
        self.record.decision = if unanswerable {
            Decision::Deny
        } else {
            opinion.decision
        };
        self.record.rule = RuleRef {
            layer: Layer::Builtin,
            name: "second-opinion".to_owned(),
            reason: format!("{} has doubts", opinion.by),
        };
        self.record.why.push_str("; ");
        self.record.why.push_str(&opinion.reason);
        if unanswerable {
            self.record.why.push_str(NOBODY);
        }
        self
    }

    /// Turns the verdict into what follows from it.
    pub fn into_outcome(self) -> Outcome<T> {
        match self.record.decision {
            Decision::Allow => Outcome::Allowed(Approved::new(self.action, self.binding, Authority::Rule)),
            Decision::Ask => Outcome::Ask(Ask(self)),
            Decision::Deny => Outcome::Denied(Denial {
                verdict: self.record,
                by: None,
            }),
        }
    }

    /// The approved action, if the verdict is allow.
    pub fn approve(self) -> Option<Approved<T>> {
        match self.into_outcome() {
            Outcome::Allowed(approved) => Some(approved),
            Outcome::Ask(_) | Outcome::Denied(_) => None,
        }
    }
}

impl<T> Ask<T> {
    /// The verdict that asks.
    pub fn verdict(&self) -> &VerdictRecord {
        self.0.record()
    }

    /// The action in question.
    pub fn action(&self) -> &T {
        &self.0.action
    }

    /// What a yes would be bound to.
    pub fn binding(&self) -> &Binding {
        self.0.binding()
    }

    /// Somebody said yes to exactly this.
    pub fn answered_yes(self, by: &str) -> Approved<T> {
        Approved::new(
            self.0.action,
            self.0.binding,
            Authority::Answer { by: by.to_owned() },
        )
    }

    /// Somebody said no, or nobody answered.
    pub fn answered_no(self, by: &str) -> Denial {
        Denial {
            verdict: self.0.record,
            by: Some(by.to_owned()),
        }
    }
}

impl Layer {
    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::System => "system",
            Self::User => "user",
            Self::Run => "run",
            Self::Project => "project",
        }
    }
}

impl Decision {
    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

impl std::fmt::Display for RuleRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.layer.name(), self.name)
    }
}

impl std::fmt::Display for Denial {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let VerdictRecord { rule, why, .. } = &self.verdict;
        match &self.by {
            Some(by) => write!(formatter, "Refused by {by}. Rule {rule}: {} ({why})", rule.reason),
            None => write!(formatter, "Refused. Rule {rule}: {} ({why})", rule.reason),
        }
    }
}
