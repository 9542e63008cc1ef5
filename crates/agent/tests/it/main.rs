//! The loop with a scripted brain on pages in real Chromium.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod faults;
mod pages;
#[cfg(test)]
mod watched;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aurore_action::Size;
use aurore_agent::{
    Approver, Budgets, CountingApprover, DenyAll, EndKind, Event, Files, GoalState, Hub, Journal,
    ReportOptions, Run, RunOptions, ScriptedBrain, StepOutcome, StepReport, html,
};
use aurore_policy::Rules;
use aurore_screen::browser::{Browser, BrowserOptions};
use serde_json::{Value, json};

const VIEWPORT: Size = Size {
    width: 500,
    height: 400,
};

struct Desk {
    _folder: tempfile::TempDir,
    journal: Journal,
    browser: Browser,
    stop: Arc<AtomicBool>,
    hub: Hub,
}

impl Desk {
    fn at(page: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut browser = Browser::launch(BrowserOptions {
            viewport: VIEWPORT,
            ..BrowserOptions::default()
        })
        .expect("these tests need Chromium: apt-get install chromium");
        browser.open(&pages::address(page)).unwrap();
        Self {
            journal: Journal::in_folder(folder.path()).unwrap(),
            _folder: folder,
            browser,
            stop: Arc::default(),
            hub: Hub::default(),
        }
    }

    /// Runs a script; the page says by `window.goal` whether it is reached.
    fn run(
        &mut self,
        goal: &str,
        script: &mut ScriptedBrain,
        approver: &mut dyn Approver,
    ) -> (Vec<StepReport>, EndKind) {
        let stop = Arc::clone(&self.stop);
        let mut run = Run::start(RunOptions {
            goal: goal.to_owned(),
            name: String::new(),
            screen: &mut self.browser,
            brain: script,
            rules: Rules::builtin(),
            approver,
            budgets: Budgets::default(),
            journal: &self.journal,
            stop: Arc::clone(&stop),
            watch: self.hub.clone(),
            known_origins: Vec::new(),
            controls: Vec::new(),
            files: Files::default(),
            check: Some(Box::new(|browser: &mut Browser| {
                match browser.evaluate("window.goal") {
                    Ok(Value::Bool(true)) => GoalState::Reached,
                    _ => GoalState::Open,
                }
            })),
        })
        .unwrap();
        let mut reports = Vec::new();
        let end = run
            .to_end(&mut |report| {
                reports.push(report.clone());
                if report.result.contains("kill") || report.words.contains("'Kill'") {
                    stop.store(true, Ordering::SeqCst);
                }
            })
            .unwrap();
        (reports, end.kind)
    }

    fn log(&mut self) -> Vec<String> {
        serde_json::from_value(self.browser.evaluate("window.log").unwrap()).unwrap()
    }

    fn events(&self) -> Vec<Event> {
        let run = self.journal.find("").unwrap();
        let found = self.journal.verify(&run).unwrap();
        assert!(found.is_whole(), "{found:?}");
        self.journal
            .records(&run)
            .unwrap()
            .into_iter()
            .map(|record| record.event)
            .collect()
    }
}

/// Calls of the computer tool, one a line.
fn script(calls: &[Value]) -> ScriptedBrain {
    let lines: Vec<String> = calls
        .iter()
        .map(|arguments| json!({"thinking": "it is there", "intent": "do it", "expect": "a change", "arguments": arguments}).to_string())
        .collect();
    ScriptedBrain::parse("test", &lines.join("\n")).unwrap()
}

fn click(x: u32, y: u32) -> Value {
    json!({"action": "left_click", "coordinate": [x * 1000 / VIEWPORT.width + 1, y * 1000 / VIEWPORT.height + 1]})
}

