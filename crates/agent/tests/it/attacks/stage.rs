//! Pages that wait for the moment between the question and the input, over loopback.

use std::sync::{Arc, Condvar, Mutex, OnceLock, atomic::AtomicBool};
use std::time::Duration;

use aurore_agent::{
    Answer, Approver, Brain, Budgets, End, Files, Hub, Journal, Keeper, Question, Run, RunOptions,
    ScriptedBrain, StepReport,
};
use aurore_policy::Rules;
use aurore_screen::browser::{Browser, BrowserOptions};
use serde_json::{Value, json};
use tiny_http::{Header, Request, Response, Server};

use crate::VIEWPORT;

/// The page is told when the question stands, changes itself, and tells that it has: no clock decides.
const HEAD: &str = "<!doctype html><meta charset=utf-8><title>Stage</title>
<style>* { margin: 0 } body { font: 16px sans-serif } button, input, a { position: absolute; left: 20px; width: 200px; height: 30px }</style>
<script>
window.log = [];
const whenAsked = (change) => fetch('/asked?' + location.search.slice(1)).then(() => { change(); return fetch('/changed?' + location.search.slice(1)); });
</script>";

#[derive(Default)]
struct Moment {
    asked: bool,
    changed: bool,
}

/// One page with its own moment between question and input.
pub(super) struct Stage {
    _folder: tempfile::TempDir,
    pub(super) journal: Journal,
    pub(super) browser: Browser,
    pub(super) rules: Rules,
    pub(super) controls: Vec<String>,
    moment: Shared,
    pub(super) known_origins: Vec<String>,
}

type Shared = Arc<(Mutex<Moment>, Condvar)>;

struct Pages {
    port: u16,
    bodies: Arc<Mutex<Vec<(String, Shared)>>>,
}

fn pages() -> &'static Pages {
    static PAGES: OnceLock<Pages> = OnceLock::new();
    PAGES.get_or_init(|| {
        let server = Server::http("127.0.0.1:0").unwrap();
        let port = server.server_addr().to_ip().unwrap().port();
        let bodies: Arc<Mutex<Vec<(String, Shared)>>> = Arc::default();
        let known = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for request in server.incoming_requests() {
                let known = Arc::clone(&known);
                std::thread::spawn(move || answer(request, &known));
            }
        });
        Pages { port, bodies }
    })
}

fn answer(request: Request, bodies: &Mutex<Vec<(String, Shared)>>) {
    let url = request.url().to_owned();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let number: usize = query.parse().unwrap_or(usize::MAX);
    let found = bodies.lock().unwrap().get(number).cloned();
    let body = match (path, found) {
        ("/asked", Some((_, moment))) => {
            let (state, told) = &*moment;
            drop(
                told.wait_while(state.lock().unwrap(), |state| !state.asked)
                    .unwrap(),
            );
            String::new()
        }
        ("/changed", Some((_, moment))) => {
            let (state, told) = &*moment;
            state.lock().unwrap().changed = true;
            told.notify_all();
            String::new()
        }
        ("/page", Some((body, _))) => format!("{HEAD}{body}"),
        ("/landed", Some(_)) => format!(
            "{HEAD}<button style='top: 15px' onclick=\"log.push('landed')\">Send</button>
             <script>fetch('/changed' + location.search);</script>"
        ),
        _ => format!("{HEAD}<h1>Elsewhere</h1>"),
    };
    let html: Header = "Content-Type: text/html; charset=utf-8".parse().unwrap();
    let _ = request.respond(Response::from_string(body).with_header(html));
}

/// Where the pages are, under another name of this machine: another origin.
pub(super) fn elsewhere() -> String {
    format!("http://localhost:{}", pages().port)
}

