//! A screen, a site and scripts that the tests of the loop share.

mod approvals;
mod beside;
mod faults;
mod opinions;
mod planning;
mod replay;
mod resume;
mod steps;

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use aurore_action::{Action, Button, FieldKind, Frame, FrameId, Point, Rect, Size, Target, TerminateStatus};
use aurore_policy::{Approved, Decision as Ruling, Layer, Principal, Rules};
use aurore_screen::{Effect, Screen, ScreenError};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::{
    Answer, Approver, Brain, BrainError, Budgets, CountingApprover, Decision, DenyAll, EndKind, Event, Files,
    GoalState, Hub, Journal, JournalOptions, Observation, Plan, PlanItem, ProgramApprover, Question,
    RecordedBrain, Run, RunOptions, ScriptedBrain, StepOutcome, StepReport, TerminalApprover,
    journal::sha256,
};

const SITE: &str = "https://site.test";
const SIZE: Size = Size {
    width: 100,
    height: 100,
};

/// A page of buttons, each 100×20 pixels under the other. Pressing one puts its label into `pressed`, and the
/// picture changes with every press.
struct FakeScreen {
    labels: Vec<String>,
    pressed: Vec<String>,
    /// Presses that change nothing.
    dead: bool,
    /// The page swaps its labels after the target was read.
    swaps: bool,
    /// Set before the next input, as by another thread.
    kill: Option<Arc<AtomicBool>>,
    dies: bool,
    typed: String,
    /// When questions stood, and when no longer.
    questioned: Vec<bool>,
    /// Whether somebody used its window, each time that it is asked.
    touched: std::collections::VecDeque<bool>,
    /// Where everything is: origin and address.
    place: (&'static str, String),
}

impl FakeScreen {
    fn new(labels: &[&str]) -> Self {
        Self {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            pressed: Vec::new(),
            dead: false,
            swaps: false,
            kill: None,
            dies: false,
            typed: String::new(),
            questioned: Vec::new(),
            touched: std::collections::VecDeque::new(),
            place: (SITE, format!("{SITE}/")),
        }
    }

    fn find(&self, at: Point) -> Option<Target> {
        let index = usize::try_from(at.y / 20).ok()?;
        let label = self.labels.get(index)?;
        Some(Target {
            role: "button".into(),
            label: label.clone(),
            origin: self.place.0.into(),
            url: self.place.1.clone(),
            identity: index.to_string(),
            bounds: Some(Rect {
                x: 0,
                y: index as i32 * 20,
                width: 100,
                height: 20,
            }),
            agrees: true,
            enabled: true,
            ..Target::default()
        })
    }
}

impl Screen for FakeScreen {
    fn look(&mut self) -> Result<Frame, ScreenError> {
        let shade = if self.dead {
            0
        } else {
            (self.pressed.len() + self.typed.len()) as u8
        };
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(
                &[shade; 100 * 100],
                SIZE.width,
                SIZE.height,
                ExtendedColorType::L8,
            )
            .unwrap();
        Ok(Frame {
            id: FrameId(sha256(&png)),
            size: SIZE,
            png: png.into(),
            url: Some(self.place.1.clone()),
            origin: self.place.0.into(),
            title: "A page".into(),
            tabs: Vec::new(),
            notes: Vec::new(),
        })
    }

    fn target(&mut self, action: &Action) -> Result<Option<Target>, ScreenError> {
        let found = match action {
            Action::Type { .. } => Some(Target {
                role: "textbox".into(),
                field: FieldKind::Text,
                origin: SITE.into(),
                identity: "field".into(),
                agrees: true,
                ..Target::default()
            }),
            _ => action.point().and_then(|at| self.find(at)),
        };
        if self.swaps {
            self.labels.reverse();
            self.swaps = false;
        }
        Ok(found)
    }

    fn target_at(&mut self, at: Point) -> Result<Option<Target>, ScreenError> {
        Ok(self.find(at))
    }

    fn perform(&mut self, action: Approved<Action>) -> Result<Effect, ScreenError> {
        if self.dies {
            return Err(ScreenError::Died {
                during: "the click".into(),
                stderr: String::new(),
            });
        }
        let (action, binding) = action.into_parts();
        if let Some(at) = action.point() {
            let now = self
                .find(at)
                .map(|target| aurore_policy::BoundTarget::of(&target));
            let difference = match (&binding.target, &now) {
                (Some(bound), Some(now)) => bound.difference(now),
                (None, None) => None,
                _ => Some("something else stands there".into()),
            };
            if let Some(difference) = difference {
                return Err(ScreenError::TargetChanged {
                    difference,
                    done: None,
                });
            }
            self.pressed
                .push(now.map(|target| target.label).unwrap_or_default());
        }
        if let Action::Type { text } = action {
            self.typed.push_str(&text);
        }
        if let Some(kill) = &self.kill {
            kill.store(true, Ordering::SeqCst);
        }
        Ok(Effect::default())
    }

    fn settle(&mut self) -> Result<(), ScreenError> {
        Ok(())
    }

    fn touched(&mut self) -> bool {
        self.touched.pop_front().unwrap_or(false)
    }

    fn questioned(&mut self, stands: bool) {
        self.questioned.push(stands);
    }

    fn close(&mut self) {}
}

struct Site {
    folder: tempfile::TempDir,
    journal: Journal,
    stop: Arc<AtomicBool>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::in_folder(folder.path()).unwrap();
        Self {
            folder,
            journal,
            stop: Arc::default(),
        }
    }

    fn options<'a>(
        &'a self,
        screen: &'a mut FakeScreen,
        brain: &'a mut dyn Brain,
        approver: &'a mut dyn Approver,
    ) -> RunOptions<'a, FakeScreen> {
        RunOptions {
            goal: "press the right thing".into(),
            name: "test".into(),
            screen,
            brain,
            rules: Rules::builtin(),
            approver,
            budgets: Budgets::default(),
            journal: &self.journal,
            stop: Arc::clone(&self.stop),
            watch: Hub::default(),
            known_origins: vec![SITE.into()],
            controls: Vec::new(),
            files: Files::default(),
            check: None,
        }
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

/// A script that clicks the rows.
fn clicks(rows: &[u32]) -> ScriptedBrain {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{{\"thinking\": \"row {row}\", \"intent\": \"press it\", \"expect\": \"a change\", \
                 \"arguments\": {{\"action\": \"left_click\", \"coordinate\": [500, {}]}}}}\n",
                row * 200 + 100
            )
        })
        .collect();
    ScriptedBrain::parse("clicks", &lines.concat()).unwrap()
}

fn all<S: Screen>(run: &mut Run<'_, S>) -> (Vec<StepReport>, EndKind) {
    let mut reports = Vec::new();
    let end = run.to_end(&mut |report| reports.push(report.clone())).unwrap();
    (reports, end.kind)
}

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

/// A click on a row of the page.
fn row(row: i32) -> Action {
    Action::Click {
        button: Button::Left,
        count: 1,
        at: Point::new(50, row * 20 + 10),
        modifiers: Vec::new(),
    }
}

fn success() -> Action {
    Action::Terminate {
        status: TerminateStatus::Success,
    }
}
