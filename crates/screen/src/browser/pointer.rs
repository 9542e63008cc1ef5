//! The pointer: clicks, drags, the wheel.

use std::time::Duration;

use aurore_action::{Button, Modifier, Point};
use aurore_policy::Binding;
use serde_json::{Value, json};

use super::Browser;
use super::cdp::Waited;
use super::guard::{Armed, Heard, Kind, Release};
use crate::ScreenError;

/// Points that the pointer passes between two points of a drag: pages notice a drag by its moves.
const STEPS: u32 = 8;

/// The protocol's bits for held modifiers.
pub(super) fn modifier_bits(modifiers: &[Modifier]) -> u8 {
    modifiers
        .iter()
        .map(|modifier| match modifier {
            Modifier::Alt => 1,
            Modifier::Control => 2,
            Modifier::Meta => 4,
            Modifier::Shift => 8,
        })
        .fold(0, |bits, bit| bits | bit)
}

fn name(button: Button) -> (&'static str, u8) {
    match button {
        Button::Left => ("left", 1),
        Button::Right => ("right", 2),
        Button::Middle => ("middle", 4),
    }
}

impl Browser {
    /// The middle of a frame pixel, in CSS pixels.
    pub(super) fn css(&self, at: Point) -> (f64, f64) {
        let scale = self.options.scale;
        ((f64::from(at.x) + 0.5) / scale, (f64::from(at.y) + 0.5) / scale)
    }

    /// The frame pixel that the pointer is in.
    pub(super) fn pointer_pixel(&self) -> Point {
        let scale = self.options.scale;
        Point::new(
            (self.pointer.0 * scale).floor() as i32,
            (self.pointer.1 * scale).floor() as i32,
        )
    }

    /// The middle of the frame.
    pub(super) fn middle(&self) -> Point {
        let scale = self.options.scale;
        Point::new(
            (f64::from(self.options.viewport.width) * scale / 2.0) as i32,
            (f64::from(self.options.viewport.height) * scale / 2.0) as i32,
        )
    }

    fn mouse(
        &mut self,
        kind: &str,
        button: (&str, u8),
        count: u8,
        modifiers: u8,
    ) -> Result<Waited, ScreenError> {
        let (x, y) = self.pointer;
        let held = if kind == "mousePressed" || self.held {
            button.1
        } else {
            0
        };
        let params = json!({
            "type": kind, "x": x, "y": y, "button": button.0, "buttons": held,
            "clickCount": count, "modifiers": modifiers, "pointerType": "mouse",
        });
        self.input("Input.dispatchMouseEvent", &params)
    }

    fn move_to(&mut self, spot: (f64, f64), modifiers: u8) -> Result<Waited, ScreenError> {
        self.pointer = spot;
        let button = if self.held { ("left", 1) } else { ("none", 0) };
        self.mouse("mouseMoved", button, 0, modifiers)
    }

    pub(super) fn hover(&mut self, binding: &Binding, to: Point) -> Result<(), ScreenError> {
        self.same_page(binding)?;
        let spot = self.css(to);
        self.move_to(spot, 0).map(|_| ())
    }

    pub(super) fn click(
        &mut self,
        binding: &Binding,
        button: Button,
        count: u8,
        at: Point,
        modifiers: &[Modifier],
    ) -> Result<(), ScreenError> {
        let found = self.approved_at(binding, at)?;
        let bits = modifier_bits(modifiers);
        let armed = self.arm(Kind::Pointer, &found, &Release::Same)?;
        let outcome = self.press_times(&armed, name(button), count, at, bits);
        self.disarm(&armed);
        outcome
    }

    fn press_times(
        &mut self,
        armed: &Armed,
        button: (&str, u8),
        count: u8,
        at: Point,
        modifiers: u8,
    ) -> Result<(), ScreenError> {
        let spot = self.css(at);
        self.move_to(spot, modifiers)?;
        for press in 1..=count.clamp(1, 3) {
            let done = if press == 1 {
                "The button went down on what was approved, and the rest was withheld".to_owned()
            } else {
                format!("The press was made {} of {count} times", press - 1)
            };
            // A dialog, or the tab's end, says that the press has been handled.
            if let Waited::Stopped = self.mouse("mousePressed", button, press, modifiers)? {
                return Ok(());
            }
            let pressed = self.hear(armed)?;
            // The release always follows, so that no button stays down; the guard withholds it where it must.
            if let Waited::Stopped = self.mouse("mouseReleased", button, press, modifiers)? {
                return Ok(());
            }
            pressed.judged(&done)?;
            self.hear(armed)?.judged_last(&done)?;
        }
        Ok(())
    }

    pub(super) fn mouse_down(&mut self, binding: &Binding, at: Option<Point>) -> Result<(), ScreenError> {
        let at = at.unwrap_or_else(|| self.pointer_pixel());
        let found = self.approved_at(binding, at)?;
        let armed = self.arm(Kind::Pointer, &found, &Release::Anywhere)?;
        let spot = self.css(at);
        let outcome = self
            .move_to(spot, 0)
            .and_then(|_| self.mouse("mousePressed", ("left", 1), 1, 0))
            .and_then(|_| self.hear(&armed))
            .and_then(|heard| heard.judged_last("The button went down"));
        self.held = outcome.is_ok();
        self.disarm(&armed);
        outcome
    }

