//! Experts for small pages: they read the page itself, know what a person would do next, and say why. What they do goes
//! through the agent's loop as a model's decisions do.

mod told_no;

use aurore_action::{Action, Button, Chord, Frame, Modifier, Point};
use aurore_agent::{Brain, BrainError, Decision, Observation};
use aurore_policy::Principal;
use aurore_screen::browser::{Browser, Told};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Looks, SEEN, Suite, Task};

pub use told_no::told_no;

const WORDS: &str = include_str!("words.js");
const MINIWOB: &str = include_str!("miniwob.js");
const BUNDLED: &str = include_str!("bundled.js");

/// An expert for one episode of a task.
pub struct TaskExpert {
    task: Task,
    /// What the page says of what comes next.
    told: Told,
    /// What the expert told itself to remember.
    notes: Vec<String>,
    /// Where what stands on the page is kept, if anybody wants it.
    looks: Option<Looks>,
}

/// What the page's side says.
#[derive(Debug, Deserialize)]
struct Said {
    /// The window's width, CSS pixels.
    width: f64,
    #[serde(rename = "move")]
    next: Option<Move>,
    seen: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Move {
    act: String,
    /// CSS pixels.
    point: Option<[f64; 2]>,
    to: Option<[f64; 2]>,
    text: Option<String>,
    keys: Option<Vec<String>>,
    /// Pixels to scroll down by, or seconds to wait.
    amount: Option<f64>,
    #[serde(default)]
    modifiers: Vec<String>,
    see: String,
    intent: String,
    expect: String,
    note: Option<String>,
}

impl TaskExpert {
    /// The name that rules, journals and tables show.
    pub const NAME: &str = "expert";

    /// An expert for an episode that has begun in this browser, or begins in it.
    pub fn new(task: &Task, browser: &mut Browser, looks: Option<Looks>) -> Self {
        let mut expert = Self {
            task: task.clone(),
            told: Told::default(),
            notes: Vec::new(),
            looks,
        };
        expert.told = browser.keep_told(expert.script());
        expert
    }

    /// Whether there is an expert for a task.
    pub fn knows(task: &Task) -> bool {
        let source = match task.suite {
            Suite::MiniWob => MINIWOB,
            Suite::Bundled => BUNDLED,
            Suite::Own => return false,
        };
        source.contains(&format!("'{}': ", task.name))
    }

    fn script(&self) -> String {
        let (source, goal) = match self.task.suite {
            Suite::MiniWob => (MINIWOB, "(goal => goal.utterance ?? goal)(core.getUtterance())"),
            Suite::Bundled | Suite::Own => (BUNDLED, "aurore.goal"),
        };
        let (task, notes) = (json!(self.task.name), json!(self.notes));
        let seen = if self.looks.is_some() { SEEN } else { "null" };
        // Before the move: an expert may scroll what it looks for into sight.
        format!(
            "({{width: innerWidth, seen: {seen}, \
             move: (() => {{ {WORDS} {source} }})()({task}, {goal}, {notes}) ?? null}})"
        )
    }
}

/// What an expert would do, and what it would remember if that is done.
pub struct Advice {
    /// The decision.
    pub decision: Decision,
    /// For [`TaskExpert::go_on`].
    pub note: Option<String>,
}

impl TaskExpert {
    /// What should be done now.
    ///
    /// # Errors
    /// When the expert knows no next move.
    pub fn advise(&mut self, observation: &Observation<'_>) -> Result<Advice, BrainError> {
        let lost = |message: String| BrainError::Diverged {
            step: observation.history.len() + 1,
            message,
        };
        let answer = self.told.answer();
        let said: Option<Said> = answer.and_then(|answer| serde_json::from_value(answer).ok());
        let Some(Said {
            width,
            next: Some(next),
            seen,
        }) = said
        else {
            return Err(lost(format!("the expert of `{}` knows no next move", self.task)));
        };
        let action = next
            .action(observation.frame, width)
            .ok_or_else(|| lost(format!("the expert of `{}` made an unusable move", self.task)))?;
        if let Some(looks) = &self.looks {
            looks.push(seen, observation.frame.size);
        }
        Ok(Advice {
            decision: Decision {
                thinking: next.see,
                intent: next.intent,
                expect: next.expect,
                ..Decision::new(action)
            },
            note: next.note,
        })
    }

    /// Remembers what was done, for the next move.
    pub fn go_on(&mut self, note: Option<String>) {
        self.notes.extend(note);
        self.told.ask(self.script());
    }
}

impl Brain for TaskExpert {
    fn principal(&self) -> Principal {
        Principal::script(Self::NAME)
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        if let Some(end) = told_no(observation) {
            return Ok(end);
        }
        let Advice { decision, note } = self.advise(observation)?;
        self.go_on(note);
        Ok(decision)
    }
}

impl Move {
    fn action(&self, frame: &Frame, width: f64) -> Option<Action> {
        let scale = f64::from(frame.size.width) / width.max(1.0);
        let point = |[x, y]: [f64; 2]| {
            let pixel = |css: f64| (css * scale).round() as i32;
            Point::new(pixel(x), pixel(y)).clamped(frame.size)
        };
        let at = self.point.map(point);
        let modifiers: Vec<Modifier> = self
            .modifiers
            .iter()
            .map(|name| (name == "ctrl").then_some(Modifier::Control))
            .collect::<Option<_>>()?;
        Some(match self.act.as_str() {
            "left_click" => Action::Click {
                button: Button::Left,
                count: 1,
                at: at?,
                modifiers,
            },
            "mouse_move" => Action::MouseMove { to: at? },
            "left_click_drag" => Action::Drag {
                path: vec![at?, point(self.to?)],
                modifiers,
            },
            "scroll" => Action::Scroll {
                at,
                dx: 0,
                dy: (self.amount? * scale).round() as i32,
                modifiers,
            },
            "type" => Action::Type {
                text: self.text.clone()?,
            },
            "key" => Action::Key {
                chord: Chord::parse(self.keys.as_ref()?).ok()?,
            },
            "wait" => Action::Wait {
                milliseconds: (self.amount?.clamp(0.0, 10.0) * 1000.0) as u64,
            },
            _ => return None,
        })
    }
}
