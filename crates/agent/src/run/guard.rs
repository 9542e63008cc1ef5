//! What stands beside the rules of a run: a second opinion, and where "from now on" is written.

use aurore_action::{Action, Target};
use aurore_policy::{Allowance, Decision, Opinion, Request, Tier, Verdict, VerdictRecord};
use aurore_screen::Screen;

use super::{Run, StepReport};

/// What a second opinion is asked about.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Judged<'a> {
    /// The person's words.
    pub goal: &'a str,
    /// The model's intent: untrusted text.
    pub intent: &'a str,
    /// The action in words.
    pub words: &'a str,
    /// The action itself.
    pub action: &'a Action,
    /// What it hits: the page's own words.
    pub target: Option<&'a Target>,
    /// Address of the page.
    pub url: Option<&'a str>,
    /// What the rules say.
    pub verdict: &'a VerdictRecord,
}

/// Somebody else who looks at a verdict before it takes effect: another model, a program. It can tighten, never
/// loosen.
pub trait SecondOpinion {
    /// Whether it wants to see such a verdict. What is denied anyway is never shown; what is free need not be.
    fn wants(&self, verdict: &VerdictRecord) -> bool {
        verdict.decision == Decision::Allow && verdict.tier > Tier::Free
    }

    /// What it holds of it; `None` if it has nothing to say. A second opinion that fails should say [`Decision::Ask`].
    fn opinion(&mut self, judged: &Judged<'_>) -> Option<Opinion>;
}

/// Writes what was allowed from now on where the next run finds it.
pub trait Keeper {
    /// Keeps an allowance, with the reason and the date (`2026-05-12`, UTC), and gives the name that it can be
    /// revoked by.
    ///
    /// # Errors
    /// In words, when it cannot be written. The answer then counts for this run alone.
    fn keep(&mut self, allowance: &Allowance, reason: &str, date: &str) -> Result<String, String>;
}

impl<S: Screen + ?Sized> Run<'_, S> {
    /// The verdict after somebody else has looked at it.
    pub(super) fn second_opinion(
        &mut self,
        verdict: Verdict,
        request: &Request<'_>,
        report: &StepReport,
    ) -> Verdict {
        let Some(other) = &mut self.beside.opinion else {
            return verdict;
        };
        if verdict.decision() == Decision::Deny || !other.wants(verdict.record()) {
            return verdict;
        }
        let opinion = other.opinion(&Judged {
            goal: &self.options.goal,
            intent: &report.intent,
            words: &report.words,
            action: request.action,
            target: request.target,
            url: request.context.url.as_deref(),
            verdict: verdict.record(),
        });
        match opinion {
            Some(opinion) => verdict.tightened(&opinion, request.context.attended),
            None => verdict,
        }
    }
}

/// What a run has of these.
#[derive(Default)]
pub(super) struct Beside<'a> {
    pub(super) opinion: Option<&'a mut dyn SecondOpinion>,
    pub(super) keeper: Option<&'a mut dyn Keeper>,
    /// Secrets that may be typed by name, and the origins that each is bound to.
    pub(super) secrets: Vec<(String, Vec<String>)>,
    /// Labels of fields whose text is nobody's business.
    pub(super) private: Vec<String>,
}
