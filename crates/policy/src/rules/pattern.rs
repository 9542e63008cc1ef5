//! Globs over names, labels, origins and paths.

use globset::{GlobBuilder, GlobMatcher};

use crate::fold::fold;

/// How a kind of text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Labels and texts: folded, `*` stands for anything.
    Text,
    /// Origins and paths: `*` stops at a slash, `/**/` does not.
    Path,
    /// Words of a command and arguments of a call: every character counts, `*` stands for anything.
    Word,
    /// Names of actions, roles and keys, and whole addresses: case does not count, `*` stands for anything.
    Name,
}

/// One glob.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    kind: Kind,
    glob: GlobMatcher,
}

/// Longer patterns are refused: nobody reads them.
const LONGEST: usize = 1000;

impl Pattern {
    pub(crate) fn new(kind: Kind, text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!(
                "a pattern of {} bytes is too long (at most {LONGEST})",
                text.len()
            ));
        }
        let compared = prepare(kind, text);
        if compared.is_empty() {
            return Err("an empty pattern matches nothing: leave the field out or write \"*\"".to_owned());
        }
        GlobBuilder::new(&compared)
            .literal_separator(kind == Kind::Path)
            .backslash_escape(true)
            .build()
            .map(|glob| Self {
                kind,
                glob: glob.compile_matcher(),
            })
            .map_err(|error| format!("{text:?} is not a glob: {}", error.kind()))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.glob.is_match(prepare(self.kind, text))
    }
}

fn prepare(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Text => fold(text),
        Kind::Path | Kind::Word => text.to_owned(),
        Kind::Name => text.trim().to_lowercase(),
    }
}

/// The pattern that matches exactly this text.
pub(crate) fn exact(kind: Kind, text: &str) -> String {
    escape(&prepare(kind, text))
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ',' | '!') {
            escaped.push('\\');
        }
        escaped.push(character);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stop_where_they_should() {
        let path = |pattern: &str, text: &str| Pattern::new(Kind::Path, pattern).unwrap().matches(text);
        assert!(path("https://*.shop.example", "https://www.shop.example"));
        assert!(!path("https://*.shop.example", "https://evil.test/.shop.example"));
        assert!(path("/checkout/**", "/checkout/a/b") && !path("/checkout/*", "/checkout/a/b"));
        let text = |pattern: &str, text: &str| Pattern::new(Kind::Text, pattern).unwrap().matches(text);
        assert!(text("pay*", "PAY 3/4 now") && !text("pay*", "repay"));
    }

    #[test]
    fn an_exact_pattern_takes_everything_literally() {
        for label in ["50% off [today] {a,b}*?", "a\\b", "!x"] {
            let pattern = Pattern::new(Kind::Text, &exact(Kind::Text, label)).unwrap();
            assert!(pattern.matches(label), "{label}");
            assert!(!pattern.matches(&format!("{label}x")));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Pattern::new(Kind::Path, "[").is_err());
        assert!(Pattern::new(Kind::Text, "").is_err());
        assert!(Pattern::new(Kind::Text, &"a".repeat(2000)).is_err());
    }
}
