//! What the vision tower made of a prompt's pictures, encoded when the reading comes to them.

use aurore_model::{Encoding, Model};

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
    /// The picture after those, half done.
    encoding: Option<Encoding>,
}

impl Features {
    /// Whether the features of placeholders below `to` (counted over the prompt) are here.
    pub(super) fn reach(&self, prepared: &Prepared, to: usize) -> bool {
        self.end >= to || self.encoded >= prepared.pictures.len()
    }

    /// Goes on toward the features of placeholders `from..to`, for as long as reading `tokens` of text takes.
    pub(super) fn look(
        &mut self,
        model: &Model,
        prepared: &Prepared,
        from: usize,
        to: usize,
        tokens: usize,
    ) -> Result<(), EngineError> {
        while self.end < to {
            let Some((_, count)) = prepared.pictures.get(self.encoded) else {
                break;
            };
            // A picture that the cache has read whole need not be seen.
            if self.end + count > from {
                let picture = &prepared.prompt.images[self.encoded];
                let mut encoding = match self.encoding.take() {
                    Some(encoding) => encoding,
                    None => model.begin_encoding(picture)?,
                };
                if !model.encode_more(picture, &mut encoding, tokens) {
                    self.encoding = Some(encoding);
                    return Ok(());
                }
                self.rows.extend(encoding.into_rows());
            } else {
                self.encoding = None;
                self.rows.clear();
                self.start = self.end + count;
            }
            self.end += count;
            self.encoded += 1;
        }
        Ok(())
    }

    /// Lets go of what was read: all below placeholder `from`.
    pub(super) fn read(&mut self, hidden: usize, from: usize) {
        let over = from
            .saturating_sub(self.start)
            .min(self.rows.len() / hidden.max(1));
        self.rows.drain(..over * hidden);
        self.start += over;
    }

    /// Rows of placeholders `from..to`.
    pub(super) fn rows(&self, hidden: usize, from: usize, to: usize) -> &[f32] {
        let at = |place: usize| (place.saturating_sub(self.start) * hidden).min(self.rows.len());
        &self.rows[at(from)..at(to)]
    }
}
