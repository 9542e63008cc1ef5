//! Labels in several languages: those whose letters the bundled fonts have.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::dice::Dice;

/// Labels of one language.
#[derive(Debug, Deserialize)]
pub(crate) struct Words {
    #[serde(skip)]
    pub(crate) language: &'static str,
    /// What buttons say.
    pub(crate) buttons: Vec<String>,
    /// What fields are called.
    pub(crate) fields: Vec<String>,
    /// Anything else: entries, links, tabs, headings, choices.
    pub(crate) things: Vec<String>,
}

/// ISO 639-1 codes of the languages that labels come in.
pub const LANGUAGES: &[&str] = &["en", "fr", "de", "es", "it", "pt", "pl", "ru", "el"];

const FILES: [&str; 9] = [
    include_str!("words/en.toml"),
    include_str!("words/fr.toml"),
    include_str!("words/de.toml"),
    include_str!("words/es.toml"),
    include_str!("words/it.toml"),
    include_str!("words/pt.toml"),
    include_str!("words/pl.toml"),
    include_str!("words/ru.toml"),
    include_str!("words/el.toml"),
];

#[expect(
    clippy::expect_used,
    reason = "the files are part of the program, and a test reads them"
)]
static ALL: LazyLock<Vec<Words>> = LazyLock::new(|| {
    let read = |(text, language): (&&str, &&'static str)| {
        let mut words: Words = toml::from_str(text).expect("a bundled list of words");
        words.language = language;
        words
    };
    FILES.iter().zip(LANGUAGES).map(read).collect()
});

/// English as often as all others together.
pub(crate) fn choose(dice: &mut Dice) -> &'static Words {
    let all = &*ALL;
    if dice.one_in(2) { &all[0] } else { dice.pick(all) }
}

impl Words {
    /// Letters and digits without a meaning, as many labels of test pages are: they can't be guessed.
    pub(crate) fn nonsense(dice: &mut Dice) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..dice.between(2, 7))
            .map(|_| char::from(*dice.pick(LETTERS)))
            .collect()
    }

    /// A word of a list, now and then one without a meaning.
    pub(crate) fn label(dice: &mut Dice, list: &[String]) -> String {
        if dice.one_in(4) {
            Self::nonsense(dice)
        } else {
            dice.pick(list).clone()
        }
    }
}
