//! The languages of pages and goals.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A language of pages, goals and thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// French.
    #[serde(rename = "fr")]
    French,
    /// Chinese, simplified.
    #[serde(rename = "zh")]
    Chinese,
}

const MONTHS: [[&str; 12]; 2] = [
    [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
];

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::French, Self::Chinese];

    /// Its code, as `lang` attributes have it.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::Chinese => "zh",
        }
    }

    /// Its place in lists of words.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// A day without its year: `12 May`, `12 mai`, `5月12日`.
    pub fn day(self, date: Date) -> String {
        let (month, day) = (date.month(), date.day());
        match self {
            Self::Chinese => format!("{month}月{day}日"),
            Self::French if day == 1 => format!("1er {}", self.month_name(date)),
            _ => format!("{day} {}", self.month_name(date)),
        }
    }

    /// A month with its year: `May 2027`, `mai 2027`, `2027年5月`.
    pub(crate) fn month(self, date: Date) -> String {
        match self {
            Self::Chinese => format!("{}年{}月", date.year(), date.month()),
            _ => format!("{} {}", self.month_name(date), date.year()),
        }
    }

    fn month_name(self, date: Date) -> &'static str {
        let names = &MONTHS[usize::from(self == Self::French)];
        names
            .get(usize::from(date.month().unsigned_abs()).saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_are_written_as_people_write_them() {
        let written = |day| Language::ALL.map(|language| language.day(day));
        assert_eq!(written(date(2027, 5, 12)), ["12 May", "12 mai", "5月12日"]);
        assert_eq!(written(date(2027, 8, 1)), ["1 August", "1er août", "8月1日"]);
        assert_eq!(Language::Chinese.month(date(2027, 5, 1)), "2027年5月");
    }
}
