//! What a request brings with it: parts of the path, the query, the form.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::civil::{Date, Time};
use url::form_urlencoded;

use super::Refusal;

/// The longest text that a field takes, in characters.
const LONGEST: usize = 200;
/// More fields than these belong to no form of ours.
const MOST: usize = 50;

/// Fields by name; the first of several counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads a query or the body of a form.
    pub(crate) fn read(&mut self, encoded: &[u8]) {
        for (name, value) in form_urlencoded::parse(encoded).take(MOST) {
            self.0.entry(name.into_owned()).or_insert(value.into_owned());
        }
    }

    /// Adds a part of the path.
    pub(crate) fn insert(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// What was written into a field, without the space around it; empty if there is none.
    pub(crate) fn optional(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    /// The text of a field that has to be filled.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, Refusal> {
        let text = self.optional(name);
        if text.is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            return Err(Refusal::field(name));
        }
        Ok(text)
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, name: &'static str, low: i64, high: i64) -> Result<i64, Refusal> {
        match i64::from_str(self.optional(name)) {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(Refusal::field(name)),
        }
    }

    /// The number of something in the database.
    pub(crate) fn id(&self, name: &'static str) -> Result<i64, Refusal> {
        self.number(name, 0, i64::MAX)
    }

    /// A day, written as `2027-05-12`.
    pub(crate) fn day(&self, name: &'static str) -> Result<Date, Refusal> {
        let text = self.optional(name);
        let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        Date::from_str(text)
            .ok()
            .filter(|_| plain)
            .ok_or_else(|| Refusal::field(name))
    }

    /// A time of day, written as `08:30`; `None` if the field is empty.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<Time>, Refusal> {
        let text = self.optional(name);
        if text.is_empty() {
            return Ok(None);
        }
        let plain = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        match Time::from_str(text) {
            Ok(time) if plain => Ok(Some(time)),
            _ => Err(Refusal::field(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(encoded: &str) -> Fields {
        let mut fields = Fields::default();
        fields.read(encoded.as_bytes());
        fields
    }

    #[test]
    fn fields_are_read_as_forms_send_them() {
        let fields = read("to=Lisbonne+%26+Porto&day=2027-05-12&at=08%3A30&n=3&to=again");
        assert_eq!(fields.text("to").unwrap(), "Lisbonne & Porto");
        assert_eq!(fields.day("day").unwrap().to_string(), "2027-05-12");
        assert_eq!(fields.time("at").unwrap().unwrap().to_string(), "08:30:00");
        assert_eq!(fields.number("n", 1, 9).unwrap(), 3);
        assert_eq!(fields.time("none").unwrap(), None);
    }

    #[test]
    fn what_is_no_value_of_its_kind_is_refused() {
        let fields = read(&format!(
            "long={}&zero=%00&day=12+May&day2=2027-02-30&n=1e9&t=25:00&t2=8&bad=%ff%fe",
            "x".repeat(300)
        ));
        assert!(fields.text("long").is_err() && fields.text("zero").is_err() && fields.text("none").is_err());
        assert!(fields.day("day").is_err() && fields.day("day2").is_err());
        assert!(fields.number("n", 0, i64::MAX).is_err() && fields.id("none").is_err());
        assert!(fields.time("t").is_err() && fields.time("t2").is_err());
        assert!(fields.text("bad").is_ok(), "bytes that are no text become marks");
    }
}
