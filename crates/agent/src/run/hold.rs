//! The run waits while somebody who watches wants it to, or has the screen in their own hands.

use std::time::{Duration, Instant};

use aurore_screen::Screen;

use super::{Run, StepOutcome};
use crate::{AgentError, ByHand, Event, Happening, Mode, Order, OrderRecord, WindowRecord};

/// How often the screen is looked at while it is in somebody's hands.
const GLANCE: Duration = Duration::from_secs(1);

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

/// What the model is told when somebody used the screen's own window before its action was input.
pub(super) const MEDDLED: &str = "Not done: the person used the browser's own window meanwhile. Look at the screen anew and decide on what is there now.";

/// What is added to the result of an action beside which somebody used the screen's own window.
pub(super) const BESIDE: &str = "The person used the browser's own window at the same time: what the screen shows may be their doing and not your action's.";

impl<S: Screen + ?Sized> Run<'_, S> {
    /// Whether somebody used the screen's own window since the last time that this was asked. It is written down, and
    /// the screen is looked at anew: what was decided on an older frame is not about what is there now.
    pub(super) fn meddled(&mut self) -> Result<bool, AgentError> {
        if !self.window_used()? {
            return Ok(false);
        }
        self.options.screen.settle()?;
        self.look()?;
        Ok(true)
    }

    /// The same without a look.
    pub(super) fn window_used(&mut self) -> Result<bool, AgentError> {
        if !self.options.screen.touched() {
            return Ok(false);
        }
        let step = self.steps;
        self.append(&Event::Window(WindowRecord { step }), &[])?;
        self.options.watch.publish(Happening::Hand(ByHand {
            number: 0,
            step,
            by: "the person at the browser's window".to_owned(),
            words: "used the browser's own window".to_owned(),
            outcome: StepOutcome::Done,
            result: String::new(),
        }));
        Ok(true)
    }

    /// Waits while the run is not wanted to go on. The time does not count against its budget. After the screen was in
    /// somebody's hands it is looked at anew.
    pub(super) fn hold(&mut self) -> Result<Held, AgentError> {
        let watch = self.options.watch.clone();
        if watch.wanted().0 == Mode::Running {
            return Ok(Held::Same);
        }
        let began = Instant::now();
        let mut held = Held::Same;
        let mut mode = Mode::Running;
        let mut looked = began;
        'held: while !self.stopped() {
            let (wanted, by) = watch.wanted();
            if wanted != mode {
                self.append_order(mode, wanted, by)?;
                mode = wanted;
                watch.publish(Happening::Mode { mode });
                if mode == Mode::Hands {
                    held = Held::Touched;
                }
            }
            match mode {
                Mode::Running => break,
                Mode::Paused => {}
                Mode::Hands => {
                    while let Some(hand) = watch.next_hand() {
                        self.hand(hand)?;
                        looked = Instant::now();
                        if self.by_hand.is_some() {
                            break 'held;
                        }
                    }
                    // Pages move by themselves, and hands may be at work in the browser's own window.
                    if looked.elapsed() >= GLANCE {
                        self.look()?;
                        looked = Instant::now();
                    }
                }
            }
            watch.wait_while(mode);
        }
        self.started += began.elapsed();
        if held == Held::Touched && !self.stopped() {
            self.options.screen.settle()?;
            self.look()?;
            if watch.is_lesson() {
                // What was done there was not seen: it is no part of what they showed.
                let _ = self.window_used()?;
            } else {
                // The window was theirs meanwhile: nothing needs to be said of it.
                let _ = self.options.screen.touched();
            }
        }
        Ok(held)
    }

    fn append_order(&mut self, before: Mode, wanted: Mode, by: String) -> Result<(), AgentError> {
        let order = match (before, wanted) {
            (_, Mode::Paused) => Order::Pause,
            (_, Mode::Hands) => Order::Take,
            (Mode::Hands, Mode::Running) => Order::GiveBack,
            (_, Mode::Running) => Order::Resume,
        };
        let step = self.steps;
        self.append(&Event::Order(OrderRecord { order, by, step }), &[])
    }
}
