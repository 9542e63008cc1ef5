//! Text from a page, a model or a file, made safe to look at.

use std::fmt::Write;

/// Makes what cannot be seen visible: control, invisible and bidirectional characters become `⟨U+202E⟩`.
/// Line breaks stay if `lines` says so, else they are shown as `⏎`.
pub fn reveal(text: &str, lines: bool) -> String {
    let mut revealed = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' if lines => revealed.push('\n'),
            '\n' => revealed.push('⏎'),
            '\t' => revealed.push(' '),
            character if is_hidden(character) => {
                // Writing to a string cannot fail.
                let _ = write!(revealed, "⟨U+{:04X}⟩", character as u32);
            }
            character => revealed.push(character),
        }
    }
    revealed
}

fn is_hidden(character: char) -> bool {
    HIDDEN.iter().any(|range| range.contains(&character))
}

/// Characters that cannot be seen, or change how others are seen: controls, invisible and bidirectional ones. Line
/// breaks and tabs are among them.
pub const HIDDEN: &[std::ops::RangeInclusive<char>] = &[
    '\0'..='\u{1f}',
    '\u{7f}'..='\u{9f}',
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2000}'..='\u{200f}',
    '\u{2028}'..='\u{202f}',
    '\u{205f}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{e0000}'..='\u{e0fff}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_shown() {
        assert_eq!(
            reveal("a\u{202e}b\u{200b}c\x1b[2J", false),
            "a⟨U+202E⟩b⟨U+200B⟩c⟨U+001B⟩[2J"
        );
        assert_eq!(reveal("a\nb", true), "a\nb");
        assert_eq!(reveal("a\nb\r", false), "a⏎b⟨U+000D⟩");
        assert_eq!(reveal("grün 支付 👍", false), "grün 支付 👍");
    }
}
