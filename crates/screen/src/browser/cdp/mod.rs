//! A client for the Chrome DevTools Protocol over a pipe, with the dozen methods that are used and a time limit
//! on every call.
//!
//! One thread reads, one writes, the owner calls. While the owner waits for an answer the events that come in
//! are put into [`State`]; the reader thread itself greets new pages and frames, so that none of them stays
//! paused while nobody calls.

mod again;
mod hands;
mod state;
#[cfg(test)]
mod tests;
mod wire;

use std::io::{PipeReader, PipeWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use again::Lost;
pub(super) use state::{Dialog, Page, State};

use super::process::LastWords;
use crate::ScreenError;

/// A session with one page or frame process; `None` is the browser itself.
pub(super) type Session = Option<Arc<str>>;

/// A command for a page or frame that was just attached.
pub(super) type Greeting = (&'static str, Value);

/// Commands for a page or frame, by its kind (`page` or `iframe`).
pub(super) type Greeter = Box<dyn Fn(&str) -> Vec<Greeting> + Send>;

/// The connection.
pub(super) struct Cdp {
    commands: Sender<Vec<u8>>,
    incoming: Receiver<Incoming>,
    next_id: Arc<AtomicU64>,
    stderr: LastWords,
    /// Whether the pipe has ended.
    dead: bool,
    /// What the events have told so far.
    pub(super) state: State,
}

/// A message of the browser.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Incoming {
    id: u64,
    method: String,
    params: Value,
    result: Value,
    error: Option<Refusal>,
    session_id: Option<Arc<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: String,
}

/// What waiting for an answer ended with.
pub(super) enum Waited {
    /// The answer.
    Answer(Value),
    /// Something happened in [`State`] that the caller wanted to stop for.
    Stopped,
}

/// Events that are kept; everything else is dropped where it is read, so that a noisy page costs no memory.
const EVENTS: &[&str] = &[
    "Browser.downloadWillBegin",
    "Inspector.targetCrashed",
    "Input.dragIntercepted",
    "Page.fileChooserOpened",
    "Page.frameNavigated",
    "Page.frameRequestedNavigation",
    "Page.frameStartedLoading",
    "Page.frameStartedNavigating",
    "Page.frameStoppedLoading",
    "Page.javascriptDialogClosed",
    "Page.javascriptDialogOpening",
    "Runtime.bindingCalled",
    "Target.attachedToTarget",
    "Target.detachedFromTarget",
    "Target.targetDestroyed",
];

/// Messages that wait at most while nobody calls; a page that makes more events loses them.
const MOST_WAITING: usize = 10_000;

impl Cdp {
    /// Connects to a browser's pipe. `greeter` says what each new page or frame is told first.
    pub(super) fn new(
        commands: PipeWriter,
        answers: PipeReader,
        stderr: LastWords,
        greeter: Greeter,
    ) -> Self {
        let commands = wire::writer(commands);
        let next_id = Arc::new(AtomicU64::new(1));
        let (sender, incoming) = sync_channel::<Incoming>(MOST_WAITING);
        let (greetings, greeting_ids) = (commands.clone(), next_id.clone());
        std::thread::spawn(move || {
            let ended = wire::read(answers, |message| {
                let incoming: Incoming = match serde_json::from_slice(message) {
                    Ok(incoming) => incoming,
                    Err(error) => {
                        tracing::warn!(%error, "the browser sent something that is not JSON");
                        return true;
                    }
                };
                if incoming.method.is_empty() {
                    return sender.send(incoming).is_ok();
                }
                if incoming.method == "Target.attachedToTarget" {
                    greet(&incoming, &greeter, &greetings, &greeting_ids);
                }
                !EVENTS.contains(&incoming.method.as_str())
                    || !matches!(sender.try_send(incoming), Err(TrySendError::Disconnected(_)))
            });
            if let Err(error) = ended {
                tracing::warn!(%error, "the browser's pipe broke");
            }
        });
        Self {
            commands,
            incoming,
            next_id,
            stderr,
            dead: false,
            state: State::default(),
        }
    }

    /// Sends a command whose answer nobody waits for.
    pub(super) fn tell(&mut self, session: &Session, method: &str, params: &Value) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.dead |= !send(&self.commands, id, session.as_deref(), method, params);
    }

    /// Sends a command and waits for its answer.
    pub(super) fn call(
        &mut self,
        session: &Session,
        method: &str,
        params: &Value,
        limit: Duration,
    ) -> Result<Value, ScreenError> {
        match self.call_until(session, method, params, limit, |_| false)? {
            Waited::Answer(answer) => Ok(answer),
            Waited::Stopped => Ok(Value::Null),
        }
    }

    /// Sends a command and waits for its answer, or until `stop` sees in the state what makes waiting useless (a
    /// dialog that blocks the page, say).
    pub(super) fn call_until(
        &mut self,
        session: &Session,
        method: &str,
        params: &Value,
        limit: Duration,
        mut stop: impl FnMut(&State) -> bool,
    ) -> Result<Waited, ScreenError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // Parameters hold what is typed, secrets too: they are not logged.
        tracing::debug!(id, method, "command");
        self.dead |= !send(&self.commands, id, session.as_deref(), method, params);
        let end = Instant::now() + limit;
        loop {
            let Some(incoming) = self.receive(end, method)? else {
                return Err(ScreenError::Hanging {
                    during: method.to_owned(),
                    limit,
                });
            };
            if incoming.method.is_empty() {
                if incoming.id != id {
                    continue;
                }
                return match incoming.error {
                    None => Ok(Waited::Answer(incoming.result)),
                    Some(refusal) => Err(ScreenError::Protocol {
                        method: method.to_owned(),
                        message: refusal.message,
                    }),
                };
            }
            self.state.apply(&incoming);
            if stop(&self.state) {
                return Ok(Waited::Stopped);
            }
            self.crashed(session)?;
        }
    }

    /// Takes in events for a while, or until `stop`. Says whether it stopped.
    pub(super) fn pump(
        &mut self,
        limit: Duration,
        during: &str,
        mut stop: impl FnMut(&State) -> bool,
    ) -> Result<bool, ScreenError> {
        let end = Instant::now() + limit;
        loop {
            if stop(&self.state) {
                return Ok(true);
            }
            match self.receive(end, during)? {
                None => return Ok(false),
                Some(incoming) if incoming.method.is_empty() => {}
                Some(incoming) => self.state.apply(&incoming),
            }
        }
    }

    /// Takes in what has already come.
    pub(super) fn catch_up(&mut self, during: &str) -> Result<(), ScreenError> {
        self.pump(Duration::ZERO, during, |_| false).map(|_| ())
    }

    /// Whether the process behind a session has crashed.
    fn crashed(&self, session: &Session) -> Result<(), ScreenError> {
        match session {
            Some(session) if self.state.crashed.contains(session) => Err(ScreenError::Crashed {
                url: self.state.url_of(session).to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, end: Instant, during: &str) -> Result<Option<Incoming>, ScreenError> {
        let left = end.saturating_duration_since(Instant::now());
        match self.incoming.recv_timeout(left) {
            Ok(incoming) => Ok(Some(incoming)),
            Err(RecvTimeoutError::Timeout) if !self.dead => Ok(None),
            Err(_) => {
                self.dead = true;
                // Its last words may still be on their way.
                std::thread::sleep(Duration::from_millis(50));
                Err(ScreenError::Died {
                    during: during.to_owned(),
                    stderr: self.stderr.text(),
                })
            }
        }
    }
}

/// Tells a new page or frame what it must know before its first script runs, and lets it go on.
fn greet(incoming: &Incoming, greeter: &Greeter, commands: &Sender<Vec<u8>>, ids: &AtomicU64) {
    let session = incoming.params["sessionId"].as_str();
    let kind = incoming.params["targetInfo"]["type"].as_str().unwrap_or_default();
    let wake = ("Runtime.runIfWaitingForDebugger", json!({}));
    for (method, params) in greeter(kind).iter().chain(std::iter::once(&wake)) {
        send(
            commands,
            ids.fetch_add(1, Ordering::Relaxed),
            session,
            method,
            params,
        );
    }
}

/// Hands a command to the writer; false if there is none any more.
fn send(commands: &Sender<Vec<u8>>, id: u64, session: Option<&str>, method: &str, params: &Value) -> bool {
    let message = match session {
        Some(session) => json!({"id": id, "method": method, "params": params, "sessionId": session}),
        None => json!({"id": id, "method": method, "params": params}),
    };
    commands.send(message.to_string().into_bytes()).is_ok()
}
