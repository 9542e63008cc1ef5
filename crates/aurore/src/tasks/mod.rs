//! Small tasks that pages set and judge themselves: the bundled pages, and MiniWoB++.

mod corrected;
mod experts;
mod looks;
mod miniwob;
mod own;
mod site;

use std::fmt;

use anyhow::Context;
use aurore_agent::GoalState;
use aurore_screen::browser::Browser;

pub use corrected::{Corrected, Label};
pub use experts::{TaskExpert, told_no};
pub use looks::{Looks, SEEN, Seen, seen};
pub use miniwob::MiniWob;
pub use own::OwnPage;
pub use site::Site;

use crate::failure::hinted;

/// The bundled pages: name and text.
pub const BUNDLED: &[(&str, &str)] = &[
    ("checkout", include_str!("../../../../apps/checkout.html")),
    ("colour", include_str!("../../../../apps/colour.html")),
    ("cookies", include_str!("../../../../apps/cookies.html")),
    ("dialog", include_str!("../../../../apps/dialog.html")),
    ("newsletter", include_str!("../../../../apps/newsletter.html")),
    ("tabs", include_str!("../../../../apps/tabs.html")),
];

/// What stands for the seed in the address of an own page.
const SEED: &str = "{seed}";

/// Waits until the page's scripts are there and its load event has passed.
const LOADED: &str = "new Promise(loaded => { \
    const look = () => document.readyState === 'complete' ? loaded(true) : setTimeout(look, 5); look(); })";

/// Where a task comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// The pages inside this program (`apps/` in the repository).
    Bundled,
    /// MiniWoB++, kept in a folder beside.
    MiniWob,
    /// A page of the person's own.
    Own,
}

/// A page that sets a goal from a seed and knows whether it is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Where it comes from.
    pub suite: Suite,
    /// Its name: `cookies`, `click-test`, …
    pub name: String,
    /// Where an own page stands; `{seed}` in it stands for the seed.
    address: String,
}

impl fmt::Display for Task {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

impl Task {
    /// A bundled page.
    pub fn bundled(name: &str) -> Self {
        Self {
            suite: Suite::Bundled,
            name: name.to_owned(),
            address: String::new(),
        }
    }

    /// A MiniWoB++ task.
    pub fn miniwob(name: &str) -> Self {
        Self {
            suite: Suite::MiniWob,
            name: name.to_owned(),
            address: String::new(),
        }
    }

    /// Opens the page of an episode and waits until it has loaded.
    ///
    /// # Errors
    /// When it does not load.
    pub fn open(&self, browser: &mut Browser, site: &Site, seed: u64) -> anyhow::Result<()> {
        let address = match self.suite {
            Suite::Bundled => format!("{}/apps/{}.html", site.origin(), self.name),
            Suite::MiniWob => format!("{}/miniwob/{}.html", site.origin(), self.name),
            Suite::Own => self.address.replace(SEED, &seed.to_string()),
        };
        browser
            .open(&address)
            .with_context(|| format!("the page of `{self}` does not open"))?;
        browser
            .evaluate(LOADED)
            .with_context(|| format!("the page of `{self}` does not load"))?;
        Ok(())
    }

    /// Opens the page, starts the episode of this seed, and gives the goal in the page's words.
    ///
    /// # Errors
    /// When the page does not load or does not keep its contract.
    pub fn begin(&self, browser: &mut Browser, site: &Site, seed: u64) -> anyhow::Result<String> {
        self.open(browser, site, seed)?;
        let goal = browser
            .evaluate(&self.start_script(seed))
            .with_context(|| format!("the page of `{self}` does not start its episode {seed}"))?;
        match goal.as_str().map(str::trim) {
            Some(goal) if !goal.is_empty() => Ok(goal.to_owned()),
            _ => Err(hinted(
                format!("the page of `{self}` gave no goal for seed {seed}, but {goal}"),
                match self.suite {
                    Suite::Own => {
                        "it should set `aurore.goal` when `aurore.start(seed)` is called: docs/episodes.md"
                    }
                    _ => "is it a task page, and of the release that `cargo xtask setup` fetches?",
                },
            )),
        }
    }

    fn start_script(&self, seed: u64) -> String {
        match self.suite {
            Suite::Bundled => format!("window.aurore.start({seed}); window.aurore.goal"),
            // As in training (models/nano/README.md). The pages' limit of ten seconds is for people and fast
            // machines; how quick the model is here is another measurement. A dialog that takes the focus
            // scrolls a page this narrow.
            // The address may name the seed, and the page start by itself.
            Suite::Own => format!("window.aurore.start?.({seed}); window.aurore.goal"),
            Suite::MiniWob => format!(
                "document.documentElement.style.overflow = 'hidden'; core.EPISODE_MAX_TIME = 1e9; \
                 Math.seedrandom({seed}); core.startEpisodeReal(); scrollTo(0, 0); \
                 (goal => goal.utterance ?? goal)(core.getUtterance())"
            ),
        }
    }

    /// What the page itself says of the goal. A page that is gone or broken leaves the question open.
    pub fn state(&self, browser: &mut Browser) -> GoalState {
        let script = match self.suite {
            Suite::Bundled | Suite::Own => "window.aurore.done ? Math.sign(window.aurore.reward) || -1 : 0",
            Suite::MiniWob => "WOB_DONE_GLOBAL ? (WOB_RAW_REWARD_GLOBAL > 0 ? 1 : -1) : 0",
        };
        match browser.evaluate(script).ok().and_then(|value| value.as_i64()) {
            Some(1) => GoalState::Reached,
            Some(-1) => GoalState::Missed,
            _ => GoalState::Open,
        }
    }
}
