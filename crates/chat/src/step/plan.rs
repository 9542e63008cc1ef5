//! The plan and the notes that a model writes before its intent.
//!
//! ```text
//! Plan:
//! - [x] Book the flight | "Booking TP 1234 is confirmed"
//! - [ ] Book a hotel for three nights
//! - [-] Ask for a late check-in | the hotel has no such field
//! Note: the flight lands at 14:05 on 12 May
//! ```

use serde::{Deserialize, Serialize};

/// The line that a plan begins with.
pub(super) const PLAN: &str = "Plan:";
/// What a line of a note begins with.
pub(super) const NOTE: &str = "Note:";

/// How a sub-goal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be done.
    #[default]
    Open,
    /// Done, with evidence.
    Done,
    /// Given up, with the reason.
    Dropped,
}

/// One sub-goal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Item {
    /// What is to be reached.
    pub text: String,
    /// How it stands.
    #[serde(default)]
    pub state: State,
    /// What on the screen shows that it is done, or why it was given up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
}

impl State {
    /// Its mark between the brackets.
    pub fn mark(self) -> char {
        match self {
            Self::Open => ' ',
            Self::Done => 'x',
            Self::Dropped => '-',
        }
    }
}

impl Item {
    /// Reads `- [x] text | evidence`; the dash may be missing or a number.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let line = line
            .trim_start_matches(|letter: char| letter.is_ascii_digit())
            .trim_start_matches(['-', '*', '.', ')'])
            .trim_start();
        let (mark, rest) = line.strip_prefix('[')?.split_once(']')?;
        let state = match mark.trim() {
            "" => State::Open,
            "x" | "X" | "✓" => State::Done,
            "-" | "~" => State::Dropped,
            _ => return None,
        };
        let (text, evidence) = match rest.split_once('|') {
            Some((text, evidence)) if state != State::Open => (text, evidence.trim()),
            _ => (rest, ""),
        };
        let text = text.trim();
        (!text.is_empty()).then(|| Self {
            text: text.to_owned(),
            state,
            evidence: evidence.to_owned(),
        })
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "- [{}] {}", self.state.mark(), self.text)?;
        if self.evidence.is_empty() {
            Ok(())
        } else {
            write!(formatter, " | {}", self.evidence)
        }
    }
}

/// The plan in an answer: the sub-goals that follow the line `Plan:`. `None` where there is no such line, or no
/// sub-goal under it.
pub(super) fn plan(answer: &str) -> Option<Vec<Item>> {
    let items: Vec<Item> = answer
        .lines()
        .skip_while(|line| line.trim() != PLAN)
        .skip(1)
        .map_while(Item::parse)
        .collect();
    (!items.is_empty()).then_some(items)
}

/// The notes in an answer.
pub(super) fn notes(answer: &str) -> Vec<String> {
    answer
        .lines()
        .filter_map(|line| line.trim().strip_prefix(NOTE))
        .map(|note| note.trim().to_owned())
        .filter(|note| !note.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_as_models_write_them() {
        let done = Item {
            text: "Book it".into(),
            state: State::Done,
            evidence: "\"TP 1234\" | confirmed".into(),
        };
        assert_eq!(Item::parse("- [x] Book it | \"TP 1234\" | confirmed"), Some(done));
        for (line, state) in [
            ("- [ ] Book it", State::Open),
            ("* [] Book it", State::Open),
            ("2. [X] Book it", State::Done),
            ("[-] Book it", State::Dropped),
        ] {
            let item = Item::parse(line).unwrap();
            assert_eq!((item.text.as_str(), item.state), ("Book it", state), "{line}");
            assert_eq!(Item::parse(&item.to_string()), Some(item));
        }
        for line in ["", "- Book it", "- [?] Book it", "- [ ]", "Intent: [x] y"] {
            assert_eq!(Item::parse(line), None, "{line}");
        }
        // An open sub-goal has nothing to show: what stands after a bar is part of it.
        assert_eq!(Item::parse("- [ ] a | b").unwrap().text, "a | b");
    }

    #[test]
    fn a_plan_ends_where_its_lines_end() {
        let answer = "Plan:\n- [ ] one\n- [x] two | seen\nNote: three\nIntent: [x] no item\nNote:  four ";
        let found = plan(answer).unwrap();
        assert_eq!(
            found.iter().map(|item| item.text.as_str()).collect::<Vec<_>>(),
            ["one", "two"]
        );
        assert_eq!(notes(answer), ["three", "four"]);
        assert_eq!(plan("Intent: no plan\n- [ ] one"), None);
        assert_eq!(plan("Plan:\nnothing"), None);
    }
}
