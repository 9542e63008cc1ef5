//! What the browser's events have told: tabs, frames with processes of their own, loads under way, dialogs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::Incoming;
use super::hands::{Begun, Hands};
use crate::browser::world::TELLS;

/// Notes that are kept for the next effect; more are dropped.
const MOST_NOTES: usize = 20;

/// The state of everything that is attached.
#[derive(Debug, Default)]
pub(in crate::browser) struct State {
    /// Tabs, in the order in which they came.
    pub(in crate::browser) tabs: Vec<Page>,
    /// Sessions of frames that live in a process of their own, by frame.
    pub(in crate::browser) frames: HashMap<String, Arc<str>>,
    /// Open dialogs, by the session of their page.
    pub(in crate::browser) dialogs: HashMap<Arc<str>, Dialog>,
    /// Sessions of pages that did not answer in time.
    pub(in crate::browser) hanging: HashSet<Arc<str>>,
    /// Frames that show the browser's own error page: their address could not be loaded.
    pub(in crate::browser) unreachable: HashSet<String>,
    /// Sessions whose process crashed.
    pub(in crate::browser) crashed: HashSet<Arc<str>>,
    /// Frames that are loading.
    pub(in crate::browser) loading: HashSet<String>,
    /// Counts main-frame navigations that began, by frame.
    pub(in crate::browser) navigations: HashMap<String, u64>,
    /// The last drag that the browser handed over instead of carrying it out.
    pub(in crate::browser) drag: Option<Value>,
    /// Plain lines about what happened, for the model.
    pub(in crate::browser) notes: Vec<String>,
    /// What a person does at the window.
    pub(in crate::browser) hands: Hands,
    /// How many dialogs have been seen: part of a dialog's identity.
    dialog_count: u64,
}

/// A tab.
#[derive(Debug, Clone)]
pub(in crate::browser) struct Page {
    /// Its target, which is its main frame too.
    pub(in crate::browser) target: String,
    /// Its session.
    pub(in crate::browser) session: Arc<str>,
    /// The tab that opened it.
    pub(in crate::browser) opener: Option<String>,
    /// Address.
    pub(in crate::browser) url: String,
}

/// A JavaScript dialog that blocks its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::browser) struct Dialog {
    /// `alert`, `confirm`, `prompt` or `beforeunload`.
    pub(in crate::browser) kind: String,
    /// The page's text.
    pub(in crate::browser) message: String,
    /// What a prompt's answer is now.
    pub(in crate::browser) answer: String,
    /// Address of the page that shows it.
    pub(in crate::browser) url: String,
    /// Its number in this run.
    pub(in crate::browser) number: u64,
}

impl State {
    /// Takes in an event. What a page can put into one is text only, and is kept short.
    pub(super) fn apply(&mut self, event: &Incoming) {
        let params = &event.params;
        let session = event.session_id.as_ref();
        match event.method.as_str() {
            "Target.attachedToTarget" => self.attached(params),
            "Target.detachedFromTarget" => {
                if let Some(session) = params["sessionId"].as_str() {
                    self.detached(session);
                }
            }
            "Target.targetDestroyed" => {
                let target = text(params, "targetId");
                if let Some(page) = self.tabs.iter().find(|page| page.target == target) {
                    let session = page.session.clone();
                    self.detached(&session);
                }
            }
            "Inspector.targetCrashed" => {
                self.crashed.extend(session.cloned());
            }
            "Page.frameStartedLoading" => {
                self.loading.insert(text(params, "frameId"));
            }
            "Page.frameStoppedLoading" => {
                self.loading.remove(&text(params, "frameId"));
            }
            "Page.frameStartedNavigating" => self.started(params),
            "Page.frameRequestedNavigation" => {
                let frame = text(params, "frameId");
                if self.page_mut(&frame).is_some() {
                    *self.navigations.entry(frame.clone()).or_default() += 1;
                    if params["disposition"] == "currentTab" {
                        self.hands.asked(frame, text(params, "url"));
                    }
                }
            }
            "Page.frameNavigated" => {
                let frame = text(&params["frame"], "id");
                // A page that crashed lives again with its next document.
                if let Some(page) = self.page_mut(&frame) {
                    let session = page.session.clone();
                    page.url = text(&params["frame"], "url");
                    self.crashed.remove(&session);
                    if text(&params["frame"], "unreachableUrl").is_empty() {
                        self.unreachable.remove(&frame);
                    } else {
                        self.unreachable.insert(frame.clone());
                    }
                    *self.navigations.entry(frame).or_default() += 1;
                }
            }
            "Page.javascriptDialogOpening" => {
                if let Some(session) = session {
                    self.dialog_count += 1;
                    let dialog = Dialog {
                        kind: text(params, "type"),
                        message: text(params, "message"),
                        answer: text(params, "defaultPrompt"),
                        url: text(params, "url"),
                        number: self.dialog_count,
                    };
                    self.dialogs.insert(session.clone(), dialog);
                }
            }
            "Page.javascriptDialogClosed" => {
                if let Some(session) = session {
                    self.dialogs.remove(session);
                }
            }
            "Page.fileChooserOpened" => self.note(
                "The page asked for a file to upload. This browser uploads no files; the field stays empty.",
            ),
            "Browser.downloadWillBegin" => {
                let name = text(params, "suggestedFilename");
                let url = text(params, "url");
                self.note(&format!("A download was refused: {name:?} from {url}."));
            }
            "Runtime.bindingCalled" if params["name"] == TELLS => self.hands.touch(),
            "Input.dragIntercepted" => self.drag = Some(params["data"].clone()),
            _ => {}
        }
    }

