//! The run waits while somebody who watches wants it to, or has the screen in their own hands.

use std::time::Instant;

use aurore_screen::Screen;

use super::Run;
use crate::{AgentError, Happening, Mode};

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// The screen is as it was left.
    Same,
    /// The screen was in somebody's hands: what was decided before is not about what is there now.
    Touched,
}

/// What the model is told when somebody had the screen in their hands.
pub(super) const TOUCHED: &str = "Not done: the person took over the screen by hand meanwhile and gave it back. Look at the screen anew and decide on what is there now.";

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Waits while the run is not wanted to go on. The time does not count against its budget. After the screen was in
    /// somebody's hands it is looked at anew.
    pub(super) fn hold(&mut self) -> Result<Held, AgentError> {
        let watch = self.options.watch.clone();
        if watch.wanted() == Mode::Running {
            return Ok(Held::Same);
        }
        let began = Instant::now();
        let mut held = Held::Same;
        let mut mode = Mode::Running;
        while !self.stopped() {
            let wanted = watch.wanted();
            if wanted != mode {
                mode = wanted;
                watch.publish(Happening::Mode { mode });
                if mode == Mode::Hands {
                    held = Held::Touched;
                }
            }
            if mode == Mode::Running {
                break;
            }
            watch.wait_while(mode);
        }
        self.started += began.elapsed();
        if held == Held::Touched && !self.stopped() {
            self.options.screen.settle()?;
            self.look()?;
        }
        Ok(held)
    }
}
