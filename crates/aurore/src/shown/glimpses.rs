//! What stood on the page at each look of a run: its title, and what can be read there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aurore_action::FrameId;
use aurore_agent::{Happening, Hub};
use aurore_drawn::Widget;
use aurore_screen::browser::Told;

use crate::tasks;

/// What stood in one frame.
#[derive(Debug, Clone, Default)]
pub struct Glimpse {
    /// The page's title.
    pub title: String,
    /// What can be read, without what is hidden in the frame.
    pub widgets: Vec<Widget>,
}

/// By frame. All clones are one.
#[derive(Clone, Default)]
pub struct Glimpses(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// Who says what stands on the page.
    told: Option<Told>,
    /// The last entry of the hub's log that was looked at.
    last: u64,
    frames: HashMap<FrameId, Glimpse>,
}

impl Glimpses {
    /// Collects from now on what a hub tells of looks.
    pub fn of(hub: &Hub) -> Self {
        let glimpses = Self::default();
        let (collected, from) = (glimpses.clone(), hub.clone());
        // Called on the run's own thread right after each look, before the page can say anything else.
        hub.on_news(move || collected.collect(&from));
        glimpses
    }

    /// A new run begins, in a browser that says with `told` what stands on its page.
    pub fn begin(&self, told: Told) {
        let mut seen = self.seen();
        seen.told = Some(told);
        seen.frames.clear();
    }

    /// What stood in a frame.
    pub fn get(&self, frame: &FrameId) -> Glimpse {
        self.seen().frames.get(frame).cloned().unwrap_or_default()
    }

    fn collect(&self, hub: &Hub) {
        let mut seen = self.seen();
        for entry in hub.since(seen.last) {
            seen.last = entry.sequence;
            let Happening::Looked(look) = &*entry.happening else {
                continue;
            };
            if seen.frames.contains_key(&look.frame) {
                continue;
            }
            let Some(told) = &seen.told else { continue };
            let glimpse = Glimpse {
                title: look.title.clone(),
                widgets: tasks::seen(told.answer(), &told.covered(), look.size).widgets,
            };
            seen.frames.insert(look.frame.clone(), glimpse);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
