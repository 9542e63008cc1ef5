//! How a browser is started.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aurore_action::Size;

use crate::Secrets;

/// How a browser is started and how long it is waited for.
pub struct BrowserOptions {
    /// The program; found on `PATH` if absent.
    pub path: Option<PathBuf>,
    /// Where its profile (cookies, logins, what pages store) is kept; made if missing, and one run's at a time. A
    /// throw-away one if absent.
    pub profile: Option<PathBuf>,
    /// Whether a person sees its window.
    pub show: bool,
    /// Whether a person may use the pages beside the run, as they may in a window that is shown.
    pub shared: bool,
    /// Size of the page in CSS pixels. A frame has this times `scale`.
    pub viewport: Size,
    /// Frame pixels per CSS pixel.
    pub scale: f64,
    /// How long the program may take to start.
    pub launch_limit: Duration,
    /// How long a page may take to answer a command or an input.
    pub answer_limit: Duration,
    /// How long an address may take to begin to load.
    pub navigation_limit: Duration,
    /// How long [`crate::Screen::settle`] waits at most.
    pub settle_limit: Duration,
    /// Once set, nothing more is input.
    pub stop: Arc<AtomicBool>,
    /// Where `{{secret:NAME}}` is looked up; without it such text is refused.
    pub secrets: Option<Box<dyn Secrets>>,
}

impl Default for BrowserOptions {
    /// A headless browser of 1280 by 800 at scale 1.
    fn default() -> Self {
        Self {
            path: None,
            profile: None,
            show: false,
            shared: false,
            viewport: Size {
                width: 1280,
                height: 800,
            },
            scale: 1.0,
            launch_limit: Duration::from_secs(30),
            answer_limit: Duration::from_secs(15),
            navigation_limit: Duration::from_secs(30),
            settle_limit: Duration::from_secs(5),
            stop: Arc::default(),
            secrets: None,
        }
    }
}
