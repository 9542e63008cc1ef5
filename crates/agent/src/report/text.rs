//! Untrusted text in a page.

use crate::reveal;

/// Text for element content and quoted attributes: escaped, with hidden characters made visible.
pub(super) fn escape(text: &str) -> String {
    reveal(text, true)
        .chars()
        .fold(String::with_capacity(text.len()), |mut escaped, character| {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                character => escaped.push(character),
            }
            escaped
        })
}

/// Seconds for a person.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.095 => format!("{:.0} ms", seconds.max(0.0) * 1000.0),
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        seconds => format!(
            "{} min {:02.0} s",
            (seconds / 60.0) as u64,
            (seconds % 60.0).floor()
        ),
    }
}
