//! One browser for all tests that need no special one, pages over loopback, and approvals as the agent gets them.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aurore_action::{Action, Button, Chord, Frame, Point, Rect, Size, Target};
use aurore_policy::{Approved, Context, Crop, Outcome, Principal, Request, Rules, Tier, judge};
use aurore_screen::browser::{Browser, BrowserOptions};
use aurore_screen::{Effect, Screen, ScreenError};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::pages;

/// The size of the page in all tests.
pub(crate) const VIEWPORT: Size = Size {
    width: 640,
    height: 480,
};

pub(crate) fn options() -> BrowserOptions {
    BrowserOptions {
        viewport: VIEWPORT,
        ..BrowserOptions::default()
    }
}

/// A browser of its own, for tests that break it or need other options.
pub(crate) fn launch(options: BrowserOptions) -> Browser {
    Browser::launch(options).expect("these tests need Chromium: apt-get install chromium")
}

/// The shared browser, on a fresh tab with this page of `pages`.
pub(crate) struct Desk(MutexGuard<'static, Browser>);

pub(crate) fn at(path: &str) -> Desk {
    static SHARED: OnceLock<Mutex<Browser>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Mutex::new(launch(options())));
    let mut desk = Desk(shared.lock().unwrap_or_else(PoisonError::into_inner));
    desk.reset();
    desk.open(&pages::address(path)).unwrap();
    desk
}

impl std::ops::Deref for Desk {
    type Target = Browser;
    fn deref(&self) -> &Browser {
        &self.0
    }
}

impl std::ops::DerefMut for Desk {
    fn deref_mut(&mut self) -> &mut Browser {
        &mut self.0
    }
}

impl Desk {
    /// Leaves what an earlier test left behind: dialogs, tabs.
    fn reset(&mut self) {
        while let Some(dialog) = self.target_at(Point::new(0, 0)).ok().flatten()
            && dialog.role == "alertdialog"
        {
            self.act(key("Enter")).unwrap();
        }
        while self.look().unwrap().tabs.len() > 1 {
            self.act(Action::CloseTab).unwrap();
        }
    }

    pub(crate) fn act(&mut self, action: Action) -> Result<Effect, ScreenError> {
        act(&mut self.0, action)
    }

    pub(crate) fn approve(&mut self, action: Action) -> Approved<Action> {
        approve(&mut self.0, action)
    }

    /// Acts and waits for the page.
    pub(crate) fn do_(&mut self, action: Action) -> Effect {
        let effect = self.act(action).unwrap();
        self.settle().unwrap();
        effect
    }

    pub(crate) fn value(&mut self, script: &str) -> Value {
        self.evaluate(script).unwrap()
    }

    /// What the page recorded.
    pub(crate) fn log(&mut self) -> Vec<String> {
        serde_json::from_value(self.value("window.log")).unwrap()
    }

    /// The middle of an element, in frame pixels.
    pub(crate) fn middle(&mut self, selector: &str) -> Point {
        middle(&mut self.0, selector)
    }

    pub(crate) fn target_of(&mut self, selector: &str) -> Target {
        let at = self.middle(selector);
        self.target_at(at).unwrap().unwrap()
    }
}

/// The middle of an element, in frame pixels at scale 1.
pub(crate) fn middle(browser: &mut Browser, selector: &str) -> Point {
    let script = format!(
        "(() => {{ const box = document.querySelector({selector:?}).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
    );
    let [x, y]: [f64; 2] = serde_json::from_value(browser.evaluate(&script).unwrap()).unwrap();
    Point::new(x as i32, y as i32)
}

/// Judges an action on what stands there now, and says yes to any question.
pub(crate) fn approve(browser: &mut Browser, action: Action) -> Approved<Action> {
    approve_with(browser, action, None)
}

/// The same; `raised` makes it a question, and the pixels around the point are part of it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "actions are written where they are used"
)]
pub(crate) fn approve_with(browser: &mut Browser, action: Action, raised: Option<Tier>) -> Approved<Action> {
    let frame = browser.look().unwrap();
    let target = browser.target(&action).unwrap();
    let also: Vec<Target> = action
        .points()
        .into_iter()
        .skip(1)
        .map(|point| browser.target_at(point).unwrap().unwrap())
        .collect();
    let context = Context {
        around: action.point().map(|at| crop(&frame, at)),
        raised,
        goal: "try the page".to_owned(),
        known_origins: vec![frame.origin.clone()],
        origin: frame.origin,
        url: frame.url,
        attended: true,
        ..Context::default()
    };
    let principal = Principal::script("tests");
    let request = Request {
        principal: &principal,
        action: &action,
        target: target.as_ref(),
        also: &also,
        context: &context,
    };
    match judge(&request, &Rules::builtin()).into_outcome() {
        Outcome::Allowed(approved) => approved,
        Outcome::Ask(ask) => ask.answered_yes("the test"),
        Outcome::Denied(denial) => panic!("{denial}"),
    }
}

/// A small region around a point, as a judged frame has it.
fn crop(frame: &Frame, at: Point) -> Crop {
    let rect = Rect {
        x: (at.x - 5).max(0),
        y: (at.y - 5).max(0),
        width: 10,
        height: 10,
    };
    let picture = image::load_from_memory(&frame.png).unwrap();
    let pixels = picture
        .crop_imm(rect.x as u32, rect.y as u32, rect.width, rect.height)
        .into_rgba8();
    Crop {
        rect,
        sha256: hex_sha256(&pixels),
    }
}

pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"))
}

pub(crate) fn act(browser: &mut Browser, action: Action) -> Result<Effect, ScreenError> {
    let approved = approve(browser, action);
    browser.perform(approved)
}

pub(crate) fn click(at: Point) -> Action {
    clicks(Button::Left, 1, at)
}

pub(crate) fn clicks(button: Button, count: u8, at: Point) -> Action {
    Action::Click {
        button,
        count,
        at,
        modifiers: Vec::new(),
    }
}

pub(crate) fn key(chord: &str) -> Action {
    Action::Key {
        chord: Chord::parse(&[chord]).unwrap(),
    }
}

pub(crate) fn typed(text: &str) -> Action {
    Action::Type {
        text: text.to_owned(),
    }
}

/// Long enough for a browser under load, short enough for a test that waits for it.
pub(crate) const SHORT: Duration = Duration::from_secs(3);