    pub(super) fn mouse_up(&mut self, binding: &Binding, at: Option<Point>) -> Result<(), ScreenError> {
        let at = at.unwrap_or_else(|| self.pointer_pixel());
        let found = self.approved_at(binding, at)?;
        let armed = self.arm(Kind::Pointer, &found, &Release::Same)?;
        let spot = self.css(at);
        let outcome = self.move_to(spot, 0).and_then(|_| {
            self.held = false;
            self.mouse("mouseReleased", ("left", 1), 1, 0)
        });
        let outcome = outcome
            .and_then(|_| self.hear(&armed))
            .and_then(|heard| heard.judged_last("The button went up"));
        self.disarm(&armed);
        outcome
    }

    pub(super) fn drag(
        &mut self,
        binding: &Binding,
        path: &[Point],
        modifiers: &[Modifier],
    ) -> Result<(), ScreenError> {
        let (Some(start), Some(end), true) = (path.first(), path.last(), path.len() > 1) else {
            return Err(ScreenError::Unfit {
                action: "left_click_drag",
                reason: "a drag needs at least two points".to_owned(),
            });
        };
        let found = self.approved_at(binding, *start)?;
        let release = self.approved_end(binding, *end)?;
        let bits = modifier_bits(modifiers);
        let armed = self.arm(Kind::Pointer, &found, &release)?;
        let session = self.current()?.session;
        // The desktop's own drag and drop would take the pointer out of our hands.
        self.ask(&session, "Input.setInterceptDrags", &json!({"enabled": true}))?;
        self.cdp.state.drag = None;
        let outcome = self.drag_along(&armed, path, bits);
        self.held = false;
        self.cdp.tell(
            &Some(session),
            "Input.setInterceptDrags",
            &json!({"enabled": false}),
        );
        self.disarm(&armed);
        outcome
    }

    fn drag_along(&mut self, armed: &Armed, path: &[Point], modifiers: u8) -> Result<(), ScreenError> {
        const DONE: &str = "The drag was begun, and its release was withheld";
        let mut points = path
            .iter()
            .map(|point| self.css(*point))
            .collect::<Vec<_>>()
            .into_iter();
        let Some(mut from) = points.next() else {
            return Ok(());
        };
        self.move_to(from, modifiers)?;
        self.mouse("mousePressed", ("left", 1), 1, modifiers)?;
        self.held = true;
        let pressed = self.hear(armed)?;
        if pressed != Heard::Passed {
            self.held = false;
            self.mouse("mouseReleased", ("left", 1), 1, modifiers)?;
            return pressed.judged(DONE);
        }
        // What the page wants to be dragged, once it has said so.
        let mut load: Option<Value> = None;
        for to in points {
            for step in 1..=STEPS {
                let share = f64::from(step) / f64::from(STEPS);
                let spot = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
                if let Some(data) = &load {
                    let data = data.clone();
                    self.pointer = spot;
                    self.drag_event("dragOver", &data, modifiers)?;
                    continue;
                }
                self.move_to(spot, modifiers)?;
                if self.cdp.state.drag.is_none() {
                    // A native drag begins in the browser, beside the move's answer.
                    self.cdp
                        .pump(Duration::from_millis(5), "a drag", |state| state.drag.is_some())?;
                }
                if let Some(data) = self.cdp.state.drag.take() {
                    self.drag_event("dragEnter", &data, modifiers)?;
                    self.drag_event("dragOver", &data, modifiers)?;
                    load = Some(data);
                }
            }
            from = to;
        }
        if let Some(data) = load {
            self.drag_event("drop", &data, modifiers)?;
        }
        self.held = false;
        self.mouse("mouseReleased", ("left", 1), 1, modifiers)?;
        self.hear(armed)?.judged_last(DONE)
    }

    fn drag_event(&mut self, kind: &str, data: &Value, modifiers: u8) -> Result<Waited, ScreenError> {
        let (x, y) = self.pointer;
        let params = json!({"type": kind, "x": x, "y": y, "data": data, "modifiers": modifiers});
        self.input("Input.dispatchDragEvent", &params)
    }

    pub(super) fn scroll(
        &mut self,
        binding: &Binding,
        at: Option<Point>,
        (dx, dy): (i32, i32),
        modifiers: &[Modifier],
    ) -> Result<(), ScreenError> {
        self.same_page(binding)?;
        let spot = self.css(at.unwrap_or_else(|| self.middle()));
        let bits = modifier_bits(modifiers);
        if self.shown() {
            self.own_wheel();
        }
        self.move_to(spot, bits)?;
        let scale = self.options.scale;
        let params = json!({
            "type": "mouseWheel", "x": spot.0, "y": spot.1, "modifiers": bits, "pointerType": "mouse",
            "deltaX": f64::from(dx) / scale, "deltaY": f64::from(dy) / scale,
        });
        self.input("Input.dispatchMouseEvent", &params).map(|_| ())
    }
}
