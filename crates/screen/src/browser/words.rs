//! The text of a page, for whoever has to know what came off it.

use serde::Deserialize;

use super::Browser;
use crate::Words;

/// What the page's side says.
#[derive(Deserialize)]
struct Said {
    origin: String,
    lines: Vec<String>,
}

impl Browser {
    /// The text of all documents of the tab in front. One that does not answer is left out.
    pub(super) fn words_in_front(&mut self) -> Vec<Words> {
        // A page under a message box answers nothing; the box's own text is in the frame's notes.
        if !matches!(self.dialog(), Ok(None)) {
            return Vec::new();
        }
        let Ok(documents) = self.documents() else {
            return Vec::new();
        };
        documents
            .into_iter()
            .filter_map(|(session, frame)| {
                let world = self.world(&session, &frame).ok()?;
                let said: Said = self.value(&world, "() => aurore.words()", &[]).ok()?;
                Some(Words {
                    origin: said.origin,
                    lines: said.lines,
                })
            })
            .collect()
    }
}
