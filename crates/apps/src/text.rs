//! Words in three languages, and templates. Both are files of `apps/`, built into the program.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{AppsError, Language};

/// One text in each language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    en: String,
    fr: String,
    zh: String,
}

impl Entry {
    fn of(&self, language: Language) -> &str {
        match language {
            Language::English => &self.en,
            Language::French => &self.fr,
            Language::Chinese => &self.zh,
        }
    }
}

type Table = BTreeMap<String, Entry>;

/// Everything that is read out of `apps/`.
struct Assets {
    words: Table,
    sentences: Table,
    pages: Environment<'static>,
    plain: Environment<'static>,
}

const WORDS: &str = include_str!("../../../apps/shared/words.toml");
const SENTENCES: &str = include_str!("../../../apps/shared/sentences.toml");

macro_rules! pages {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("../../../apps/", $name)))),*] };
}

/// The templates of all pages.
const PAGES: &[(&str, &str)] = pages![
    "shared/error.html",
    "shared/layout.html",
    "flights/booked.html",
    "flights/bookings.html",
    "flights/flight.html",
    "flights/results.html",
    "flights/search.html",
    "hotels/booked.html",
    "hotels/bookings.html",
    "hotels/hotel.html",
    "hotels/results.html",
    "hotels/search.html",
    "calendar/day.html",
    "calendar/month.html",
    "calendar/new.html",
    "stock/article.html",
    "stock/list.html",
    "suppliers/offer.html",
    "suppliers/offers.html",
    "suppliers/order.html",
    "suppliers/orders.html",
    "suppliers/search.html",
    "shipping/quote.html",
    "shipping/quotes.html",
    "shipping/search.html",
    "shipping/shipment.html",
    "shipping/shipments.html",
];

static ASSETS: LazyLock<Result<Assets, (&'static str, String)>> = LazyLock::new(|| {
    let table = |file: &'static str, text: &str| {
        toml::from_str::<Table>(text).map_err(|error| (file, error.to_string()))
    };
    let mut pages = Environment::new();
    pages.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in PAGES {
        pages
            .add_template(name, text)
            .map_err(|error| (*name, format!("{error:#}")))?;
    }
    let mut plain = Environment::new();
    plain.set_undefined_behavior(UndefinedBehavior::Strict);
    plain.set_auto_escape_callback(|_| AutoEscape::None);
    Ok(Assets {
        words: table("shared/words.toml", WORDS)?,
        sentences: table("shared/sentences.toml", SENTENCES)?,
        pages,
        plain,
    })
});

fn assets() -> Result<&'static Assets, AppsError> {
    ASSETS.as_ref().map_err(|(file, message)| AppsError::Asset {
        file,
        message: message.clone(),
    })
}

/// All words in a language, for templates: `t.search`.
pub(crate) fn words(language: Language) -> Result<Json, AppsError> {
    let words = assets()?
        .words
        .iter()
        .map(|(key, entry)| (key.clone(), Json::from(entry.of(language))))
        .collect::<Map<_, _>>();
    Ok(Json::Object(words))
}

/// One word.
pub(crate) fn word(key: &str, language: Language) -> Result<String, AppsError> {
    match assets()?.words.get(key) {
        Some(entry) => Ok(entry.of(language).to_owned()),
        None => Err(AppsError::Asset {
            file: "shared/words.toml",
            message: format!("has no word `{key}`"),
        }),
    }
}

/// A page, with everything escaped.
pub(crate) fn page(name: &str, data: &Json) -> Result<String, AppsError> {
    assets()?
        .pages
        .get_template(name)
        .and_then(|template| template.render(Value::from(Serde(data))))
        .map_err(|error| AppsError::Asset {
            file: "the pages",
            message: format!("{name}: {error:#}"),
        })
}

/// A sentence of a goal or of the expert's thinking, with its gaps filled.
pub(crate) fn say(key: &str, language: Language, data: &Json) -> Result<String, AppsError> {
    let assets = assets()?;
    let wrong = |message: String| AppsError::Asset {
        file: "shared/sentences.toml",
        message,
    };
    let entry = assets
        .sentences
        .get(key)
        .ok_or_else(|| wrong(format!("has no sentence `{key}`")))?;
    assets
        .plain
        .render_str(entry.of(language), Value::from(Serde(data)))
        .map_err(|error| wrong(format!("{key}: {error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_escape_what_they_are_given() {
        let data = json!({
            "t": words(Language::English).unwrap(), "language": "en", "theme": "paper", "zoom": 100, "app": "flights",
            "sisters": [], "today": "3 May 2027", "status": 404, "message": "<script>alert('x')</script>",
        });
        let page = page("shared/error.html", &data).unwrap();
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }

    #[test]
    fn every_page_is_escaped_by_its_name() {
        for (name, text) in PAGES {
            assert!(
                name.rsplit('.').next() == Some("html"),
                "{name}: only .html is escaped by default"
            );
            assert!(!text.contains("|safe") && !text.contains("autoescape"), "{name}");
        }
    }

    #[test]
    fn a_missing_word_is_told_by_name() {
        assert!(
            word("no-such-word", Language::French)
                .unwrap_err()
                .to_string()
                .contains("no-such-word")
        );
        assert_eq!(word("search", Language::French).unwrap(), "Rechercher");
    }
}
