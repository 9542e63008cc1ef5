//! One self-contained page to look at: frames with marks, thinking, verdicts.
//!
//! Everything that came from a page or a model is escaped, hidden characters are made visible, and the page
//! forbids itself scripts and requests.

mod aside;
mod frame;
mod plan;
mod step;
mod text;
mod timeline;

use std::fmt::Write;

use self::text::{duration, escape};
use crate::{
    DecisionRecord, EndKind, EndRecord, Event, Journal, JournalError, Plan, Record, ResultRecord, RunId,
    StartRecord, UpFrontRecord, clock,
};

const STYLE: &str = include_str!("style.css");

/// How the page is headed.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// The headline; `Aurore` and the number of goals if absent.
    pub title: Option<String>,
}

/// A run taken apart for the page.
struct RunView {
    id: RunId,
    start: Option<StartRecord>,
    began_ms: i64,
    lasted_ms: i64,
    up_front: Vec<UpFrontRecord>,
    steps: Vec<(DecisionRecord, Option<ResultRecord>)>,
    /// When each step was written down as decided and as over, in milliseconds since 1970 UTC.
    times: Vec<(i64, Option<i64>)>,
    /// What others did meanwhile, each with the number of steps before it.
    asides: Vec<(usize, Record)>,
    end: Option<EndRecord>,
    chain: Result<u64, String>,
}

/// The runs of a journal as one HTML page.
pub fn html(journal: &Journal, runs: &[RunId], options: &ReportOptions) -> Result<String, JournalError> {
    let views = runs
        .iter()
        .map(|run| view(journal, run))
        .collect::<Result<Vec<_>, _>>()?;
    let reached = views.iter().filter(|view| outcome(view).0 == "good").count();
    let title = options.title.clone().unwrap_or_else(|| match views.as_slice() {
        [one] => goal(one).to_owned(),
        many => format!("Aurore: {} goals", many.len()),
    });
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<main>\n<h1>{title}</h1>\n",
        title = escape(&title)
    );
    if views.len() > 1 {
        let _ = write!(
            page,
            "<p class=\"lead\">{reached} of {} goals reached.</p>\n<ul class=\"tally\">\n",
            views.len()
        );
        for (index, view) in views.iter().enumerate() {
            let (class, word) = outcome(view);
            let _ = writeln!(
                page,
                "<li><a href=\"#run-{index}\"><span class=\"chip {class}\">{word}</span>{}</a></li>",
                escape(name(view))
            );
        }
        page.push_str("</ul>\n");
    }
    for (index, view) in views.iter().enumerate() {
        write_run(&mut page, journal, index, view)?;
    }
    page.push_str(
        "<footer>Dashed: the box of what would be hit. Ring: where the pointer goes. Each decision was written to the \
         journal before it was carried out.</footer>\n</main>\n</html>\n",
    );
    Ok(page)
}

fn view(journal: &Journal, run: &RunId) -> Result<RunView, JournalError> {
    let records = journal.records(run)?;
    let verification = journal.verify(run)?;
    let began_ms = records.first().map_or(0, |record| record.at_ms);
    let mut view = RunView {
        id: run.clone(),
        start: None,
        began_ms,
        lasted_ms: records.last().map_or(0, |record| record.at_ms) - began_ms,
        up_front: Vec::new(),
        steps: Vec::new(),
        times: Vec::new(),
        asides: Vec::new(),
        end: None,
        chain: match verification.problems.first() {
            None => Ok(verification.records),
            Some(problem) => Err(problem.clone()),
        },
    };
    for record in records {
        if aside::is_one(&record.event) {
            view.asides.push((view.steps.len(), record));
            continue;
        }
        match record.event {
            Event::Start(start) => view.start = Some(start),
            Event::Resume(_) => view.end = None,
            Event::UpFront(asked) => view.up_front.push(asked),
            Event::Decision(decision) => {
                view.steps.push((*decision, None));
                view.times.push((record.at_ms, None));
            }
            Event::Result(result) => {
                if let Some((_, open)) = view.steps.last_mut() {
                    *open = Some(result);
                }
                if let Some((_, over)) = view.times.last_mut() {
                    *over = Some(record.at_ms);
                }
            }
            Event::Order(_) | Event::Hand(_) | Event::HandResult(_) | Event::Window(_) => {}
            Event::End(end) => view.end = Some(end),
        }
    }
    Ok(view)
}

