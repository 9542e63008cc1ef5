//! Chromium, over the Chrome DevTools Protocol on a pipe.
//!
//! - [`cdp`] talks to the browser, [`process`] starts and ends it.
//! - [`world`] is our side of each document; `page/guard.js` and `page/describe.js` live there.
//! - [`hit`] says what stands under a point; [`guard`] compares it with what was approved, right before the input
//!   and in the page's own event turn.
//! - [`amounts`] reads what a press may cost; `person`, in tests alone, does what a person at the window would.
//! - [`mod@pointer`], [`keyboard`], [`navigate`] carry actions out; [`capture`] and [`settle`] look and wait;
//!   [`conceal`] keeps typed secrets out of pictures; [`outline`] and [`told`] tell experts and tests what stands on a
//!   page.

mod address;
mod amounts;
mod capture;
mod cdp;
mod conceal;
mod guard;
mod hit;
mod keyboard;
mod keys;
mod navigate;
mod options;
mod outline;
#[cfg(feature = "person")]
mod person;
mod pointer;
mod process;
mod profile;
mod settle;
mod told;
mod words;
mod world;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aurore_action::{Action, Frame, Point, Target};
use aurore_policy::{Approved, Authority, Binding};
use serde_json::{Value, json};

use self::cdp::{Cdp, Dialog, Page, Waited};
use self::process::Process;
use crate::{Effect, Screen, ScreenError, Words};

pub use options::BrowserOptions;
pub use outline::{Element, Outline, SharedOutline};
pub use told::Told;

/// How long a browser may take to write its profile down when it ends.
const PARTING: Duration = Duration::from_secs(5);

/// A browser that was started for this run, with a profile of its own or one that is kept. It ends with this value, and
/// with this process however that ends.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a state of its own that comes and goes by itself"
)]
pub struct Browser {
    // Declared first, so dropped first: the pipe is let go of before the processes are ended.
    cdp: Cdp,
    process: Process,
    options: BrowserOptions,
    /// The tab in front: its target.
    front: String,
    /// Where the pointer is, in CSS pixels.
    pointer: (f64, f64),
    /// Whether the main button is held down.
    held: bool,
    /// Whether a question stands, so that no key of the person's may reach a page.
    questioned: bool,
    /// Number of the last approved action that the guard was armed for.
    token: u64,
    /// Whether a secret was typed, so that pictures are looked over.
    concealing: bool,
    /// Texts in labels of fields that no picture shows, in lower case; `None` where only secrets are hidden.
    private: Option<Vec<String>>,
    /// Tabs that have been followed already when their page opened them.
    followed: HashSet<String>,
    /// The last look, which stands while a dialog blocks the page.
    last: Option<Frame>,
    /// Whether the page was still changing when it was waited for long enough.
    restless: bool,
    /// An outline that is read at each look: its selector, and where it is put.
    outlined: Option<(String, SharedOutline)>,
    /// What the page is asked at each look.
    told: Option<Told>,
    closed: bool,
}

impl Browser {
    /// Starts a browser on an empty page.
    pub fn launch(options: BrowserOptions) -> Result<Self, ScreenError> {
        let (process, commands, answers) = Process::start(&options)?;
        let greeter = greeter(&options);
        let cdp = Cdp::new(commands, answers, process.stderr().clone(), greeter);
        let mut browser = Self {
            cdp,
            process,
            options,
            front: String::new(),
            pointer: (0.0, 0.0),
            held: false,
            questioned: false,
            token: 0,
            concealing: false,
            private: None,
            followed: HashSet::new(),
            last: None,
            restless: false,
            outlined: None,
            told: None,
            closed: false,
        };
        match browser.greet() {
            Ok(()) => Ok(browser),
            Err(error @ ScreenError::Protocol { .. }) => Err(error),
            Err(error) => {
                let stderr = browser.process.stderr().text();
                Err(ScreenError::Launch {
                    path: browser.process.program.clone(),
                    reason: match error {
                        ScreenError::Died { .. } => "it ended at once".to_owned(),
                        other => other.to_string(),
                    },
                    stderr,
                })
            }
        }
    }

