//! How the pages of a world look.

use rand_chacha::ChaCha8Rng;

use crate::Language;
use crate::world::dice;

/// Theme, zoom and language of all pages of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The language of every word on the pages.
    pub language: Language,
    /// A set of colours and shapes of `apps/shared/style.css`.
    pub theme: &'static str,
    /// Size of all text in percent.
    pub zoom: u16,
}

/// The themes of the style sheet.
pub(crate) const THEMES: [&str; 6] = ["paper", "night", "sea", "forest", "sand", "plain"];

/// The zooms of the style sheet.
pub(crate) const ZOOMS: [u16; 4] = [90, 100, 110, 125];

impl Look {
    /// One of each, by chance.
    pub(crate) fn random(rng: &mut ChaCha8Rng) -> Self {
        Self {
            language: *dice::pick(rng, &Language::ALL),
            theme: *dice::pick::<&str>(rng, &THEMES),
            zoom: *dice::pick(rng, &ZOOMS),
        }
    }
}
