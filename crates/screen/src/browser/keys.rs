//! Keys as the protocol wants them: name, place on a US keyboard, Windows key code, the text that they type.

/// One key on the keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyInfo {
    /// W3C `key`.
    pub(super) key: String,
    /// W3C `code`.
    pub(super) code: String,
    /// Windows virtual key code; 0 for characters that the keyboard lacks.
    pub(super) number: u32,
    /// What it types, if anything.
    pub(super) text: String,
    /// Whether Shift is needed.
    pub(super) shift: bool,
}

/// Named keys: W3C name, code, number, text.
const NAMED: &[(&str, &str, u32, &str)] = &[
    ("Enter", "Enter", 13, "\r"),
    ("Tab", "Tab", 9, ""),
    ("Escape", "Escape", 27, ""),
    ("Backspace", "Backspace", 8, ""),
    ("Delete", "Delete", 46, ""),
    ("Insert", "Insert", 45, ""),
    ("Home", "Home", 36, ""),
    ("End", "End", 35, ""),
    ("PageUp", "PageUp", 33, ""),
    ("PageDown", "PageDown", 34, ""),
    ("ArrowUp", "ArrowUp", 38, ""),
    ("ArrowDown", "ArrowDown", 40, ""),
    ("ArrowLeft", "ArrowLeft", 37, ""),
    ("ArrowRight", "ArrowRight", 39, ""),
    ("CapsLock", "CapsLock", 20, ""),
    ("ContextMenu", "ContextMenu", 93, ""),
    ("Control", "ControlLeft", 17, ""),
    ("Shift", "ShiftLeft", 16, ""),
    ("Alt", "AltLeft", 18, ""),
    ("Meta", "MetaLeft", 91, ""),
    (" ", "Space", 32, " "),
];

/// Keys of a US keyboard beside letters and digits: plain, shifted, code, number.
const PUNCTUATION: &[(char, char, &str, u32)] = &[
    ('`', '~', "Backquote", 192),
    ('-', '_', "Minus", 189),
    ('=', '+', "Equal", 187),
    ('[', '{', "BracketLeft", 219),
    (']', '}', "BracketRight", 221),
    ('\\', '|', "Backslash", 220),
    (';', ':', "Semicolon", 186),
    ('\'', '"', "Quote", 222),
    (',', '<', "Comma", 188),
    ('.', '>', "Period", 190),
    ('/', '?', "Slash", 191),
];

/// What stands above the digits, from 0 to 9.
const ABOVE_DIGITS: [char; 10] = [')', '!', '@', '#', '$', '%', '^', '&', '*', '('];

impl KeyInfo {
    /// A key by its W3C name or its character. A character that no key types has code and number empty.
    pub(super) fn named(name: &str) -> Self {
        if let Some((key, code, number, text)) = NAMED.iter().find(|(key, ..)| *key == name) {
            return Self {
                key: (*key).to_owned(),
                code: (*code).to_owned(),
                number: *number,
                text: (*text).to_owned(),
                shift: false,
            };
        }
        let mut characters = name.chars();
        if let (Some(character), None) = (characters.next(), characters.next()) {
            return Self::typing(character).unwrap_or_else(|| Self {
                key: name.to_owned(),
                code: String::new(),
                number: 0,
                text: name.to_owned(),
                shift: false,
            });
        }
        // F1 to F24 follow each other.
        let number = name
            .strip_prefix('F')
            .and_then(|digits| digits.parse::<u32>().ok())
            .map_or(0, |number| 111 + number);
        Self {
            key: name.to_owned(),
            code: name.to_owned(),
            number,
            text: String::new(),
            shift: false,
        }
    }

    /// The key that types a character on a US keyboard.
    pub(super) fn typing(character: char) -> Option<Self> {
        let key = |code: String, number: u32, shift: bool| {
            Some(Self {
                key: character.to_string(),
                code,
                number,
                text: character.to_string(),
                shift,
            })
        };
        match character {
            'a'..='z' | 'A'..='Z' => {
                let upper = character.to_ascii_uppercase();
                key(
                    format!("Key{upper}"),
                    u32::from(upper),
                    character.is_ascii_uppercase(),
                )
            }
            '0'..='9' => key(format!("Digit{character}"), u32::from(character), false),
            ' ' => key("Space".to_owned(), 32, false),
            _ => {
                if let Some(digit) = ABOVE_DIGITS.iter().position(|above| *above == character) {
                    return key(format!("Digit{digit}"), 48 + digit as u32, true);
                }
                PUNCTUATION
                    .iter()
                    .find(|(plain, shifted, ..)| *plain == character || *shifted == character)
                    .and_then(|(plain, _, code, number)| {
                        key((*code).to_owned(), *number, *plain != character)
                    })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_ascii_character_has_its_key() {
        for character in ' '..='~' {
            let key = KeyInfo::typing(character).unwrap_or_else(|| panic!("{character:?}"));
            assert!(!key.code.is_empty() && key.number > 0, "{key:?}");
            assert_eq!(key.text, character.to_string());
        }
        let key = KeyInfo::typing('%').unwrap();
        assert_eq!((key.code.as_str(), key.number, key.shift), ("Digit5", 53, true));
        let key = KeyInfo::typing('Q').unwrap();
        assert_eq!((key.code.as_str(), key.number, key.shift), ("KeyQ", 81, true));
        assert_eq!(KeyInfo::typing('é'), None);
    }

    #[test]
    fn names_are_found() {
        assert_eq!(KeyInfo::named("F5").number, 116);
        assert_eq!(KeyInfo::named("Enter").text, "\r");
        assert_eq!(KeyInfo::named("ß").text, "ß");
    }
}
