//! Days that a goal names, in whatever way it writes them: a form wants "2027-05-12" where the person said "12 May".

/// The months' names in lower case: English, French, German, Spanish.
const MONTHS: [&[&str]; 12] = [
    &["january", "janvier", "januar", "enero"],
    &["february", "février", "fevrier", "februar", "febrero"],
    &["march", "mars", "märz", "marzo"],
    &["april", "avril", "abril"],
    &["may", "mai", "mayo"],
    &["june", "juin", "juni", "junio"],
    &["july", "juillet", "juli", "julio"],
    &["august", "août", "aout", "agosto"],
    &["september", "septembre", "septiembre"],
    &["october", "octobre", "oktober", "octubre"],
    &["november", "novembre", "noviembre"],
    &["december", "décembre", "decembre", "dezember", "diciembre"],
];

/// Words that may stand between a day and its month.
const BETWEEN: [&str; 3] = ["of", "de", "the"];

/// Whether a goal (in lower case) names the day that `text` writes as `2027-05-12`. A goal that names years names
/// that year.
pub(super) fn is_named(text: &str, goal: &str) -> bool {
    let Some((year, month, day)) = read(text) else {
        return false;
    };
    let years: Vec<&str> = numbers(goal).filter(|number| number.len() == 4).collect();
    if !years.is_empty() && !years.contains(&year) {
        return false;
    }
    goal.contains(&format!("{month}月{day}日")) && !before_is_digit(goal, &format!("{month}月{day}日"))
        || in_words(goal, month, day)
}

fn read(text: &str) -> Option<(&str, usize, u32)> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && (year.len(), month.len(), day.len()) == (4, 2, 2);
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    (whole
        && year.bytes().all(|byte| byte.is_ascii_digit())
        && (1..=12).contains(&month)
        && (1..=31).contains(&day))
    .then_some((year, month, day))
}

/// A day beside its month, in either order.
fn in_words(goal: &str, month: usize, day: u32) -> bool {
    let names = MONTHS[month - 1];
    let words: Vec<&str> = goal
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty() && !BETWEEN.contains(word))
        .collect();
    words.windows(2).any(|pair| {
        (is_day(pair[0], day) && names.contains(&pair[1]))
            || (names.contains(&pair[0]) && is_day(pair[1], day))
    })
}

/// `12`, `12th`, `1er`
fn is_day(word: &str, day: u32) -> bool {
    let digits = word.trim_end_matches(|character: char| !character.is_ascii_digit());
    digits.parse() == Ok(day) && matches!(&word[digits.len()..], "" | "st" | "nd" | "rd" | "th" | "er")
}

fn numbers(goal: &str) -> impl Iterator<Item = &str> {
    goal.split(|character: char| !character.is_ascii_digit())
        .filter(|number| !number.is_empty())
}

fn before_is_digit(goal: &str, found: &str) -> bool {
    goal.split(found)
        .next()
        .and_then(|before| before.chars().next_back())
        .is_some_and(|character| character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_named_in_many_ways() {
        for goal in [
            "fly on 12 may",
            "fly on may 12th",
            "on the 12th of may, please",
            "le 12 mai",
            "am 12. mai",
            "el 12 de mayo",
            "5月12日出发",
            "12 may 2027",
        ] {
            assert!(is_named("2027-05-12", goal), "{goal}");
        }
        assert!(is_named("2027-08-01", "le 1er août"));
    }

    #[test]
    fn another_day_or_text_is_not_named() {
        for goal in [
            "fly on 13 may",
            "fly on 12 june",
            "12 people may come",
            "may i have 12",
            "15月12日",
            "12 may 2026",
            "",
        ] {
            assert!(!is_named("2027-05-12", goal), "{goal}");
        }
        for text in [
            "2027-05",
            "27-05-12",
            "2027-13-12",
            "2027-05-12-01",
            "x027-05-12",
            "evil.test/12",
        ] {
            assert!(!is_named(text, "12 may, evil.test"), "{text}");
        }
    }
}
