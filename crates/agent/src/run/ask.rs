//! Questions to a person.

use aurore_action::Action;
use aurore_policy::{
    Approved, Ask, Effect, Facts, Request, Rule, ScopeRule, Tier, VerdictRecord, facts, scopes_for,
};
use aurore_screen::Screen;

use super::{EndKind, Run, StepReport, state::stopped_message};
use crate::{Answer, Approval, Event, Question, Scope, clock};

/// Why something is not done, and whether that ends the run.
type Refusal = (String, Option<(EndKind, String)>);

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Puts the question of a verdict.
    pub(super) fn ask(
        &mut self,
        request: &Request<'_>,
        report: &mut StepReport,
        ask: Ask,
    ) -> Result<Approved<Action>, Refusal> {
        let mut scopes = scopes_for(request, ask.verdict());
        if self.beside.keeper.is_none() {
            scopes.retain(|scope| scope.kept.is_none());
        }
        match self.put(request, report, ask.verdict().clone(), &scopes) {
            Ok((by, chosen)) => {
                if let Some(scope) = chosen {
                    if !self.keep(&scope, report) {
                        self.granted.push(scope.text);
                    }
                    self.options.rules.push(scope.rule);
                }
                self.now_known(&facts(request));
                Ok(ask.answered_yes(&by))
            }
            Err((by, why, end)) => {
                let denial = ask.answered_no(&by);
                Err((
                    if why.is_empty() {
                        denial.to_string()
                    } else {
                        format!("{denial}. {why}")
                    },
                    end,
                ))
            }
        }
    }

    /// Writes down what outlives the run, and says so in the journal; whether it is written.
    fn keep(&mut self, scope: &ScopeRule, report: &mut StepReport) -> bool {
        let (Some(kept), Some(keeper)) = (&scope.kept, &mut self.beside.keeper) else {
            return false;
        };
        let date: String = clock::utc(clock::now_ms()).chars().take(10).collect();
        let reason = format!("you allowed it on {date}, when asked about: {}", report.words);
        let (said, written) = match keeper.keep(kept, &reason, &date) {
            Ok(name) => (format!("; kept as {name}"), true),
            Err(error) => (
                format!("; for this run alone, as it could not be kept: {error}"),
                false,
            ),
        };
        if let Some(approval) = &mut report.approval {
            approval.note.push_str(&said);
        }
        written
    }

    fn now_known(&mut self, facts: &[Facts]) {
        for origin in facts.iter().flat_map(made_known) {
            if !self.options.known_origins.iter().any(|known| known == origin) {
                self.options.known_origins.push(origin.to_owned());
            }
        }
    }

    /// Asks before an action is done a second time whose first time may have taken effect.
    pub(super) fn confirm_repeat(
        &mut self,
        request: &Request<'_>,
        report: &mut StepReport,
        approved: Approved<Action>,
    ) -> Result<Approved<Action>, Refusal> {
        const WHY: &str = "the same action was begun before the run was interrupted, and nobody knows whether it took effect";
        let refused = |end| {
            (
                format!("Refused: {WHY}. Look at the screen and decide on something else."),
                end,
            )
        };
        if !self.options.approver.attended() {
            return Err(refused(None));
        }
        let Some(mut verdict) = report.verdict.clone() else {
            return Err(refused(None));
        };
        WHY.clone_into(&mut verdict.why);
        match self.put(request, report, verdict, &[]) {
            Ok(_) => {
                // Somebody knows: from here on it is an action like any other.
                self.unknown = None;
                Ok(approved)
            }
            Err((_, _, end)) => Err(refused(end)),
        }
    }

    /// Shows a question and notes the answer: who said yes and to what from now on, or who said no, why, and
    /// whether the run ends.
    #[expect(
        clippy::type_complexity,
        reason = "both halves are taken apart at once by the two callers"
    )]
    fn put(
        &mut self,
        request: &Request<'_>,
        report: &mut StepReport,
        verdict: VerdictRecord,
        scopes: &[ScopeRule],
    ) -> Result<(String, Option<ScopeRule>), (String, String, Option<(EndKind, String)>)> {
        let by = self.options.approver.name();
        if self.questions >= self.options.budgets.questions {
            let message = format!(
                "the budget of {} questions is used up; the next one would be: {}?",
                self.options.budgets.questions, report.words
            );
            return Err((
                "the budget".to_owned(),
                message.clone(),
                Some((EndKind::Questions, message)),
            ));
        }
        if self.stopped() {
            return Err((by, String::new(), Some((EndKind::Stopped, stopped_message()))));
        }
        self.questions += 1;
        let question = self.question(request, report, verdict, scopes);
        self.options.screen.questioned(true);
        let answer = self.options.approver.ask(&question);
        self.options.screen.questioned(false);
        let by = self.options.approver.answered_by();
        let (allowed, note, scope) = match &answer {
            Answer::Yes => (true, "this once".to_owned(), None),
            Answer::FromNowOn(index) => match scopes.get(*index) {
                Some(scope) => (true, scope.words.clone(), Some(scope.clone())),
                None => (
                    false,
                    "the answer names nothing that was offered".to_owned(),
                    None,
                ),
            },
            Answer::Only(_) => (
                false,
                "the answer names nothing that was offered".to_owned(),
                None,
            ),
            Answer::No(why) => (false, why.clone(), None),
            Answer::Stop => (false, "and the run ends".to_owned(), None),
        };
        report.approval = Some(Approval {
            allowed,
            by: by.clone(),
            note: note.clone(),
            at_ms: clock::now_ms(),
        });
        if allowed {
            return Ok((by, scope));
        }
        let end = (answer == Answer::Stop).then(|| {
            (
                EndKind::Stopped,
                format!("stopped by {by} when asked about: {}", report.words),
            )
        });
        Err((by, note, end))
    }

    fn question(
        &self,
        request: &Request<'_>,
        report: &StepReport,
        verdict: VerdictRecord,
        scopes: &[ScopeRule],
    ) -> Question {
        let target = request.target.cloned();
        let origin = target
            .as_ref()
            .map_or(&self.frame.origin, |target| &target.origin);
        Question {
            run: self.id.0.clone(),
            step: self.steps,
            goal: self.options.goal.clone(),
            thinking: report.thinking.clone(),
            intent: report.intent.clone(),
            expect: report.expect.clone(),
            words: report.words.clone(),
            action: request.action.clone(),
            url: self.frame.url.clone(),
            origin: self.frame.origin.clone(),
            verdict,
            grants: format!(
                "{} on {origin}, once. If the target, its label, value or origin changes before the input, or an amount of money on the page, nothing is input.",
                report.words
            ),
            scopes: scopes
                .iter()
                .map(|scope| Scope {
                    words: scope.words.clone(),
                    earlier: self.earlier(&scope.rule),
                })
                .collect(),
            frame: self.frame_id(),
            png: self.frame.png.clone(),
            point: request.action.point(),
            bounds: target.as_ref().and_then(|target| target.bounds),
            target,
            wait: self.answer_time(),
        }
    }

    /// Earlier actions of this run that a rule would have covered, in words.
    fn earlier(&self, rule: &Rule) -> Vec<String> {
        let Ok(records) = self.options.journal.records(&self.id) else {
            return Vec::new();
        };
        records
            .into_iter()
            .filter_map(|record| match record.event {
                Event::Decision(decision) => {
                    let covered = decision.facts.as_ref().is_some_and(|facts| rule.matches(facts))
                        && decision.more_facts.iter().all(|facts| rule.matches(facts));
                    let action = decision.action.filter(|_| covered)?;
                    Some(crate::describe_action(&action, decision.target.as_ref()))
                }
                _ => None,
            })
            .collect()
    }
}

/// A yes to going somewhere makes the place one that the person knows; a yes to something else that happens there does
/// not.
pub(super) fn made_known(facts: &Facts) -> impl Iterator<Item = &str> {
    let going = |effect: &Effect| matches!(effect, Effect::NewPlace | Effect::LocalPlace | Effect::Carry);
    let makes = facts.tier <= Tier::Once || facts.effects.iter().all(going);
    facts
        .places
        .iter()
        .map(|place| place.origin.as_str())
        .filter(move |origin| makes && !origin.is_empty())
}

/// Whether doing it twice is not the same as doing it once.
pub(super) fn matters(action: &Action) -> bool {
    !matches!(
        action,
        Action::Screenshot
            | Action::Zoom { .. }
            | Action::Wait { .. }
            | Action::Scroll { .. }
            | Action::MouseMove { .. }
            | Action::CursorPosition
            | Action::Answer { .. }
            | Action::Terminate { .. }
    )
}
