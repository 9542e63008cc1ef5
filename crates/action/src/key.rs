//! Keys and chords, with names as the dialects write them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A key that is held while something else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modifier {
    /// Control.
    Control,
    /// Shift.
    Shift,
    /// Alt or Option.
    Alt,
    /// Windows, Command or Super.
    Meta,
}

/// A key by its W3C name (`Enter`, `ArrowLeft`, `F5`) or by the one character that it types.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// Modifiers held while one key is pressed; the key is absent for a bare modifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Chord {
    /// Held keys, sorted, each once.
    pub modifiers: Vec<Modifier>,
    /// The key pressed last, in its canonical name.
    pub key: Option<Key>,
}

/// Why a name is not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The name stands for no key.
    #[error(
        "unknown key {0:?}: use a single character or a name such as Enter, Tab, ArrowDown, F5, ctrl, shift"
    )]
    Unknown(String),
    /// A chord may hold only one key that is not a modifier.
    #[error("{0:?} and {1:?} cannot be pressed in one chord: send two key actions")]
    TwoKeys(String, String),
    /// A chord needs at least one key.
    #[error("no key was named")]
    Empty,
}

/// Spellings seen in the dialects (xdotool, OpenAI, W3C), in lower case, and the W3C name of each.
const NAMES: &[(&str, &str)] = &[
    ("enter", "Enter"),
    ("return", "Enter"),
    ("kp_enter", "Enter"),
    ("tab", "Tab"),
    ("esc", "Escape"),
    ("escape", "Escape"),
    ("backspace", "Backspace"),
    ("delete", "Delete"),
    ("del", "Delete"),
    ("insert", "Insert"),
    ("home", "Home"),
    ("end", "End"),
    ("pageup", "PageUp"),
    ("page_up", "PageUp"),
    ("prior", "PageUp"),
    ("pagedown", "PageDown"),
    ("page_down", "PageDown"),
    ("next", "PageDown"),
    ("up", "ArrowUp"),
    ("arrowup", "ArrowUp"),
    ("down", "ArrowDown"),
    ("arrowdown", "ArrowDown"),
    ("left", "ArrowLeft"),
    ("arrowleft", "ArrowLeft"),
    ("right", "ArrowRight"),
    ("arrowright", "ArrowRight"),
    ("space", " "),
    ("spacebar", " "),
    ("capslock", "CapsLock"),
    ("menu", "ContextMenu"),
    ("contextmenu", "ContextMenu"),
    ("plus", "+"),
    ("minus", "-"),
];

impl Key {
    /// The key that a name stands for, in any of the dialects' spellings.
    pub fn parse(name: &str) -> Result<Self, KeyError> {
        let mut characters = name.chars();
        if let (Some(character), None) = (characters.next(), characters.next())
            && !character.is_control()
        {
            return Ok(Self(name.to_owned()));
        }
        let lower = name.trim().to_ascii_lowercase();
        if let Some((_, canonical)) = NAMES.iter().find(|(spelling, _)| *spelling == lower) {
            return Ok(Self((*canonical).to_owned()));
        }
        if let Some(number) = lower
            .strip_prefix('f')
            .and_then(|digits| digits.parse::<u8>().ok())
            && (1..=24).contains(&number)
        {
            return Ok(Self(format!("F{number}")));
        }
        Err(KeyError::Unknown(name.to_owned()))
    }

    /// The W3C name, or the character.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(name: String) -> Result<Self, KeyError> {
        Self::parse(&name)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl Modifier {
    /// The modifier that a name stands for, if it is one.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "ctrl" | "control" | "ctrl_l" | "ctrl_r" | "control_l" | "control_r" => Some(Self::Control),
            "shift" | "shift_l" | "shift_r" => Some(Self::Shift),
            "alt" | "option" | "alt_l" | "alt_r" => Some(Self::Alt),
            "meta" | "cmd" | "command" | "super" | "super_l" | "super_r" | "win" | "windows" => {
                Some(Self::Meta)
            }
            _ => None,
        }
    }

    /// The W3C name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "Control",
            Self::Shift => "Shift",
            Self::Alt => "Alt",
            Self::Meta => "Meta",
        }
    }
}

impl Chord {
    /// A chord from key names in any order; one name may itself be joined by `+` (`ctrl+shift+t`).
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, KeyError> {
        let mut chord = Self::default();
        for name in names {
            let name = name.as_ref();
            if name.chars().count() > 1 && name.contains('+') {
                for part in name.split('+').filter(|part| !part.is_empty()) {
                    chord.push(part)?;
                }
                if name.ends_with("++") {
                    chord.push("+")?;
                }
            } else {
                chord.push(name)?;
            }
        }
        chord.modifiers.sort_unstable();
        chord.modifiers.dedup();
        if chord.key.is_none() && chord.modifiers.is_empty() {
            Err(KeyError::Empty)
        } else {
            Ok(chord)
        }
    }

    fn push(&mut self, name: &str) -> Result<(), KeyError> {
        if let Some(modifier) = Modifier::parse(name) {
            self.modifiers.push(modifier);
            return Ok(());
        }
        let key = Key::parse(name)?;
        match &self.key {
            Some(first) => Err(KeyError::TwoKeys(first.name().to_owned(), key.0)),
            None => {
                self.key = Some(key);
                Ok(())
            }
        }
    }
}

impl std::fmt::Display for Chord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<&str> = self.modifiers.iter().map(|modifier| modifier.name()).collect();
        names.extend(
            self.key
                .as_ref()
                .map(|key| if key.name() == " " { "Space" } else { key.name() }),
        );
        formatter.write_str(&names.join("+"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialects_spellings_mean_the_same_chord() {
        for names in [vec!["ctrl", "a"], vec!["Control+a"], vec!["a", "CTRL"]] {
            assert_eq!(Chord::parse(&names).unwrap().to_string(), "Control+a");
        }
        assert_eq!(Chord::parse(&["ctrl++"]).unwrap().to_string(), "Control++");
        assert_eq!(Chord::parse(&["Page_Down"]).unwrap().to_string(), "PageDown");
        assert_eq!(Chord::parse(&["f12"]).unwrap().to_string(), "F12");
    }

    #[test]
    fn nonsense_is_named() {
        assert_eq!(
            Chord::parse(&["hyperdrive"]),
            Err(KeyError::Unknown("hyperdrive".into()))
        );
        assert_eq!(
            Chord::parse(&["a", "b"]),
            Err(KeyError::TwoKeys("a".into(), "b".into()))
        );
        assert_eq!(Chord::parse::<&str>(&[]), Err(KeyError::Empty));
    }
}
