//! What stood on a page at each decision of an expert: for questions about the recorded frames.

use std::sync::{Arc, Mutex, PoisonError};

use aurore_action::{Rect, Size};
use aurore_drawn::{Role, Widget, Word};
use serde::Deserialize;
use serde_json::Value;

/// A script that says what can be read in the window; it changes nothing.
pub const SEEN: &str = include_str!("experts/seen.js");

/// What could be seen on a page.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Short texts and controls.
    pub widgets: Vec<Widget>,
    /// All words.
    pub words: Vec<Word>,
}

/// What was seen at each decision, oldest first. Shared with whoever decides.
#[derive(Debug, Clone, Default)]
pub struct Looks(Arc<Mutex<Vec<Seen>>>);

/// What the page's side says.
#[derive(Debug, Deserialize)]
struct Said {
    /// The window's width, CSS pixels.
    width: f64,
    items: Vec<Item>,
    #[serde(default)]
    words: Vec<Spelt>,
}

#[derive(Debug, Deserialize)]
struct Spelt {
    text: String,
    #[serde(rename = "box")]
    bounds: [f64; 4],
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
        let seen = seen(answer, &[], size);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    /// Takes all out.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a page said of itself with [`SEEN`], at a look whose frame has this size and hides these boxes (left, top, width,
/// height in CSS pixels). What is hidden was not seen.
pub fn seen(answer: Option<Value>, covered: &[[f64; 4]], size: Size) -> Seen {
    let said = answer.and_then(|answer| serde_json::from_value::<Said>(answer).ok());
    said.map_or_else(Seen::default, |said| said.seen(covered, size))
}

impl Said {
    fn seen(self, covered: &[[f64; 4]], size: Size) -> Seen {
        let scale = f64::from(size.width) / self.width.max(1.0);
        let is_open = |[left, top, right, bottom]: [f64; 4]| {
            !covered.iter().any(|[x, y, width, height]| {
                left < x + width && *x < right && top < y + height && *y < bottom
            })
        };
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
        let tenths = |css: f64| (css * scale * 10.0).round() / 10.0;
        let word = |word: Spelt| {
            let [left, top, right, bottom] = word.bounds;
            Word {
                text: word.text,
                bounds: [left, top, right - left, bottom - top].map(tenths),
            }
        };
        let items = self.items.into_iter().filter(|item| is_open(item.bounds));
        let words = self.words.into_iter().filter(|word| is_open(word.bounds));
        Seen {
            widgets: items.map(widget).collect(),
            words: words.map(word).collect(),
        }
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
            taken[0].widgets[0].bounds,
            Rect {
                x: 20,
                y: 40,
                width: 60,
                height: 21
            }
        );
        assert!(taken[1].widgets.is_empty());
        assert!(looks.take().is_empty());
        let said = json!({"width": 160, "items": [
            {"box": [10, 20, 40, 30], "role": "textbox", "label": "", "value": "secret"},
            {"box": [10, 40, 40, 50], "role": "button", "label": "OK"},
        ], "words": [{"text": "secret", "box": [12, 22, 30, 28]}, {"text": "OK", "box": [20, 41.04, 30, 49]}]});
        let open = seen(Some(said), &[[10.0, 20.0, 30.0, 10.0]], size);
        assert_eq!(open.widgets.len(), 1);
        assert_eq!(open.widgets[0].label, "OK");
        let word = Word {
            text: "OK".to_owned(),
            bounds: [40.0, 82.1, 20.0, 15.9],
        };
        assert_eq!(open.words, [word]);
    }
}
