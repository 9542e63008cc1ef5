//! A step of a run as lines for a person.

use aurore_agent::{End, Plan, PlanState, StepOutcome, StepReport, reveal};
use aurore_policy::{Decision, VerdictRecord};

use crate::style::{Look, Style};

/// Prints steps as they come.
pub struct StepPrinter {
    style: Style,
}

impl StepPrinter {
    /// A printer for standard output.
    pub fn new(color: bool) -> Self {
        Self {
            style: Style::new(color),
        }
    }

    /// Prints one step. Everything that came off a page or out of a model is shown with its invisible and
    /// control characters made visible.
    pub fn print(&self, step: &StepReport) {
        if step.outcome == StepOutcome::Ended && step.action.is_none() {
            // A budget ran out before anything was decided: the end says so.
            return;
        }
        let number = self
            .style
            .paint(Look::Bold, format!("{:>3}", step.number))
            .to_string();
        let mut first = Some(number);
        let mut line = |label: &str, text: &str| {
            let lead = first.take().unwrap_or_else(|| "   ".to_owned());
            let label = self.style.paint(Look::Dim, format!("{label:<9}"));
            println!("{lead}  {label} {text}");
        };
        if !step.thinking.is_empty() {
            let thinking = reveal(step.thinking.trim(), true).replace('\n', "\n               ");
            line("thinking", &self.style.paint(Look::Dim, thinking).to_string());
        }
        if let Some(plan) = &step.plan {
            self.plan(plan, step.number, &mut line);
        }
        if !step.intent.is_empty() {
            line("intent", &reveal(&step.intent, false));
        }
        line("action", &reveal(&step.words, false));
        if let Some(verdict) = &step.verdict {
            line("verdict", &self.verdict(verdict));
        }
        if let Some(approval) = &step.approval {
            let answer = if approval.allowed { "yes" } else { "no" };
            line("asked", &format!("{}: {answer}", reveal(&approval.by, false)));
        }
        let outcome = self.outcome(step);
        let time = format!("{:.2} s (model {:.2} s)", step.seconds, step.thinking_seconds);
        line(
            "result",
            &format!("{outcome}  {}", self.style.paint(Look::Dim, time)),
        );
    }

    /// The plan after a step that changed it, and the notes of this step.
    fn plan(&self, plan: &Plan, step: u32, line: &mut impl FnMut(&str, &str)) {
        for (index, goal) in plan.goals.iter().enumerate() {
            let label = if index == 0 { "plan" } else { "" };
            let look = match goal.item.state {
                PlanState::Open => Look::Bold,
                PlanState::Done => Look::Green,
                PlanState::Dropped => Look::Yellow,
            };
            let text = reveal(&goal.item.to_string(), false);
            line(label, &self.style.paint(look, text).to_string());
        }
        for note in plan.notes.iter().filter(|note| note.step == step) {
            line("note", &reveal(&note.text, false));
        }
    }

    fn verdict(&self, verdict: &VerdictRecord) -> String {
        let (look, word) = match verdict.decision {
            Decision::Allow => (Look::Green, "allow"),
            Decision::Ask => (Look::Yellow, "ask"),
            Decision::Deny => (Look::Red, "deny"),
        };
        format!(
            "{}  rule {}: {}",
            self.style.paint(look, word),
            reveal(&verdict.rule.to_string(), false),
            reveal(&verdict.rule.reason, false)
        )
    }

    fn outcome(&self, step: &StepReport) -> String {
        let painted = |look, text: &str| self.style.paint(look, text).to_string();
        match step.outcome {
            StepOutcome::Done => painted(Look::Green, "done"),
            StepOutcome::NoEffect => painted(Look::Yellow, "done, and nothing changed on the screen"),
            StepOutcome::Ended => painted(Look::Green, "ended"),
            StepOutcome::Refused => {
                // The verdict's line has named the rule; what is left to say is why, or who said no.
                let why = match &step.verdict {
                    Some(verdict) if verdict.decision == Decision::Deny => &verdict.why,
                    _ => &step.result,
                };
                format!("{}: {}", painted(Look::Red, "refused"), reveal(why, false))
            }
            StepOutcome::Failed if step.end.as_ref().is_some_and(End::is_success) => {
                format!(
                    "{}: the page answered the press before its release",
                    painted(Look::Green, "done")
                )
            }
            StepOutcome::Failed => format!(
                "{}: {}",
                painted(Look::Red, "failed"),
                reveal(&step.result, false)
            ),
            StepOutcome::Unusable => {
                format!(
                    "{}: {}",
                    painted(Look::Red, "unusable"),
                    reveal(&step.result, false)
                )
            }
        }
    }
}
