//! Screens that no program shows: widgets drawn in-process, each with what it is and where, and lessons about them. An
//! unlimited stream for learning to read and to point before real pages are met.
//!
//! A [`Drawing`] is made from a seed: the same seed, size and fonts give the same picture. Its [`Lesson`]s are true of the
//! picture by construction, and none has two answers.

#![forbid(unsafe_code)]

mod changes;
mod dice;
mod fonts;
mod layout;
mod lessons;
mod paint;
mod questions;
mod read;
mod theme;
mod widget;
mod words;

use aurore_action::Size;
use thiserror::Error;

pub use changes::changes;
pub use fonts::Fonts;
pub use lessons::{Answer, Lesson};
pub use questions::{Question, questions};
pub use read::Word;
pub use widget::{Role, Widget};
pub use words::LANGUAGES;

/// Why nothing was drawn.
#[derive(Debug, Error)]
pub enum DrawnError {
    /// A picture of this size cannot be drawn on.
    #[error("cannot draw {}×{} pixels: sides of 64 to 4096 can be drawn", .0.width, .0.height)]
    Size(Size),
    /// What was composed is no picture.
    #[error("the drawing of seed {seed} is no picture: {message}")]
    Picture {
        /// The seed.
        seed: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// A screen with what stands on it.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// The picture's sides in pixels.
    pub size: Size,
    /// Colours. `[height, width, 3]`
    pub rgb: Vec<u8>,
    /// What stands on it, from top to bottom and left to right.
    pub widgets: Vec<Widget>,
    /// Its words, as they are read.
    pub words: Vec<Word>,
    /// The language of its texts: an ISO 639-1 code.
    pub language: &'static str,
    /// What can be asked about it.
    pub lessons: Vec<Lesson>,
}

/// How much stands on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Density {
    /// One or two rows: what is there can be learnt before many things have to be told apart.
    Sparse,
    /// Half of the screens are sparse, the others full.
    #[default]
    Mixed,
    /// As much as there is room for.
    Full,
}

impl Drawing {
    /// Draws the screen of a seed.
    ///
    /// # Errors
    /// When the size cannot be drawn.
    pub fn new(seed: u64, size: Size, density: Density, fonts: &Fonts) -> Result<Self, DrawnError> {
        if ![size.width, size.height]
            .iter()
            .all(|side| (64..=4096).contains(side))
        {
            return Err(DrawnError::Size(size));
        }
        let mut dice = dice::Dice::new(seed);
        let vocabulary = words::choose(&mut dice);
        let theme = theme::Theme::choose(&mut dice, fonts, size);
        let (svg, widgets) = layout::compose(&mut dice, &theme, vocabulary, size, density);
        let (rgb, words) =
            paint::paint(&svg, size, fonts).map_err(|message| DrawnError::Picture { seed, message })?;
        let lessons = lessons::of(&mut dice, &widgets, size);
        Ok(Self {
            size,
            rgb,
            widgets,
            words,
            language: vocabulary.language,
            lessons,
        })
    }
}

#[cfg(test)]
mod tests;
