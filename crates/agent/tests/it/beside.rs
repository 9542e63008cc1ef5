//! A person uses the browser's own window beside the run, in a real browser.

use std::collections::VecDeque;
use std::sync::Arc;

use aurore_action::{Action, Frame, Point, Target};
use aurore_agent::{Budgets, DenyAll, Event, Files, Hub, Journal, Run, RunOptions, StepOutcome};
use aurore_policy::{Approved, Rules};
use aurore_screen::browser::{Browser, BrowserOptions};
use aurore_screen::{Effect, Screen, ScreenError};

use crate::{VIEWPORT, click, pages, script};

/// A browser in whose window somebody presses right after a look: while the model thinks.
struct Shared {
    browser: Browser,
    presses: VecDeque<Option<Point>>,
}

impl Screen for Shared {
    fn look(&mut self) -> Result<Frame, ScreenError> {
        let frame = self.browser.look()?;
        if let Some(at) = self.presses.pop_front().flatten() {
            self.browser.press_as_a_person(at)?;
        }
        Ok(frame)
    }

    fn touched(&mut self) -> bool {
        self.browser.touched()
    }

    fn target(&mut self, action: &Action) -> Result<Option<Target>, ScreenError> {
        self.browser.target(action)
    }

    fn target_at(&mut self, at: Point) -> Result<Option<Target>, ScreenError> {
        self.browser.target_at(at)
    }

    fn perform(&mut self, action: Approved<Action>) -> Result<Effect, ScreenError> {
        self.browser.perform(action)
    }

    fn settle(&mut self) -> Result<(), ScreenError> {
        self.browser.settle()
    }

    fn close(&mut self) {
        self.browser.close();
    }
}

#[test]
fn what_a_person_did_meanwhile_is_told_and_nothing_older_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_folder(folder.path()).unwrap();
    let mut browser = Browser::launch(BrowserOptions {
        viewport: VIEWPORT,
        shared: true,
        ..BrowserOptions::default()
    })
    .expect("these tests need Chromium: apt-get install chromium");
    browser.open(&pages::address("form")).unwrap();
    let mut screen = Shared {
        browser,
        // After the first look of the run, while it is being prepared: nobody. While the model thinks about the second
        // step: the person presses Ready.
        presses: [None, Some(Point::new(100, 80))].into(),
    };
    let mut brain = script(&[click(100, 180), click(100, 180), click(100, 180)]);
    let mut approver = DenyAll;
    let mut run = Run::start(RunOptions {
        goal: "Press Kill.".to_owned(),
        name: String::new(),
        screen: &mut screen,
        brain: &mut brain,
        rules: Rules::builtin(),
        approver: &mut approver,
        budgets: Budgets::default(),
        journal: &journal,
        stop: Arc::default(),
        watch: Hub::default(),
        known_origins: Vec::new(),
        controls: Vec::new(),
        files: Files::default(),
        check: None,
    })
    .unwrap();
    let first = run.step().unwrap();
    assert_eq!(first.outcome, StepOutcome::Done, "{first:#?}");
    // The look after the first step was the person's moment: what they did is not taken for its effect, and seen.
    assert!(first.result.contains("may be their doing"), "{first:#?}");
    let second = run.step().unwrap();
    assert_ne!(first.frame, second.frame);
    let id = run.id().clone();
    drop(run);
    let windows: Vec<u32> = journal
        .records(&id)
        .unwrap()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Window(window) => Some(window.step),
            _ => None,
        })
        .collect();
    assert_eq!(windows, [1], "{second:#?}");
    let log = screen.browser.evaluate("window.log").unwrap();
    assert_eq!(log, serde_json::json!(["ready: "]));
}