#[test]
fn a_goal_is_reached_in_a_real_browser_and_reported() {
    let mut desk = Desk::at("form");
    let mut brain = script(&[
        click(100, 30),
        json!({"action": "type", "text": "grün 👍"}),
        click(100, 80),
    ]);
    let (reports, end) = desk.run("Write grün 👍 and press Ready.", &mut brain, &mut DenyAll);
    assert_eq!(end, EndKind::Reached, "{reports:#?}");
    assert_eq!(desk.log(), ["ready: grün 👍"]);
    let words: Vec<&str> = reports.iter().map(|report| report.words.as_str()).collect();
    assert_eq!(
        words,
        [
            "click textbox 'Word'",
            "type \"grün 👍\" into textbox 'Word'",
            "click button 'Ready'"
        ]
    );
    assert!(
        reports.iter().all(|report| report.outcome == StepOutcome::Done),
        "{reports:#?}"
    );
    let run = desk.journal.find("").unwrap();
    let page = html(&desk.journal, &[run], &ReportOptions::default()).unwrap();
    assert!(page.contains("click button &#39;Ready&#39;") && page.contains("reached"));
}

#[test]
fn what_the_rules_refuse_never_reaches_the_page() {
    let mut desk = Desk::at("form");
    let mut brain = script(&[click(100, 130), click(100, 80)]);
    let (reports, end) = desk.run("Look around.", &mut brain, &mut DenyAll);
    assert_eq!(reports[0].words, "click button 'Pay now'");
    assert_eq!(reports[0].outcome, StepOutcome::Refused);
    assert!(
        reports[0].result.contains("pays or orders"),
        "{}",
        reports[0].result
    );
    assert_eq!(end, EndKind::Reached, "the model went another way");
    assert_eq!(desk.log(), ["ready: "]);
}

#[test]
fn a_target_that_is_swapped_after_the_approval_is_not_clicked() {
    let mut desk = Desk::at("swap");
    let mut approver = CountingApprover::yes();
    let (reports, _) = desk.run("Press OK.", &mut script(&[click(100, 30)]), &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(
        reports[0].result.contains("changed after the approval"),
        "{}",
        reports[0].result
    );
    assert!(desk.log().is_empty());
}

#[test]
fn stopped_in_mid_run_the_journal_is_whole_and_the_run_can_go_on() {
    let mut desk = Desk::at("form");
    let mut brain = script(&[click(100, 180), click(100, 80)]);
    let (reports, end) = desk.run("Press Kill, then Ready.", &mut brain, &mut DenyAll);
    assert_eq!(
        (end, reports[0].words.as_str()),
        (EndKind::Stopped, "click button 'Kill'")
    );
    assert!(matches!(desk.events().last(), Some(Event::End(_))));
    assert!(desk.log().is_empty());

    let run = desk.journal.find("").unwrap();
    let mut approver = DenyAll;
    let mut run = Run::resume(
        RunOptions {
            goal: String::new(),
            name: String::new(),
            screen: &mut desk.browser,
            brain: &mut brain,
            rules: Rules::builtin(),
            approver: &mut approver,
            budgets: Budgets::default(),
            journal: &desk.journal,
            stop: Arc::default(),
            watch: Hub::default(),
            known_origins: Vec::new(),
            controls: Vec::new(),
            files: Files::default(),
            check: None,
        },
        run,
    )
    .unwrap();
    let step = run.step().unwrap();
    assert_eq!((step.number, step.words.as_str()), (2, "click button 'Ready'"));
    drop(run);
    assert_eq!(desk.log(), ["ready: "]);
}

#[test]
fn the_rest_of_the_machine_is_out_of_reach() {
    let mut desk = Desk::at("form");
    let mut brain = script(&[
        json!({"action": "open_url", "url": "file:///etc/passwd"}),
        json!({"action": "open_url", "url": "chrome://settings"}),
        json!({"action": "open_url", "url": "http://127.0.0.1:9/"}),
    ]);
    let (reports, _) = desk.run("Look around.", &mut brain, &mut DenyAll);
    assert_eq!(reports[0].outcome, StepOutcome::Refused, "{reports:#?}");
    assert!(
        reports.iter().all(|report| report.outcome != StepOutcome::Done),
        "{reports:#?}"
    );
}
