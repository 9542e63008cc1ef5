//! The plan and the notes on the page.

use std::fmt::Write;

use super::text::escape;
use crate::{Plan, PlanState};

/// The plan as it stood after a step.
pub(super) fn write(page: &mut String, plan: &Plan) {
    if plan.is_empty() {
        return;
    }
    let (done, all) = plan.progress();
    page.push_str("<div class=\"plan\">");
    if all > 0 {
        let _ = write!(page, "<b>Plan, {done} of {all} done</b>\n<ul>\n");
        for goal in &plan.goals {
            let class = match goal.item.state {
                PlanState::Open => "open",
                PlanState::Done => "done",
                PlanState::Dropped => "dropped",
            };
            let _ = write!(page, "<li class=\"{class}\">{}", escape(&goal.item.text));
            if !goal.item.evidence.is_empty() {
                let step = goal
                    .step
                    .map_or_else(String::new, |step| format!("step {step}: "));
                let _ = write!(
                    page,
                    "<div class=\"why\">{step}{}</div>",
                    escape(&goal.item.evidence)
                );
            }
            page.push_str("</li>\n");
        }
        page.push_str("</ul>\n");
    }
    if !plan.notes.is_empty() {
        page.push_str("<b>Notes</b>\n<ul>\n");
        for note in &plan.notes {
            let _ = writeln!(
                page,
                "<li class=\"note\">{}<div class=\"why\">step {}, {}</div></li>",
                escape(&note.text),
                note.step,
                escape(&note.origin)
            );
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</div>\n");
}
