//! A person shows how it is done: run after run at one hub, the screen theirs from the beginning.

use super::{Happening, Hub, Lesson, Mode, OrderRefused, hub::State};

/// What became of what a person was to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taught {
    /// They have the screen, or have said that it is done.
    Shown,
    /// They want it forgotten.
    Dropped,
}

impl Hub {
    /// The next run at this hub begins with the screen in a person's hands, who shows how it is done.
    pub fn teach(&self, lesson: Lesson) {
        let mut state = self.state();
        state.over = false;
        state.hands.clear();
        // Nothing is done by hand before the run says that the screen is theirs.
        state.mode = Mode::Running;
        state.wanted = Mode::Hands;
        "the recording".clone_into(&mut state.wanted_by);
        state.taught = Some(Taught::Shown);
        state.log(Happening::Lesson(lesson));
        drop(state);
        self.news();
    }

    /// Whether a person is to show something here.
    pub(crate) fn is_lesson(&self) -> bool {
        self.state().taught.is_some()
    }

    /// Whether the person wants what they showed forgotten.
    pub fn is_dropped(&self) -> bool {
        self.state().taught == Some(Taught::Dropped)
    }
}

impl State {
    pub(super) fn drop_lesson(&mut self) -> Result<(), OrderRefused> {
        if self.taught.is_none() {
            return Err(OrderRefused::NotNow(
                "nothing is being shown that could be dropped",
            ));
        }
        self.taught = Some(Taught::Dropped);
        Ok(())
    }
}