impl Stage {
    /// A browser on a page with this body.
    pub(super) fn with(body: &str) -> Self {
        let moment = Shared::default();
        let number = {
            let mut bodies = pages().bodies.lock().unwrap();
            bodies.push((body.to_owned(), Arc::clone(&moment)));
            bodies.len() - 1
        };
        let folder = tempfile::tempdir().unwrap();
        let mut browser = Browser::launch(BrowserOptions {
            viewport: VIEWPORT,
            ..BrowserOptions::default()
        })
        .expect("these tests need Chromium: apt-get install chromium");
        browser
            .open(&format!("http://127.0.0.1:{}/page?{number}", pages().port))
            .unwrap();
        Self {
            journal: Journal::in_folder(folder.path()).unwrap(),
            _folder: folder,
            browser,
            rules: Rules::builtin(),
            controls: Vec::new(),
            known_origins: Vec::new(),
            moment,
        }
    }

    /// Runs these calls of the computer tool to their end.
    pub(super) fn run(
        &mut self,
        goal: &str,
        calls: &[Value],
        approver: &mut dyn Approver,
    ) -> (Vec<StepReport>, End) {
        self.pursue(goal, &mut script(calls), approver, None)
    }

    /// Runs a brain to its end, with something that keeps what is allowed from now on.
    pub(super) fn run_as(
        &mut self,
        brain: &mut dyn Brain,
        approver: &mut dyn Approver,
        keeper: Option<&mut dyn Keeper>,
    ) -> Vec<StepReport> {
        self.pursue("Look around.", brain, approver, keeper).0
    }

    fn pursue(
        &mut self,
        goal: &str,
        brain: &mut dyn Brain,
        approver: &mut dyn Approver,
        keeper: Option<&mut dyn Keeper>,
    ) -> (Vec<StepReport>, End) {
        let mut run = Run::start(RunOptions {
            goal: goal.to_owned(),
            name: String::new(),
            screen: &mut self.browser,
            brain,
            rules: self.rules.clone(),
            approver,
            budgets: Budgets::default(),
            journal: &self.journal,
            stop: Arc::<AtomicBool>::default(),
            watch: Hub::default(),
            known_origins: self.known_origins.clone(),
            controls: self.controls.clone(),
            files: Files::default(),
            check: None,
        })
        .unwrap();
        if let Some(keeper) = keeper {
            run = run.with_keeper(keeper);
        }
        let mut reports = Vec::new();
        let end = run.to_end(&mut |report| reports.push(report.clone())).unwrap();
        let found = self.journal.verify(run.id()).unwrap();
        assert!(found.is_whole(), "{found:?}");
        (
            reports
                .into_iter()
                .filter(|report| report.action.is_some())
                .collect(),
            end,
        )
    }

    /// Says yes, but only after the page has changed itself.
    pub(super) fn turncoat(&self) -> AfterTheChange {
        AfterTheChange {
            moment: Arc::clone(&self.moment),
            asked: 0,
        }
    }

    pub(super) fn log(&mut self) -> Vec<String> {
        serde_json::from_value(self.browser.evaluate("window.log ?? []").unwrap()).unwrap()
    }
}

/// An approver whose yes comes after the page's trick.
pub(super) struct AfterTheChange {
    moment: Shared,
    pub(super) asked: u32,
}

impl Approver for AfterTheChange {
    fn name(&self) -> String {
        "the test".to_owned()
    }

    fn ask(&mut self, _: &Question) -> Answer {
        self.asked += 1;
        let (state, told) = &*self.moment;
        let mut state = state.lock().unwrap();
        state.asked = true;
        told.notify_all();
        let limit = Duration::from_mins(1);
        let (state, timeout) = told
            .wait_timeout_while(state, limit, |state| !state.changed)
            .unwrap();
        drop(state);
        assert!(!timeout.timed_out(), "the page did not change itself");
        Answer::Yes
    }
}

/// Calls of the computer tool, one a line.
pub(super) fn script(calls: &[Value]) -> ScriptedBrain {
    let lines: Vec<String> = calls
        .iter()
        .map(|arguments| json!({"thinking": "it is there", "intent": "do it", "expect": "a change", "arguments": arguments}).to_string())
        .collect();
    ScriptedBrain::parse("attack", &lines.join("\n")).unwrap()
}

pub(super) fn click(x: u32, y: u32) -> Value {
    crate::click(x, y)
}

pub(super) fn typed(text: &str) -> Value {
    json!({"action": "type", "text": text})
}

pub(super) fn open(url: &str) -> Value {
    json!({"action": "open_url", "url": url})
}
