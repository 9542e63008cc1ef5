//! Text as a person reads it: what a page does to a label must not hide what it says.

/// Lower case, whitespace folded, invisible characters dropped, accents and full-width forms taken off.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut space = false;
    for character in text.chars().flat_map(char::to_lowercase) {
        if character.is_whitespace() || character.is_control() {
            space = !folded.is_empty();
        } else if !is_invisible(character) {
            if std::mem::take(&mut space) {
                folded.push(' ');
            }
            match plain(character) {
                Some(replacement) => folded.push_str(replacement),
                None => folded.push(narrow(character)),
            }
        }
    }
    folded
}

/// The same with Cyrillic and Greek letters that look Latin read as Latin. Compared besides [`fold`], never
/// instead of it: real Russian would be garbled.
pub(crate) fn fold_lookalikes(text: &str) -> String {
    fold(text)
        .chars()
        .map(|character| {
            LOOKALIKES
                .iter()
                .find(|(alike, _)| *alike == character)
                .map_or(character, |(_, latin)| *latin)
        })
        .collect()
}

/// Format characters, zero-width and bidirectional controls, variation selectors, tags, combining marks.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Whether `phrase` stands in `text` between word boundaries. Scripts without spaces have none: there a phrase
/// counts wherever it stands.
pub(crate) fn has_phrase(text: &str, phrase: &str) -> bool {
    if phrase.is_empty() {
        return false;
    }
    if phrase.chars().any(is_unspaced) {
        return text.contains(phrase);
    }
    text.match_indices(phrase).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + phrase.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Whether `text` begins with `phrase` as a whole word (punctuation and symbols before it do not count).
pub(crate) fn leads_with(text: &str, phrase: &str) -> bool {
    let text = text.trim_start_matches(|character: char| !character.is_alphanumeric());
    text.strip_prefix(phrase).is_some_and(|rest| {
        phrase.chars().any(is_unspaced) || !rest.chars().next().is_some_and(char::is_alphanumeric)
    })
}

fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}

fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(character as u32 - 0xfee0).unwrap_or(character),
        _ => character,
    }
}

fn plain(character: char) -> Option<&'static str> {
    Some(match character {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ś' | 'š' | 'ş' => "s",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        '’' | 'ʼ' | '´' | '`' => "'",
        _ => return None,
    })
}

const LOOKALIKES: &[(char, char)] = &[
    ('а', 'a'),
    ('в', 'b'),
    ('е', 'e'),
    ('к', 'k'),
    ('м', 'm'),
    ('н', 'h'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('т', 't'),
    ('у', 'y'),
    ('х', 'x'),
    ('ѕ', 's'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ԁ', 'd'),
    ('ο', 'o'),
    ('α', 'a'),
    ('ρ', 'p'),
    ('υ', 'u'),
    ('ν', 'v'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('τ', 't'),
    ('ɑ', 'a'),
    ('ⅼ', 'l'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_does_to_a_label_is_undone() {
        assert_eq!(fold("  P\u{200b}ay\u{202e}\n  ＮＯＷ "), "pay now");
        assert_eq!(fold("Lo\u{308}schen"), fold("Löschen"));
        assert_eq!(fold_lookalikes("Рay nоw"), "pay now");
    }

    #[test]
    fn phrases_stand_between_word_boundaries() {
        assert!(has_phrase("please pay now!", "pay"));
        assert!(!has_phrase("display options", "pay"));
        assert!(has_phrase("立即支付订单", "支付"));
        assert!(leads_with("» send message", "send") && !leads_with("sender", "send"));
    }
}
