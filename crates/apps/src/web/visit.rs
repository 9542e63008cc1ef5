//! One request to an app, and what it is answered.

use axum::http::StatusCode;
use jiff::civil::Date;
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use url::form_urlencoded;

use super::{Fields, Stage};
use crate::{App, AppsError, Language, text};

/// A request to an app.
pub(crate) struct Visit<'a> {
    pub(crate) app: App,
    pub(crate) stage: &'a Stage,
    pub(crate) db: &'a Connection,
    pub(crate) fields: Fields,
}

/// What a request is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A page.
    Page(String),
    /// Something was done, and this address shows it.
    Seen(String),
}

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The word that says why, in `words.toml`.
    pub(crate) word: &'static str,
    /// What it is about: a field, or an error that is none of the visitor's.
    pub(crate) about: String,
}

impl Refusal {
    fn new(status: StatusCode, word: &'static str, about: impl Into<String>) -> Self {
        Self {
            status,
            word,
            about: about.into(),
        }
    }

    /// A field is missing or cannot be read.
    pub(crate) fn field(name: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "error_field", name)
    }

    /// There is no such thing.
    pub(crate) fn missing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "error_missing", "")
    }

    /// What is asked for cannot be done as things stand.
    pub(crate) fn conflict(word: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, word, "")
    }

    /// The method does not fit the address.
    pub(crate) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "error_method", "")
    }

    /// The body is too large.
    pub(crate) fn large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "error_large", "")
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::missing(),
            other => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "error_internal",
                other.to_string(),
            ),
        }
    }
}

impl From<AppsError> for Refusal {
    fn from(error: AppsError) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "error_internal",
            error.to_string(),
        )
    }
}

impl Visit<'_> {
    pub(crate) fn language(&self) -> Language {
        self.stage.look.language
    }

    /// A day as the pages write it.
    pub(crate) fn written(&self, day: Date) -> String {
        self.language().day(day)
    }

    /// A day out of the database as the pages write it.
    pub(crate) fn written_text(&self, day: &str) -> String {
        day.parse()
            .map_or_else(|_| day.to_owned(), |day| self.written(day))
    }

    /// Where another app of the suite is: its origin.
    pub(crate) fn origin_of(&self, app: App) -> &str {
        self.stage
            .origins
            .iter()
            .find(|(known, _)| *known == app)
            .map_or("", |(_, origin)| origin.as_str())
    }

    /// The address of the calendar's form, filled in.
    pub(crate) fn new_entry(&self, day: &str, time: &str, title: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("date", day), ("time", time), ("title", title)])
            .finish();
        format!("{}/new?{query}", self.origin_of(App::Calendar))
    }

    /// A page of this app.
    pub(crate) fn page(&self, name: &str, data: Json) -> Result<Answer, Refusal> {
        Ok(Answer::Page(self.stage.page(self.app, name, data)?))
    }
}

impl Stage {
    /// A page in this world's look.
    pub(crate) fn page(&self, app: App, name: &str, data: Json) -> Result<String, AppsError> {
        let language = self.look.language;
        let sisters: Vec<Json> = self
            .origins
            .iter()
            .map(|(sister, origin)| json!({"app": sister.name(), "url": format!("{origin}/"), "here": *sister == app}))
            .collect();
        let mut all = json!({
            "t": text::words(language)?,
            "language": language.code(),
            "theme": self.look.theme,
            "zoom": self.look.zoom,
            "app": app.name(),
            "sisters": sisters,
            "today": format!("{} {}", language.day(self.today), self.today.year()),
        });
        if let (Json::Object(all), Json::Object(data)) = (&mut all, data) {
            all.extend(data);
        }
        text::page(name, &all)
    }
}
