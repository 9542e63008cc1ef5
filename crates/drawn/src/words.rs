//! Labels in several languages: those whose letters the bundled fonts have.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::dice::Dice;
use crate::lessons::capital;

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

/// English four times of five.
pub(crate) fn choose(dice: &mut Dice) -> &'static Words {
    let all = &*ALL;
    if dice.one_in(5) {
        dice.pick(&all[1..])
    } else {
        &all[0]
    }
}

impl Words {
    /// Letters and digits without a meaning, as many labels of test pages are: they can't be guessed.
    pub(crate) fn nonsense(dice: &mut Dice) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..dice.between(2, 7))
            .map(|_| char::from(*dice.pick(LETTERS)))
            .collect()
    }

    /// Words of syllables, as long and as mixed as those of any page: reading them takes their letters.
    pub(crate) fn invented(dice: &mut Dice) -> String {
        const STARTS: [&str; 24] = [
            "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "qu", "r", "s", "t", "v", "w", "st",
            "tr", "br", "pl", "ch", "",
        ];
        const MIDDLES: [&str; 12] = ["a", "e", "i", "o", "u", "ia", "ea", "ou", "y", "a", "e", "i"];
        const ENDS: [&str; 14] = [
            "", "", "", "n", "r", "s", "t", "l", "m", "x", "nd", "st", "rk", "c",
        ];
        let words = if dice.one_in(3) { 2 } else { 1 };
        let word = |dice: &mut Dice| -> String {
            (0..dice.between(1, 3))
                .map(|_| [*dice.pick(&STARTS), *dice.pick(&MIDDLES), *dice.pick(&ENDS)].concat())
                .collect()
        };
        let mut text = (0..words).map(|_| word(dice)).collect::<Vec<_>>().join(" ");
        if dice.one_in(2) {
            text = capital(&text);
        } else if dice.one_in(6) {
            text = text.to_uppercase();
        }
        if dice.one_in(8) {
            text = format!("{text} {}", dice.between(1, 99));
        }
        text
    }

    /// A word of a list, as often an invented one, now and then one without a meaning.
    pub(crate) fn label(dice: &mut Dice, list: &[String]) -> String {
        match dice.between(0, 9) {
            0..=3 => dice.pick(list).clone(),
            4..=7 => Self::invented(dice),
            _ => Self::nonsense(dice),
        }
    }
}
