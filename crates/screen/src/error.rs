//! Why a screen could not be seen or operated.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::SecretRefused;

/// Why a screen could not be seen or operated. Every message ends in what to do about it.
#[derive(Debug, Error)]
pub enum ScreenError {
    /// No browser was found.
    #[error(
        "no Chromium or Chrome found (looked for {looked_for}): install it (Debian: apt-get install chromium) or name it with --browser-path"
    )]
    NotFound {
        /// Names or path that were tried.
        looked_for: String,
    },
    /// The browser did not start.
    #[error("{} did not start: {reason}. Its last words: {stderr:?}", path.display())]
    Launch {
        /// The program.
        path: PathBuf,
        /// What went wrong.
        reason: String,
        /// End of its standard error.
        stderr: String,
    },
    /// Another run has the profile.
    #[error(
        "the browser profile {} is in use by {by}: wait until that run ends, or name another profile", profile.display()
    )]
    ProfileInUse {
        /// The profile.
        profile: PathBuf,
        /// Who has it.
        by: String,
    },
    /// The browser ended by itself.
    #[error("the browser ended during {during}: start the run again. Its last words: {stderr:?}")]
    Died {
        /// What was being done.
        during: String,
        /// End of its standard error.
        stderr: String,
    },
    /// The page's process crashed.
    #[error("the page at {url} crashed: open an address or close the tab to go on")]
    Crashed {
        /// Address of the page.
        url: String,
    },
    /// No answer in time.
    #[error(
        "the page did not answer {during} within {} s: it hangs; go back, open another address or close the tab",
        limit.as_secs_f32()
    )]
    Hanging {
        /// What was being done.
        during: String,
        /// How long was waited.
        limit: Duration,
    },
    /// A page did not begin to load in time.
    #[error("{url} did not answer within {} s: the load was stopped; try again or open another address", limit.as_secs_f32())]
    NeverLoads {
        /// Address.
        url: String,
        /// How long was waited.
        limit: Duration,
    },
    /// A page could not be loaded.
    #[error("{url} could not be opened: {reason}. Check the address, or go back")]
    Navigation {
        /// Address.
        url: String,
        /// The browser's reason.
        reason: String,
    },
    /// Addresses of this kind are not opened.
    #[error("{url:?} is not opened: {reason}. Use an absolute http or https address")]
    Address {
        /// Address.
        url: String,
        /// Why not.
        reason: String,
    },
    /// There is no such page in the history.
    #[error("there is no page to go {direction} to: this is the end of the tab's history")]
    NoHistory {
        /// `back` or `forward`.
        direction: &'static str,
    },
    /// There is no such tab.
    #[error("there is no tab {index}: tabs are numbered 0 to {}", count.saturating_sub(1))]
    NoTab {
        /// What was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// This device cannot do that.
    #[error("{action} does not exist on this device: a browser has pointer, keyboard and tabs; {hint}")]
    NotOnThisDevice {
        /// The action's name.
        action: &'static str,
        /// What to use instead.
        hint: &'static str,
    },
    /// The action makes no sense as it stands.
    #[error("{action} cannot be done: {reason}")]
    Unfit {
        /// The action's name.
        action: &'static str,
        /// Why, and what would do.
        reason: String,
    },
    /// A dialog must be answered first.
    #[error(
        "a dialog of the page is open and blocks it: {kind} {message:?}. Press Enter to accept it or Escape to dismiss it, then go on"
    )]
    DialogOpen {
        /// `alert`, `confirm`, `prompt` or `beforeunload`.
        kind: String,
        /// The page's text.
        message: String,
    },
    /// What stands there is not what was approved; the input was withheld.
    #[error("the page changed after the approval: {difference}. {}. Look again and decide anew", done.as_deref().unwrap_or("Nothing was input"))]
    TargetChanged {
        /// What is different.
        difference: String,
        /// What had reached the page before the change was seen, if anything.
        done: Option<String>,
    },
    /// A secret was named that may not be typed here.
    #[error("secret {name:?} is not typed: {refused}")]
    Secret {
        /// Its name.
        name: String,
        /// Why not.
        refused: SecretRefused,
    },
    /// The run was stopped.
    #[error("stopped before {during}")]
    Interrupted {
        /// What was about to be done.
        during: String,
    },
    /// The screen has been closed.
    #[error("the screen is closed: start another run")]
    Closed,
    /// The browser refused a command: a defect here or an unknown browser version.
    #[error(
        "the browser refused {method}: {message}. Chromium 120 or newer is needed; see the log with RUST_LOG=aurore_screen=debug"
    )]
    Protocol {
        /// The protocol's method.
        method: String,
        /// The browser's message.
        message: String,
    },
    /// The browser sent something that is not what the protocol says.
    #[error("the browser's answer to {method} has no usable {field}: Chromium 120 or newer is needed")]
    Answer {
        /// The protocol's method.
        method: String,
        /// The missing or misshapen field.
        field: String,
    },
    /// The machine refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, and what to do.
        what: String,
        /// The machine's reason.
        source: std::io::Error,
    },
}