fn goal(view: &RunView) -> &str {
    view.start.as_ref().map_or("", |start| &start.goal)
}

fn name(view: &RunView) -> &str {
    match view.start.as_ref().map(|start| start.name.as_str()) {
        Some(name) if !name.is_empty() => name,
        _ => goal(view),
    }
}

/// Class and word of a run's outcome.
fn outcome(view: &RunView) -> (&'static str, &'static str) {
    let Some(end) = &view.end else {
        return ("warn", "not ended");
    };
    match end.end.kind {
        EndKind::Reached => ("good", "reached"),
        EndKind::Finished => ("good", "finished"),
        EndKind::Answered => ("good", "answered"),
        EndKind::Refused => ("warn", "refused by a rule"),
        EndKind::Stopped => ("warn", "stopped"),
        EndKind::Missed => ("bad", "missed"),
        EndKind::GaveUp => ("bad", "gave up"),
        EndKind::Steps | EndKind::Time | EndKind::Tokens | EndKind::Questions => ("bad", "out of budget"),
        EndKind::Looping => ("bad", "in a circle"),
        EndKind::Unusable => ("bad", "no usable action"),
        EndKind::Failed => ("bad", "failed"),
    }
}

fn write_run(page: &mut String, journal: &Journal, index: usize, view: &RunView) -> Result<(), JournalError> {
    let (class, word) = outcome(view);
    let principal = view.start.as_ref().map_or("", |start| &start.principal);
    let _ = write!(
        page,
        "<section class=\"run\" id=\"run-{index}\">\n<header><div class=\"row\"><h2>{}</h2>\
         <span class=\"chip {class}\">{word}</span></div>\n<p class=\"facts\">",
        escape(goal(view))
    );
    if name(view) != goal(view) {
        let _ = write!(page, "<span>{}</span>", escape(name(view)));
    }
    let steps = view.steps.len();
    let _ = write!(
        page,
        "<span>{}</span><span>{steps} step{}</span><span>{}</span><span>{} UTC</span><span>run {}</span>",
        escape(principal),
        if steps == 1 { "" } else { "s" },
        duration(view.lasted_ms as f64 / 1000.0),
        clock::utc(view.began_ms),
        escape(&view.id.0)
    );
    match &view.chain {
        Ok(records) => {
            let _ = write!(page, "<span>journal whole, {records} records</span>");
        }
        Err(problem) => {
            let _ = write!(
                page,
                "<span class=\"chip bad\">journal broken: {}</span>",
                escape(problem)
            );
        }
    }
    page.push_str("</p>\n");
    if let Some(end) = &view.end {
        let _ = writeln!(
            page,
            "<p class=\"end\">{}</p>",
            escape(&capital(&end.end.message))
        );
    }
    timeline::write(page, index, view);
    page.push_str("</header>\n");
    for asked in &view.up_front {
        let _ = writeln!(
            page,
            "<p class=\"end\">Asked before the first step: {}. {} by {}: {}.</p>",
            escape(&asked.items.join("; ")),
            if asked.approval.allowed {
                "Allowed"
            } else {
                "Not allowed"
            },
            escape(&asked.approval.by),
            escape(&asked.approval.note)
        );
    }
    let mut plan = Plan::default();
    for (place, (decision, result)) in view.steps.iter().enumerate() {
        aside::write(page, view, place);
        let _ = write!(page, "<a id=\"{}\"></a>", timeline::anchor(index, place));
        let before = plan.clone();
        plan.follow(decision);
        let changed = (plan != before).then_some(&plan);
        step::write(page, journal, decision, changed, result.as_ref())?;
    }
    aside::write(page, view, view.steps.len());
    if let Some(id) = view.end.as_ref().and_then(|end| end.frame.as_ref())
        && view
            .steps
            .last()
            .is_some_and(|(decision, _)| decision.frame != *id)
    {
        step::write_last(page, journal, id)?;
    }
    page.push_str("</section>\n");
    Ok(())
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
