//! What stands on a page, beside its picture: for experts that know a page's own markup, for recordings and for
//! tests. Read-only, and never shown to a model.

use std::sync::{Arc, Mutex, PoisonError};

use aurore_action::Rect;
use serde::Deserialize;
use serde_json::json;

use super::Browser;
use super::world::Argument;
use crate::ScreenError;

/// More elements than this are cut off.
const MOST: usize = 1000;

/// The elements of the tab's own document that a selector names, in document order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The elements.
    pub elements: Vec<Element>,
    /// Pixels of the page above the frame.
    pub above: u32,
    /// Pixels of the page below the frame.
    pub below: u32,
}

/// One element of a page. All texts are the page's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its `id`.
    pub id: String,
    /// Its role: `button`, `link`, `textbox`, …; empty if it has none.
    pub role: String,
    /// Its name: a field's label, a button's text.
    pub label: String,
    /// Its text, whitespace folded, at most 200 characters.
    pub text: String,
    /// The value of a field; never that of a password.
    pub value: Option<String>,
    /// Its box in frame pixels. It may lie outside of the frame.
    pub bounds: Rect,
    /// Whether it has the keyboard focus.
    pub focused: bool,
    /// Whether the middle of its box lies in the frame and nothing covers it.
    pub clear: bool,
}

impl Outline {
    /// The element with this `id`.
    pub fn find(&self, id: &str) -> Option<&Element> {
        self.elements.iter().find(|element| element.id == id)
    }
}

/// An outline that is read again at each look at the screen, and shared with whoever decides.
#[derive(Debug, Clone, Default)]
pub struct SharedOutline(Arc<Mutex<Outline>>);

impl SharedOutline {
    /// As it was at the last look. Empty if the page could not be read then.
    pub fn get(&self) -> Outline {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, outline: Outline) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outline;
    }
}

/// What the page's side says.
#[derive(Debug, Deserialize)]
struct Said {
    elements: Vec<SaidElement>,
    above: f64,
    below: f64,
}

#[derive(Debug, Deserialize)]
struct SaidElement {
    id: String,
    role: String,
    label: String,
    text: String,
    value: Option<String>,
    #[serde(rename = "box")]
    bounds: [f64; 4],
    focused: bool,
    clear: bool,
}

impl Browser {
    /// The elements that a selector names, as the page stands now. Nothing of the page is changed.
    pub fn outline(&mut self, selector: &str) -> Result<Outline, ScreenError> {
        self.ready("reading the page")?;
        let page = self.current()?;
        let world = self.world(&page.session, &page.target)?;
        let said: Said = self.value(
            &world,
            "(selector, most) => aurore.outline(selector, most)",
            &[Argument::Value(json!(selector)), Argument::Value(json!(MOST))],
        )?;
        let scale = self.options.scale;
        let pixels = |css: f64| (css * scale).round();
        Ok(Outline {
            elements: said
                .elements
                .into_iter()
                .map(|element| Element {
                    id: element.id,
                    role: element.role,
                    label: element.label,
                    text: element.text,
                    value: element.value,
                    bounds: Rect {
                        x: pixels(element.bounds[0]) as i32,
                        y: pixels(element.bounds[1]) as i32,
                        width: pixels(element.bounds[2]) as u32,
                        height: pixels(element.bounds[3]) as u32,
                    },
                    focused: element.focused,
                    clear: element.clear,
                })
                .collect(),
            above: pixels(said.above) as u32,
            below: pixels(said.below) as u32,
        })
    }

    /// From now on each look at the screen reads this outline too. The last call counts.
    pub fn keep_outline(&mut self, selector: &str) -> SharedOutline {
        let shared = SharedOutline::default();
        self.outlined = Some((selector.to_owned(), shared.clone()));
        shared
    }

    /// Reads the kept outline, if one is wanted. A page that cannot be read has none.
    pub(super) fn refresh_outline(&mut self) {
        let Some((selector, shared)) = self.outlined.clone() else {
            return;
        };
        let outline = self.outline(&selector).unwrap_or_else(|error| {
            tracing::debug!(%error, "the page gives no outline");
            Outline::default()
        });
        shared.set(outline);
    }
}
