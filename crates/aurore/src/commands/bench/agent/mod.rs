//! `aurore bench agent`: what a step costs besides the model, part by part.

mod page;

use std::process::ExitCode;
use std::sync::Arc;

use aurore_action::{Action, Button, Chord, Point, Size};
use aurore_agent::{
    Brain, BrainError, Budgets, Decision, DenyAll, Files, Hub, Journal, Observation, Parts, Run, RunOptions,
    StepOutcome,
};
use aurore_policy::{Principal, Rules};
use aurore_screen::browser::{Browser, BrowserOptions};
use serde_json::json;

use super::figures::round;
use crate::failure::hinted;
use crate::global::Global;

/// The screen that is measured on.
const VIEWPORT: Size = Size {
    width: 1280,
    height: 800,
};

/// Steps before those that are counted: the first ones fill caches.
const WARM_UP: usize = 5;

/// Options of `aurore bench agent`.
#[derive(clap::Args)]
pub struct Args {
    /// Steps that are counted.
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,
    /// The browser, if it is not on PATH.
    #[arg(long, value_name = "FILE")]
    browser_path: Option<std::path::PathBuf>,
    /// Where the journal is written for the time of the measurement; the system's temporary folder if absent.
    #[arg(long, value_name = "DIR")]
    journal: Option<std::path::PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let site = page::Site::start()?;
    let folder = match &args.journal {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let journal = Journal::in_folder(folder.path())?;
    let mut browser = Browser::launch(BrowserOptions {
        path: args.browser_path.clone(),
        viewport: VIEWPORT,
        stop: Arc::clone(&global.interrupted),
        ..BrowserOptions::default()
    })?;
    browser.open(site.address())?;
    let steps = args.steps as usize + WARM_UP;
    let mut brain = Hands {
        step: 0,
        backspace: Chord::parse(&["Backspace"])?,
    };
    let mut approver = DenyAll;
    let mut run = Run::start(RunOptions {
        goal: "Measure.".to_owned(),
        name: String::new(),
        screen: &mut browser,
        brain: &mut brain,
        rules: Rules::builtin(),
        approver: &mut approver,
        budgets: Budgets {
            steps: u32::MAX,
            ..Budgets::default()
        },
        journal: &journal,
        stop: Arc::clone(&global.interrupted),
        watch: Hub::default(),
        known_origins: Vec::new(),
        controls: Vec::new(),
        files: Files::default(),
        check: None,
    })?;
    let mut measured = Vec::with_capacity(steps);
    for _ in 0..steps {
        let report = run.step()?;
        if let Some(end) = report.end {
            return Err(hinted(end.message, "nothing was measured: run it again"));
        }
        if report.outcome != StepOutcome::Done {
            return Err(hinted(
                format!(
                    "a step did not do what it should ({}): {}",
                    report.words, report.result
                ),
                "this is a defect; please report it",
            ));
        }
        measured.push((report.parts, report.seconds));
    }
    print(&measured[WARM_UP..], global);
    Ok(ExitCode::SUCCESS)
}

/// One part of a step.
type Part = (&'static str, fn(&(Parts, f64)) -> f64);

const PARTS: [Part; 8] = [
    ("target", |(parts, _)| parts.target),
    ("verdict", |(parts, _)| parts.verdict),
    ("journal", |(parts, _)| parts.journal),
    ("input", |(parts, _)| parts.input),
    ("capture", |(parts, _)| parts.capture),
    ("rest", |(parts, seconds)| {
        parts.overhead(*seconds) - parts.target - parts.verdict - parts.journal - parts.input - parts.capture
    }),
    ("overhead", |(parts, seconds)| parts.overhead(*seconds)),
    ("settle", |(parts, _)| parts.settle),
];

fn print(measured: &[(Parts, f64)], global: &Global) {
    if !global.json {
        println!(
            "one step at {}x{}, milliseconds, {} steps",
            VIEWPORT.width,
            VIEWPORT.height,
            measured.len()
        );
        println!("{:<10} {:>8} {:>8} {:>8}", "part", "median", "90 %", "most");
    }
    for (name, part) in PARTS {
        let mut times: Vec<f64> = measured.iter().map(|step| part(step).max(0.0) * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let (median, most_of, most) = (at(0.5), at(0.9), at(1.0));
        if global.json {
            let line = json!({
                "kind": "agent",
                "part": name,
                "viewport": [VIEWPORT.width, VIEWPORT.height],
                "steps": times.len(),
                "median_ms": round(median),
                "p90_ms": round(most_of),
                "max_ms": round(most),
            });
            println!("{line}");
        } else {
            println!("{name:<10} {median:>8.1} {most_of:>8.1} {most:>8.1}");
        }
    }
}

/// Clicks, types, presses keys and scrolls in turn: each changes the page.
struct Hands {
    step: usize,
    backspace: Chord,
}

impl Brain for Hands {
    fn principal(&self) -> Principal {
        Principal::script("bench")
    }

    fn decide(&mut self, _: &Observation<'_>) -> Result<Decision, BrainError> {
        let step = self.step;
        self.step += 1;
        let click = |at: Point| Action::Click {
            button: Button::Left,
            count: 1,
            at,
            modifiers: Vec::new(),
        };
        let action = match step % 5 {
            0 => click(page::COUNTER),
            1 => click(page::FIELD),
            2 => Action::Type {
                text: format!("Lisbon {step}"),
            },
            3 => Action::Key {
                chord: self.backspace.clone(),
            },
            _ => Action::Scroll {
                at: Some(page::LIST),
                dx: 0,
                dy: if step.is_multiple_of(2) { 120 } else { -60 },
                modifiers: Vec::new(),
            },
        };
        Ok(Decision {
            thinking: "What has to be measured is measured.".to_owned(),
            intent: "Measure a step.".to_owned(),
            expect: "The page changes.".to_owned(),
            ..Decision::new(action)
        })
    }
}
