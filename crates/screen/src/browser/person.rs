//! What a person does at the window beside the run: for tests of what comes then. Nothing is judged, nothing is told
//! beforehand.

use aurore_action::Point;
use serde_json::json;

use super::Browser;
use crate::{Screen, ScreenError};

impl Browser {
    /// Presses as a person at the window would.
    pub fn press_as_a_person(&mut self, at: Point) -> Result<(), ScreenError> {
        let scale = self.options.scale;
        let (x, y) = (f64::from(at.x) / scale, f64::from(at.y) / scale);
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.input("Input.dispatchMouseEvent", &params)?;
        }
        self.settle()
    }

    /// Turns the wheel, downward by so many CSS pixels.
    pub fn scroll_as_a_person(&mut self, at: Point, down: f64) -> Result<(), ScreenError> {
        let (x, y) = self.css(at);
        let params = json!({"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": down});
        self.input("Input.dispatchMouseEvent", &params)?;
        self.settle()
    }

    /// Goes to an address as the address bar does.
    pub fn go_as_a_person(&mut self, url: &str) -> Result<(), ScreenError> {
        self.input("Page.navigate", &json!({"url": url}))?;
        self.settle()
    }

    /// Goes back as the browser's button does.
    pub fn back_as_a_person(&mut self) -> Result<(), ScreenError> {
        let page = self.current()?;
        let entry = self.history_entry(&page, -1, "back")?;
        self.input("Page.navigateToHistoryEntry", &json!({"entryId": entry}))?;
        self.settle()
    }

    /// Opens an empty tab, and closes it again if `close`.
    pub fn open_tab_as_a_person(&mut self, close: bool) -> Result<(), ScreenError> {
        let limit = self.options.answer_limit;
        let params = json!({"url": "about:blank"});
        let answer = self.cdp.call(&None, "Target.createTarget", &params, limit)?;
        if close {
            let target = json!({"targetId": answer["targetId"]});
            self.cdp.call(&None, "Target.closeTarget", &target, limit)?;
        }
        self.settle()
    }
}