    /// Adds a line for the model.
    pub(in crate::browser) fn note(&mut self, line: &str) {
        if self.notes.len() < MOST_NOTES && !self.notes.iter().any(|note| note == line) {
            self.notes.push(line.to_owned());
        }
    }

    /// The dialog that blocks a page, its own or that of a frame in another process.
    pub(in crate::browser) fn dialog_of(&self, page: &str) -> Option<(&Arc<str>, &Dialog)> {
        let elsewhere = |session: &str| {
            self.tabs
                .iter()
                .any(|tab| *tab.session == *session && *tab.session != *page)
        };
        self.dialogs.iter().find(|(session, _)| !elsewhere(session))
    }

    /// Whether a page can no longer answer: it is blocked by a dialog, or gone.
    pub(in crate::browser) fn cannot_answer(&self, page: &str) -> bool {
        self.dialog_of(page).is_some() || !self.tabs.iter().any(|tab| *tab.session == *page)
    }

    /// Address of the page with this session.
    pub(in crate::browser) fn url_of(&self, session: &str) -> &str {
        self.tabs
            .iter()
            .find(|page| *page.session == *session)
            .map_or("", |page| &page.url)
    }

    fn page_mut(&mut self, target: &str) -> Option<&mut Page> {
        self.tabs.iter_mut().find(|page| page.target == target)
    }

    /// A navigation begins; only those of tabs count.
    fn started(&mut self, params: &Value) {
        let frame = text(params, "frameId");
        let Some(page) = self.tabs.iter().find(|page| page.target == frame) else {
            return;
        };
        self.hands.begun(Begun {
            frame: &frame,
            url: &text(params, "url"),
            kind: &text(params, "navigationType"),
            first: page.opener.is_some() && matches!(page.url.as_str(), "" | "about:blank"),
            unreachable: self.unreachable.contains(&frame),
        });
        *self.navigations.entry(frame).or_default() += 1;
    }

    fn attached(&mut self, params: &Value) {
        let info = &params["targetInfo"];
        let Some(session) = params["sessionId"].as_str() else {
            return;
        };
        let session: Arc<str> = session.into();
        let target = text(info, "targetId");
        match info["type"].as_str() {
            Some("page") if self.page_mut(&target).is_none() => {
                let opener = info["openerId"].as_str().map(str::to_owned);
                self.hands.tab(opener.is_some());
                self.tabs.push(Page {
                    target,
                    session,
                    opener,
                    url: text(info, "url"),
                });
            }
            Some("iframe") => {
                self.frames.insert(target, session);
            }
            _ => {}
        }
    }

    fn detached(&mut self, session: &str) {
        if let Some(page) = self.tabs.iter().find(|page| *page.session == *session) {
            self.hands.tab(page.opener.is_some());
            self.hands.expect_no_more(&page.target);
        }
        self.tabs.retain(|page| *page.session != *session);
        self.frames.retain(|_, frame| **frame != *session);
        self.dialogs.remove(session);
        self.crashed.remove(session);
        self.hanging.remove(session);
    }
}

/// A text of an event, shortened: titles, addresses and dialog texts are the page's.
fn text(params: &Value, field: &str) -> String {
    const LONGEST: usize = 4000;
    params[field]
        .as_str()
        .unwrap_or_default()
        .chars()
        .take(LONGEST)
        .collect()
}
