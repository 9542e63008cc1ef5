//! What labels say that they do, in several languages: `words.toml`, read once.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::{
    Effect, Tier,
    fold::{fold, has_phrase, leads_with},
};

/// Phrases by language.
type ByLanguage = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    harmless: ByLanguage,
    cookies: ByLanguage,
    new_password: ByLanguage,
    consequence: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    effect: Effect,
    tier: Tier,
    what: String,
    #[serde(default)]
    leading: ByLanguage,
    #[serde(default)]
    anywhere: ByLanguage,
    #[serde(default)]
    whole: ByLanguage,
    #[serde(default)]
    goal: ByLanguage,
}

/// What acting on something would cause. Phrases are folded.
#[derive(Debug)]
pub(super) struct Consequence {
    pub(super) effect: Effect,
    pub(super) tier: Tier,
    /// In words: "it …".
    pub(super) what: String,
    leading: Vec<String>,
    anywhere: Vec<String>,
    whole: Vec<String>,
    goal: Vec<String>,
}

#[derive(Debug, Default)]
struct Words {
    /// The longest first, so that what is left of one does not hide another.
    harmless: Vec<String>,
    cookies: Vec<String>,
    new_password: Vec<String>,
    consequences: Vec<Consequence>,
    /// Stands for every label if the table cannot be read.
    unknown: Option<Consequence>,
}

const TABLE: &str = include_str!("words.toml");

static WORDS: LazyLock<Words> = LazyLock::new(|| read(TABLE));

fn read(table: &str) -> Words {
    let folded = |phrases: ByLanguage| -> Vec<String> {
        phrases
            .into_values()
            .flatten()
            .map(|phrase| fold(&phrase))
            .collect()
    };
    // The table is part of the program and a test reads it. Should it ever not be read, every label is asked about.
    let file: File = match toml::from_str(table) {
        Ok(file) => file,
        Err(error) => {
            return Words {
                unknown: Some(Consequence {
                    effect: Effect::Confirm,
                    tier: Tier::Always,
                    what: format!(
                        "presses something, and the table of labels cannot be read: {}",
                        error.message()
                    ),
                    leading: Vec::new(),
                    anywhere: Vec::new(),
                    whole: Vec::new(),
                    goal: Vec::new(),
                }),
                ..Words::default()
            };
        }
    };
    let mut harmless = folded(file.harmless);
    harmless.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
    Words {
        harmless,
        cookies: folded(file.cookies),
        new_password: folded(file.new_password),
        consequences: file
            .consequence
            .into_iter()
            .map(|entry| Consequence {
                effect: entry.effect,
                tier: entry.tier,
                what: entry.what,
                leading: folded(entry.leading),
                anywhere: folded(entry.anywhere),
                whole: folded(entry.whole),
                goal: folded(entry.goal),
            })
            .collect(),
        unknown: None,
    }
}

/// What a label says that pressing it does, if it says so. `texts` are readings of one label, folded.
pub(super) fn of_a_label(texts: &[String], role: &str) -> Option<&'static Consequence> {
    let words = &*WORDS;
    let cookies = texts
        .first()
        .is_some_and(|text| words.cookies.iter().any(|word| has_phrase(text, word)));
    let decisive: Vec<String> = texts.iter().map(|text| without(text, &words.harmless)).collect();
    words
        .consequences
        .iter()
        .filter(|consequence| !cookies || consequence.tier == Tier::Hands)
        .find(|consequence| decisive.iter().any(|text| consequence.fits(text, role)))
        .or(words.unknown.as_ref())
}

/// What the name of a tool says that it does; the words of its name stand in any order.
pub(super) fn of_a_tool(name: &str) -> Option<&'static Consequence> {
    WORDS
        .consequences
        .iter()
        .filter(|consequence| consequence.tier > Tier::Once)
        .find(|consequence| {
            consequence
                .leading
                .iter()
                .chain(&consequence.anywhere)
                .any(|phrase| has_phrase(name, phrase))
        })
        .or(WORDS.unknown.as_ref())
}

/// Whether a folded goal asks for this.
pub(super) fn asked_by(goal: &str, effect: Effect) -> bool {
    WORDS
        .consequences
        .iter()
        .filter(|consequence| consequence.effect == effect)
        .flat_map(|consequence| &consequence.goal)
        .any(|word| has_phrase(goal, word))
}

/// Whether a field's folded label says that it takes a new password.
pub(super) fn is_new_password(label: &str) -> bool {
    WORDS.new_password.iter().any(|phrase| has_phrase(label, phrase))
}

/// The label with harmless phrases taken out.
fn without(text: &str, harmless: &[String]) -> String {
    let mut left = text.to_owned();
    for phrase in harmless.iter().filter(|phrase| has_phrase(text, phrase)) {
        left = left.replace(phrase.as_str(), " ");
    }
    left.trim().to_owned()
}

impl Consequence {
    /// Whether a label says so. A link whose text only begins with a verb ("Send us your story") leads somewhere;
    /// it counts when the verb is all of it.
    fn fits(&self, text: &str, role: &str) -> bool {
        let whole = text.trim_matches(|character: char| !character.is_alphanumeric());
        let leading = self.leading.iter().any(|phrase| match role {
            "link" | "heading" => whole == *phrase,
            _ => leads_with(text, phrase),
        });
        leading
            || self.whole.iter().any(|phrase| whole == *phrase)
            || self.anywhere.iter().any(|phrase| has_phrase(text, phrase))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        assert!(WORDS.unknown.is_none(), "{:?}", WORDS.unknown);
        assert!(
            WORDS
                .consequences
                .is_sorted_by_key(|consequence| std::cmp::Reverse(consequence.tier))
        );
        assert!(WORDS.consequences.iter().all(|consequence| {
            consequence
                .leading
                .iter()
                .chain(&consequence.anywhere)
                .all(|phrase| !phrase.is_empty())
        }));
    }

    #[test]
    fn a_table_that_cannot_be_read_makes_every_label_a_question() {
        assert_eq!(read("harmless = 1").unknown.unwrap().tier, Tier::Always);
    }

    #[test]
    fn harmless_words_take_nothing_else_with_them() {
        let words = ["order details".to_owned(), "remove from cart".to_owned()];
        assert_eq!(without("pay now (order details)", &words), "pay now ( )");
        assert_eq!(without("remove from cart", &words), "");
    }
}
