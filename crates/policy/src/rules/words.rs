//! Commands in rules: one pattern a word.

use super::pattern::{Kind, Pattern};
use crate::shell;

/// `["git", "push", "**"]`: each word has to fit its pattern, and `**` stands for any number of words.
#[derive(Debug, Clone)]
pub(super) struct Words(Vec<Option<Pattern>>);

impl Words {
    pub(super) fn new(words: &[String]) -> Result<Self, String> {
        if words.first().is_none_or(|program| program == "**") {
            return Err(
                "a command begins with the name of a program; leave the field out to match all".to_owned(),
            );
        }
        let word = |word: &String| match word.as_str() {
            "**" => Ok(None),
            word => Pattern::new(Kind::Word, word).map(Some),
        };
        words.iter().map(word).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a command fits. A program may be named with its folder: for a rule that allows only where the
    /// pattern names the folder too, for others in any case.
    pub(super) fn match_all(&self, command: &[String], allows: bool) -> bool {
        let Some((program, rest)) = command.split_first() else {
            return false;
        };
        let Some((Some(pattern), patterns)) = self.0.split_first() else {
            return false;
        };
        let named = pattern.matches(program) || (!allows && pattern.matches(shell::base(program)));
        named && fit(patterns, rest)
    }
}

fn fit(patterns: &[Option<Pattern>], words: &[String]) -> bool {
    match (patterns.split_first(), words.split_first()) {
        (None, None) => true,
        (Some((None, later)), _) => (0..=words.len()).any(|skipped| fit(later, &words[skipped..])),
        (None, Some(_)) | (Some((Some(_), _)), None) => false,
        (Some((Some(pattern), later)), Some((word, rest))) => pattern.matches(word) && fit(later, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &[&str], command: &[&str], allows: bool) -> bool {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Words::new(&owned(pattern))
            .unwrap()
            .match_all(&owned(command), allows)
    }

    #[test]
    fn words_fit_one_by_one() {
        assert!(fits(&["git", "push", "**"], &["git", "push"], true));
        assert!(fits(
            &["git", "**", "--force"],
            &["git", "push", "x", "--force"],
            false
        ));
        assert!(!fits(&["git", "status"], &["git", "status", "x"], true));
        assert!(!fits(&["git", "status"], &["git"], true));
        assert!(!fits(&["git", "*"], &["git", "a", "b"], true));
    }

    #[test]
    fn a_program_from_elsewhere_is_another_program_to_a_rule_that_allows() {
        assert!(!fits(&["git", "**"], &["./git", "push"], true));
        assert!(fits(&["git", "**"], &["/usr/bin/git", "push"], false));
        assert!(fits(&["/usr/bin/git"], &["/usr/bin/git"], true));
    }

    #[test]
    fn a_command_has_a_program() {
        assert!(Words::new(&[]).is_err());
        assert!(Words::new(&["**".to_owned()]).is_err());
    }
}