    fn greet(&mut self) -> Result<(), ScreenError> {
        let limit = self.options.launch_limit;
        let end = Instant::now() + limit;
        self.cdp.call(
            &None,
            "Browser.setDownloadBehavior",
            &json!({"behavior": "deny", "eventsEnabled": true}),
            limit,
        )?;
        self.cdp.call(
            &None,
            "Target.setDiscoverTargets",
            &json!({"discover": true}),
            limit,
        )?;
        self.cdp
            .call(&None, "Target.setAutoAttach", &auto_attach(), limit)?;
        let left = end.saturating_duration_since(Instant::now());
        self.cdp.pump(left, "starting", |state| !state.tabs.is_empty())?;
        self.front = self
            .cdp
            .state
            .tabs
            .first()
            .map(|tab| tab.target.clone())
            .ok_or_else(|| ScreenError::Hanging {
                during: "opening its first page".to_owned(),
                limit,
            })?;
        // An answer of the page's own process: its greeting is done, and nothing crosses a first navigation.
        let page = self.current()?;
        self.world(&page.session, &page.target).map(|_| ())
    }

    /// What the person should know about how the browser runs.
    pub fn warnings(&self) -> &[String] {
        &self.process.warnings
    }

    /// Opens an address without a verdict: for tests, evaluation and a run's first page. Actions of a model
    /// go through [`Screen::perform`].
    pub fn open(&mut self, url: &str) -> Result<(), ScreenError> {
        self.ready("opening an address")?;
        self.open_address(url)?;
        self.settle()
    }

    /// Runs a script in the page and gives its value (a promise is awaited): the door for tests and
    /// evaluation, never for a model.
    pub fn evaluate(&mut self, script: &str) -> Result<Value, ScreenError> {
        self.ready("a script")?;
        let session = self.current()?.session;
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.ask(&session, "Runtime.evaluate", &params)?;
        let mut result = world::outcome("Runtime.evaluate", answer)?;
        Ok(result.get_mut("value").map(Value::take).unwrap_or_default())
    }

    /// Its profile folder, which is removed with it.
    pub fn profile(&self) -> &Path {
        self.process.profile()
    }

    /// Makes the page's process crash: for tests of what comes then.
    pub fn crash_page(&mut self) {
        if let Ok(page) = self.current() {
            self.cdp.tell(&Some(page.session), "Page.crash", &json!({}));
        }
    }

    /// Lets a browser whose profile is kept write down what it has; one with a throw-away profile has nothing to save.
    fn part(&mut self) {
        if self.closed || !self.process.keeps_profile() {
            return;
        }
        // It answers, or is gone before it does.
        let _ = self.cdp.call(&None, "Browser.close", &json!({}), PARTING);
        let _ = self.cdp.pump(PARTING, "ending the browser", |_| false);
    }

    /// Whether a person may use the pages beside the run.
    fn shown(&self) -> bool {
        self.options.show || self.options.shared
    }

    /// The tab in front. If it is gone, the one that opened it, or the last one, takes its place.
    fn current(&mut self) -> Result<Page, ScreenError> {
        let tabs = &self.cdp.state.tabs;
        if let Some(page) = tabs.iter().find(|page| page.target == self.front) {
            return Ok(page.clone());
        }
        if let Some(page) = tabs.last() {
            let page = page.clone();
            self.front.clone_from(&page.target);
            self.bring_to_front(&page);
            return Ok(page);
        }
        self.new_tab()
    }

    /// The dialog that blocks the page in front.
    fn dialog(&mut self) -> Result<Option<Dialog>, ScreenError> {
        let page = self.current()?.session;
        Ok(self.cdp.state.dialog_of(&page).map(|(_, dialog)| dialog.clone()))
    }

    fn dialog_open(&self, page: &str) -> ScreenError {
        let (kind, message) = match self.cdp.state.dialog_of(page) {
            Some((_, dialog)) => (dialog.kind.clone(), dialog.message.clone()),
            None => ("dialog".to_owned(), String::new()),
        };
        ScreenError::DialogOpen { kind, message }
    }

