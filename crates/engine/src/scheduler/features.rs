//! What the vision tower made of a prompt's pictures, encoded when the reading comes to them.

use aurore_model::Model;

use super::prepared::Prepared;
use crate::EngineError;

/// Features of a prompt's pictures from some placeholder on.
#[derive(Debug, Default)]
pub(super) struct Features {
    /// Pictures whose features are here or were given up.
    encoded: usize,
    /// Placeholders of those.
    end: usize,
    /// The placeholder of the first row.
    start: usize,
    /// `[end - start, hidden]`
    rows: Vec<f32>,
}

impl Features {
    /// Makes the features of placeholders `from..to` (counted over the prompt) be here.
    pub(super) fn reach(
        &mut self,
        model: &Model,
        prepared: &Prepared,
        from: usize,
        to: usize,
    ) -> Result<(), EngineError> {
        let hidden = model.config().text.hidden_size;
        while self.end < to {
            let Some((_, count)) = prepared.pictures.get(self.encoded) else {
                break;
            };
            // A picture that the cache has read whole need not be seen.
            if self.end + count > from {
                let picture = &prepared.prompt.images[self.encoded..=self.encoded];
                self.rows.extend(model.encode_images(picture)?.rows);
            } else {
                self.rows.clear();
                self.start = self.end + count;
            }
            self.end += count;
            self.encoded += 1;
        }
        // What was read is not needed again.
        let over = from
            .saturating_sub(self.start)
            .min(self.rows.len() / hidden.max(1));
        self.rows.drain(..over * hidden);
        self.start += over;
        Ok(())
    }

    /// Rows of placeholders `from..to`.
    pub(super) fn rows(&self, hidden: usize, from: usize, to: usize) -> &[f32] {
        let at = |place: usize| (place.saturating_sub(self.start) * hidden).min(self.rows.len());
        &self.rows[at(from)..at(to)]
    }
}
