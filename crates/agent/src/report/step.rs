//! One step on the page.

use std::fmt::Write;

use aurore_action::FrameId;
use aurore_policy::Decision as Ruling;

use super::{
    frame::{self, Marks},
    plan,
    text::{duration, escape},
};
use crate::{DecisionRecord, Journal, JournalError, Plan, ResultRecord, StepOutcome, clock, describe_action};

/// A decision, its verdict and what came of it, beside the frame that it was made on; `plan` if it changed that.
pub(super) fn write(
    page: &mut String,
    journal: &Journal,
    decision: &DecisionRecord,
    plan: Option<&Plan>,
    result: Option<&ResultRecord>,
) -> Result<(), JournalError> {
    open(page, frame::is_small(decision.size));
    let bounds = decision.target.as_ref().and_then(|target| target.bounds);
    let marks = Marks::of(decision.action.as_ref(), bounds);
    frame::write(page, journal, &decision.frame, Some(decision.size), &marks)?;
    let place = decision.url.as_deref().unwrap_or(&decision.origin);
    let _ = write!(page, "<figcaption>{}</figcaption></figure>\n<div>", escape(place));

    let mut times = Vec::new();
    if decision.tokens > 0 {
        times.push(format!(
            "thought for {} ({} tokens)",
            duration(decision.seconds),
            decision.tokens
        ));
    }
    if let Some(result) = result {
        times.push(format!("{} in all", duration(result.seconds)));
    }
    let _ = write!(
        page,
        "<div class=\"head\"><b>Step {}</b><span>{}",
        decision.step,
        times.join(", ")
    );
    page.push_str("</span></div>\n");
    if !decision.thinking.is_empty() {
        let _ = writeln!(page, "<blockquote>{}</blockquote>", escape(&decision.thinking));
    }
    page.push_str("<dl>\n");
    item(page, "Intent", &decision.intent, "");
    item(page, "Expects", &decision.expect, "");
    let words = decision.action.as_ref().map_or_else(
        || "no usable action".to_owned(),
        |action| describe_action(action, decision.target.as_ref()),
    );
    item(page, "Action", &words, "act");
    verdict(page, decision);
    if let Some(approval) = &decision.approval {
        let said = if approval.allowed { "Yes" } else { "No" };
        let note = if approval.note.is_empty() {
            String::new()
        } else {
            format!(": {}", approval.note)
        };
        let when = clock::utc(approval.at_ms);
        item(
            page,
            "Asked",
            &format!("{said}, said {} at {when} UTC{note}", approval.by),
            "",
        );
    }
    match result {
        Some(result) => {
            let (class, word) = outcome(result.outcome);
            let _ = writeln!(
                page,
                "<dt>Result</dt><dd><span class=\"chip {class}\">{word}</span><div class=\"why\">{}</div></dd>",
                escape(if result.result == "Done." {
                    ""
                } else {
                    &result.result
                })
            );
        }
        None => item(page, "Result", "not known: the run was interrupted here", ""),
    }
    page.push_str("</dl>");
    if let Some(plan) = plan {
        plan::write(page, plan);
    }
    page.push_str("</div></article>\n");
    Ok(())
}

/// What the screen showed when the run ended.
pub(super) fn write_last(page: &mut String, journal: &Journal, id: &FrameId) -> Result<(), JournalError> {
    let mut shot = String::new();
    let size = frame::write(&mut shot, journal, id, None, &Marks::default())?;
    open(page, frame::is_small(size));
    page.push_str(&shot);
    page.push_str("</figure>\n<div><div class=\"head\"><b>In the end</b></div><p class=\"why\">What the screen showed when the run ended.</p></div></article>\n");
    Ok(())
}

fn open(page: &mut String, small: bool) {
    page.push_str(if small {
        "<article class=\"step\"><figure>"
    } else {
        "<article class=\"step wide\"><figure>"
    });
}

fn item(page: &mut String, name: &str, value: &str, class: &str) {
    if !value.is_empty() {
        let _ = writeln!(
            page,
            "<dt>{name}</dt><dd class=\"{class}\">{}</dd>",
            escape(value)
        );
    }
}

fn verdict(page: &mut String, decision: &DecisionRecord) {
    let Some(verdict) = &decision.verdict else {
        return;
    };
    let (class, word) = match verdict.decision {
        Ruling::Allow => ("good", "allowed"),
        Ruling::Ask => ("warn", "asked"),
        Ruling::Deny => ("bad", "denied"),
    };
    let _ = writeln!(
        page,
        "<dt>Verdict</dt><dd><span class=\"chip {class}\">{word}</span><span class=\"rule\">{}</span>\
         <div class=\"why\">{}: {}. {}.</div></dd>",
        escape(&verdict.rule.to_string()),
        escape(&capital(&verdict.tier.to_string())),
        escape(&verdict.why),
        escape(&capital(&verdict.rule.reason))
    );
}

fn capital(text: &str) -> String {
    super::capital(text)
}

fn outcome(outcome: StepOutcome) -> (&'static str, &'static str) {
    match outcome {
        StepOutcome::Done => ("good", "done, the screen changed"),
        StepOutcome::NoEffect => ("warn", "done, nothing changed"),
        StepOutcome::Refused => ("bad", "not done: refused"),
        StepOutcome::Failed => ("bad", "failed"),
        StepOutcome::Unusable => ("bad", "unusable"),
        StepOutcome::Ended => ("calm", "the run ends"),
    }
}
