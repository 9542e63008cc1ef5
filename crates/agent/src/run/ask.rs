//! Questions to a person.

use aurore_action::Action;
use aurore_policy::{Approved, Ask, Facts, Request, Rule, ScopeRule, Tier, VerdictRecord, facts, scopes_for};
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
        let scopes = scopes_for(request, ask.verdict());
        let tier = ask.verdict().tier;
        match self.put(request, report, ask.verdict().clone(), &scopes) {
            Ok((by, chosen)) => {
                if let Some(rule) = chosen {
                    self.options.rules.push(rule);
                }
                if tier <= Tier::Once {
                    // A yes to going there makes the place one that the person knows.
                    for place in facts(request).places {
                        if !place.origin.is_empty() && !self.options.known_origins.contains(&place.origin) {
                            self.options.known_origins.push(place.origin);
                        }
                    }
                }
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
            Ok(_) => Ok(approved),
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
    ) -> Result<(String, Option<Rule>), (String, String, Option<(EndKind, String)>)> {
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
        let answer = self.options.approver.ask(&question);
        let by = self.options.approver.answered_by();
        let (allowed, note, rule) = match &answer {
            Answer::Yes => (true, "this once".to_owned(), None),
            Answer::FromNowOn(index) => match scopes.get(*index) {
                Some(scope) => (true, scope.words.clone(), Some(scope.rule.clone())),
                None => (
                    false,
                    "the answer names nothing that was offered".to_owned(),
                    None,
                ),
            },
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
            return Ok((by, rule));
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
                "{} on {origin}, once. If the target, its label, value or origin changes before the input, nothing is input.",
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
                    let covered = decision
                        .facts
                        .as_ref()
                        .is_some_and(|facts: &Facts| rule.matches(facts));
                    let action = decision.action.filter(|_| covered)?;
                    Some(crate::describe_action(&action, decision.target.as_ref()))
                }
                _ => None,
            })
            .collect()
    }
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
