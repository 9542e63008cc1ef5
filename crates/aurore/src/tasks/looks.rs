//! What stood on a page at each decision of an expert: for questions about the recorded frames.

use std::sync::{Arc, Mutex, PoisonError};

use aurore_action::{Rect, Size};
use aurore_drawn::{Role, Widget};
use serde::Deserialize;
use serde_json::Value;

/// A script that says what can be read in the window; it changes nothing.
pub const SEEN: &str = include_str!("experts/seen.js");

/// What was seen at each decision, oldest first. Shared with whoever decides.
#[derive(Debug, Clone, Default)]
pub struct Looks(Arc<Mutex<Vec<Vec<Widget>>>>);

/// What the page's side says.
#[derive(Debug, Deserialize)]
struct Said {
    /// The window's width, CSS pixels.
    width: f64,
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "box")]
    bounds: [f64; 4],
    role: Role,
    label: String,
    value: Option<String>,
    checked: Option<bool>,
}

impl Looks {
    /// Adds what a page said of itself with [`SEEN`], at a look whose frame has this size. A page that said nothing showed
    /// nothing.
    pub fn push(&self, answer: Option<Value>, size: Size) {
        let said = answer.and_then(|answer| serde_json::from_value::<Said>(answer).ok());
        let widgets = said.map_or_else(Vec::new, |said| said.widgets(size));
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(widgets);
    }

    /// Takes all out.
    pub fn take(&self) -> Vec<Vec<Widget>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Said {
    fn widgets(self, size: Size) -> Vec<Widget> {
        let scale = f64::from(size.width) / self.width.max(1.0);
        let pixel = |css: f64| (css * scale).round() as i32;
        let widget = |item: Item| {
            let [left, top, right, bottom] = item.bounds.map(pixel);
            Widget {
                role: item.role,
                label: item.label,
                bounds: Rect {
                    x: left,
                    y: top,
                    width: right.saturating_sub(left).max(0) as u32,
                    height: bottom.saturating_sub(top).max(0) as u32,
                },
                checked: item.checked,
                value: item.value,
            }
        };
        self.items.into_iter().map(widget).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn boxes_are_in_pixels_of_the_frame() {
        let size = Size {
            width: 320,
            height: 420,
        };
        let looks = Looks::default();
        looks.push(
            Some(json!({"width": 160, "items": [{"box": [10, 20, 40, 30.4], "role": "button", "label": "OK"}]})),
            size,
        );
        looks.push(None, size);
        let taken = looks.take();
        assert_eq!(
            taken[0][0].bounds,
            Rect {
                x: 20,
                y: 40,
                width: 60,
                height: 21
            }
        );
        assert!(taken[1].is_empty());
        assert!(looks.take().is_empty());
    }
}
