//! What goes wrong on the way, in a real browser: each ends in a clear state or is recovered from.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aurore_action::{Action, Button, Point};
use aurore_agent::{
    Answer, Approver, Brain, BrainError, Budgets, Decision, DenyAll, End, EndKind, Event, Files, GoalState,
    Hub, Observation, Question, Run, RunOptions, StepOutcome, StepReport,
};
use aurore_policy::{Principal, Rules};
use aurore_screen::browser::Browser;
use serde_json::Value;
use tiny_http::{Header, Response, Server};

use crate::{Desk, pages};

/// A brain that looks at what it is shown.
struct Thinker<F>(F);

impl<F: FnMut(&Observation<'_>) -> Decision> Brain for Thinker<F> {
    fn principal(&self) -> Principal {
        Principal::model("thinker")
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        Ok((self.0)(observation))
    }
}

fn click(x: i32, y: i32) -> Action {
    Action::Click {
        button: Button::Left,
        count: 1,
        at: Point::new(x, y),
        modifiers: Vec::new(),
    }
}

fn work(
    desk: &mut Desk,
    decide: impl FnMut(&Observation<'_>) -> Decision,
    approver: &mut dyn Approver,
) -> (Vec<StepReport>, End) {
    let mut brain = Thinker(decide);
    let mut run = Run::start(RunOptions {
        goal: "Press Ready.".to_owned(),
        name: String::new(),
        screen: &mut desk.browser,
        brain: &mut brain,
        rules: Rules::builtin(),
        approver,
        budgets: Budgets {
            steps: 12,
            ..Budgets::default()
        },
        journal: &desk.journal,
        stop: Arc::default(),
        watch: Hub::default(),
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
    let end = run.to_end(&mut |report| reports.push(report.clone())).unwrap();
    (reports, end)
}

/// Kills the browser of a profile, and says yes.
struct Killer(std::path::PathBuf);

impl Approver for Killer {
    fn name(&self) -> String {
        "the killer".to_owned()
    }

    fn ask(&mut self, _: &Question) -> Answer {
        let killed = kill(&self.0);
        assert!(killed > 0);
        Answer::Yes
    }
}

/// Kills the processes that were started with this profile.
fn kill(profile: &Path) -> usize {
    let name = format!("--user-data-dir={}", profile.display());
    let mut killed = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut arguments = command.split(|byte| *byte == 0);
        // The shell that keeps the browser is not it.
        if !command.starts_with(b"/bin/sh") && arguments.any(|argument| argument == name.as_bytes()) {
            let id = entry.file_name().to_string_lossy().into_owned();
            killed += usize::from(
                Command::new("kill")
                    .args(["-KILL", &id])
                    .status()
                    .unwrap()
                    .success(),
            );
        }
    }
    killed
}

#[test]
fn a_browser_killed_in_mid_step_ends_the_run_with_a_record_of_it() {
    let mut desk = Desk::at("form");
    let mut killer = Killer(desk.browser.profile().to_owned());
    let (reports, end) = work(&mut desk, |_| Decision::new(click(100, 130)), &mut killer);
    assert_eq!(end.kind, EndKind::Failed, "{end:?}");
    assert!(end.message.contains("the browser ended"), "{}", end.message);
    assert_eq!(reports.len(), 1);
    let events = desk.events();
    let [
        Event::Start(_),
        Event::Decision(decision),
        Event::Result(result),
        Event::End(_),
    ] = events.as_slice()
    else {
        panic!("{events:#?}");
    };
    assert!(decision.perform && decision.approval.as_ref().unwrap().allowed);
    assert_eq!(result.outcome, StepOutcome::Failed);
}

#[test]
fn a_site_that_is_gone_and_a_page_of_errors_are_told_and_left_again() {
    let broken = Arc::new(Server::http("127.0.0.1:0").unwrap());
    let address = format!("http://{}/", broken.server_addr());
    let worker = std::thread::spawn({
        let broken = Arc::clone(&broken);
        move || {
            for request in broken.incoming_requests() {
                let html: Header = "Content-Type: text/html".parse().unwrap();
                let _ = request.respond(
                    Response::from_string("<title>Internal error</title><h1>It is broken</h1>")
                        .with_status_code(500)
                        .with_header(html),
                );
            }
        }
    });
    let mut desk = Desk::at("form");
    // Nobody listens on the discard port.
    desk.browser
        .evaluate(
            "document.querySelectorAll('button')[1].onclick = () => location.href = 'http://127.0.0.1:9/'",
        )
        .unwrap();
    desk.browser
        .evaluate(&format!(
            "document.querySelectorAll('button')[1].textContent = 'Next'; \
             document.querySelectorAll('button')[2].onclick = () => location.href = '{address}'"
        ))
        .unwrap();
    let mut told = Vec::new();
    let (reports, end) = work(
        &mut desk,
        |observation| {
            told.push((observation.frame.title.clone(), observation.notes.join(" ")));
            let lost = observation
                .notes
                .iter()
                .any(|note| note.contains("shows an error page"));
            Decision::new(match observation.history.len() {
                0 => click(100, 180),
                _ if observation.frame.title == "Internal error" || lost => Action::Back,
                2 => click(100, 130),
                _ => click(100, 80),
            })
        },
        &mut DenyAll,
    );
    broken.unblock();
    worker.join().unwrap();
    assert_eq!(end.kind, EndKind::Reached, "{told:?} {reports:#?}");
    assert!(
        told.iter().any(|(title, _)| title == "Internal error"),
        "{told:?}"
    );
}

#[test]
fn two_tabs_and_notes_from_one_to_the_other() {
    let mut desk = Desk::at("form");
    let other = pages::address("other-tab");
    desk.browser
        .evaluate(&format!(
            "const link = document.createElement('a'); link.href = '{other}'; link.target = '_blank'; link.textContent = 'Prices'; \
             link.style = 'position: absolute; left: 20px; top: 220px'; document.body.append(link)"
        ))
        .unwrap();
    let (reports, end) = work(
        &mut desk,
        |observation| match observation.history.len() {
            0 => Decision::new(click(30, 230)),
            1 => {
                assert_eq!(observation.frame.tabs.len(), 2, "{:?}", observation.frame.tabs);
                assert!(
                    observation.history[0].result.contains("opened a new tab"),
                    "{:?}",
                    observation.history[0].result
                );
                Decision {
                    notes: vec!["the price is 42 €".into()],
                    ..Decision::new(Action::SwitchTab { index: 0 })
                }
            }
            2 => {
                assert_eq!(observation.plan.notes[0].text, "the price is 42 €");
                Decision::new(click(100, 30))
            }
            3 => Decision::new(Action::Type {
                text: "42 €".to_owned(),
            }),
            4 => Decision::new(Action::SwitchTab { index: 1 }),
            5 => Decision::new(Action::CloseTab),
            _ => {
                assert!(observation.frame.tabs.len() == 1, "{:?}", observation.frame.tabs);
                Decision::new(click(100, 80))
            }
        },
        &mut DenyAll,
    );
    assert_eq!(end.kind, EndKind::Reached, "{reports:#?}");
    assert_eq!(desk.log(), ["ready: 42 €"]);
}

#[test]
fn a_page_that_never_settles_costs_a_bounded_time_and_is_told() {
    let mut desk = Desk::at("form");
    desk.browser
        .evaluate("void document.body.animate([{opacity: 1}, {opacity: 0.5}], {duration: 1e6})")
        .unwrap();
    let mut notes = Vec::new();
    let (_, end) = work(
        &mut desk,
        |observation| {
            notes.extend_from_slice(observation.notes);
            Decision::new(if observation.history.is_empty() {
                click(100, 180)
            } else {
                click(100, 80)
            })
        },
        &mut DenyAll,
    );
    assert_eq!(end.kind, EndKind::Reached);
    assert!(
        notes.iter().any(|note| note.contains("keeps changing")),
        "{notes:?}"
    );
}