    /// Takes in what has happened meanwhile; an error if the run was stopped or the screen closed.
    fn ready(&mut self, during: &str) -> Result<(), ScreenError> {
        if self.closed {
            return Err(ScreenError::Closed);
        }
        if self.options.stop.load(Ordering::SeqCst) {
            return Err(ScreenError::Interrupted {
                during: during.to_owned(),
            });
        }
        self.cdp.catch_up(during)
    }

    /// Lets time pass while events are taken in.
    fn pass_time(&mut self, time: Duration, during: &str) -> Result<(), ScreenError> {
        let stop = Arc::clone(&self.options.stop);
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            self.cdp
                .pump(left.min(Duration::from_millis(50)), during, |_| false)?;
            if stop.load(Ordering::SeqCst) {
                return Err(ScreenError::Interrupted {
                    during: format!("the end of {during}"),
                });
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Gives input to the page in front and waits until it was handled, or a dialog or the tab's end keeps it from
    /// being handled.
    fn input(&mut self, method: &str, params: &Value) -> Result<Waited, ScreenError> {
        self.ready(method)?;
        let page = self.current()?.session;
        let limit = self.options.answer_limit;
        let waited = self
            .cdp
            .call_until(&Some(page.clone()), method, params, limit, |state| {
                state.cannot_answer(&page)
            });
        if let Err(error) = &waited {
            self.remember_hanging(error, &page);
        }
        waited
    }

    /// A page that once hung is left by closing its tab.
    fn remember_hanging(&mut self, error: &ScreenError, page: &Arc<str>) {
        if matches!(error, ScreenError::Hanging { .. }) {
            self.cdp.state.hanging.insert(page.clone());
        }
    }

    fn carry_out(&mut self, action: &Action, binding: &Binding) -> Result<Effect, ScreenError> {
        let mut effect = Effect::default();
        match action {
            Action::Click {
                button,
                count,
                at,
                modifiers,
            } => self.click(binding, *button, *count, *at, modifiers)?,
            Action::MouseMove { to } => self.hover(binding, *to)?,
            Action::Drag { path, modifiers } => self.drag(binding, path, modifiers)?,
            Action::Scroll {
                at,
                dx,
                dy,
                modifiers,
            } => self.scroll(binding, *at, (*dx, *dy), modifiers)?,
            Action::MouseDown { at } => self.mouse_down(binding, *at)?,
            Action::MouseUp { at } => self.mouse_up(binding, *at)?,
            Action::CursorPosition => {
                let at = self.pointer_pixel();
                effect.notes.push(format!(
                    "The pointer is at pixel ({}, {}) of the frame.",
                    at.x, at.y
                ));
            }
            Action::Type { text } => self.type_text(binding, text)?,
            Action::Key { chord } => self.press_chord(binding, chord, None)?,
            Action::HoldKey { chord, milliseconds } => {
                self.press_chord(binding, chord, Some(Duration::from_millis(*milliseconds)))?;
            }
            Action::OpenUrl { url } => self.open_address(url)?,
            Action::Back => self.travel(-1, "back")?,
            Action::Forward => self.travel(1, "forward")?,
            Action::SwitchTab { index } => self.switch_tab(*index)?,
            Action::CloseTab => self.close_tab()?,
            Action::Zoom { region } => effect.magnified = Some(self.magnify(*region)?),
            Action::Wait { milliseconds } => {
                self.pass_time(Duration::from_millis(*milliseconds), "waiting")?;
            }
            Action::Screenshot | Action::Answer { .. } | Action::Terminate { .. } => {}
            Action::LongPress { .. } => {
                return Err(not_here(action, "use left_mouse_down, wait and left_mouse_up"));
            }
            Action::Swipe { .. } => return Err(not_here(action, "use scroll or left_click_drag")),
            Action::SystemButton { .. } => return Err(not_here(action, "use back, or a key")),
            Action::OpenApp { .. } => return Err(not_here(action, "use open_url")),
        }
        Ok(effect)
    }
}

impl Screen for Browser {
    fn look(&mut self) -> Result<Frame, ScreenError> {
        self.ready("a look")?;
        if self.last.is_none() {
            // What the browser did to begin with was nobody's doing.
            self.cdp.state.hands.take();
        }
        let frame = self.picture()?;
        self.cdp.state.hands.acting = false;
        self.refresh_outline();
        self.refresh_told();
        if self.shown() && !self.questioned {
            // The person's turn lasts until the next action or question.
            let _ = self.allow_person(true);
        }
        Ok(frame)
    }

    fn questioned(&mut self, stands: bool) {
        self.questioned = stands;
        if self.shown() {
            let _ = self.allow_person(!stands);
        }
    }

    fn touched(&mut self) -> bool {
        // A browser that has died says so with the next thing that is asked of it.
        let _ = self.cdp.catch_up("looking for other hands");
        self.cdp.state.hands.take() && self.shown()
    }

    fn words(&mut self) -> Vec<Words> {
        self.words_in_front()
    }

    fn target(&mut self, action: &Action) -> Result<Option<Target>, ScreenError> {
        self.ready("reading the page")?;
        self.target_of(action)
    }

    fn target_at(&mut self, at: Point) -> Result<Option<Target>, ScreenError> {
        self.ready("reading the page")?;
        self.target_under(at).map(Some)
    }

    fn perform(&mut self, action: Approved<Action>) -> Result<Effect, ScreenError> {
        let shown_to_somebody = matches!(action.authority(), Authority::Answer { .. });
        let (action, mut binding) = action.into_parts();
        if !shown_to_somebody {
            binding.around = None;
            for target in binding.target.iter_mut().chain(&mut binding.also) {
                target.amounts = None;
            }
        }
        self.ready(action.name())?;
        self.cdp.state.hands.acting = true;
        let outcome = self.carry_out(&action, &binding);
        self.cdp.catch_up(action.name())?;
        self.follow_new_tab();
        let mut effect = outcome?;
        effect.notes.append(&mut self.cdp.state.notes);
        if let Some(dialog) = self.dialog()? {
            effect.notes.push(capture::dialog_note(&dialog));
        }
        Ok(effect)
    }

    fn settle(&mut self) -> Result<(), ScreenError> {
        self.ready("waiting for the page")?;
        self.wait_until_quiet()
    }

    fn close(&mut self) {
        self.part();
        self.closed = true;
        self.process.end();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.part();
    }
}

/// What every new page and frame is told before its first script.
fn greeter(options: &BrowserOptions) -> cdp::Greeter {
    let (viewport, scale, shown) = (options.viewport, options.scale, options.show || options.shared);
    Box::new(move |kind| {
        let mut greetings = vec![("Page.enable", json!({}))];
        greetings.extend(world::greetings(shown));
        greetings.push(("Target.setAutoAttach", auto_attach()));
        if kind == "page" {
            greetings.push((
                "Emulation.setDeviceMetricsOverride",
                json!({"width": viewport.width, "height": viewport.height, "deviceScaleFactor": scale, "mobile": false}),
            ));
            greetings.push(("Emulation.setFocusEmulationEnabled", json!({"enabled": true})));
            // A chooser of the desktop's would stand outside every rule.
            greetings.push(("Page.setInterceptFileChooserDialog", json!({"enabled": true})));
        }
        greetings
    })
}

/// Pages and frames are attached to as soon as they exist, and wait until they have been greeted.
fn auto_attach() -> Value {
    json!({
        "autoAttach": true,
        "waitForDebuggerOnStart": true,
        "flatten": true,
        "filter": [{"type": "page", "exclude": false}, {"type": "iframe", "exclude": false}, {"exclude": true}],
    })
}

fn not_here(action: &Action, hint: &'static str) -> ScreenError {
    ScreenError::NotOnThisDevice {
        action: action.name(),
        hint,
    }
}
