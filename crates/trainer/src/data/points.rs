//! Points `[x, y]` in texts: places on a grid over the picture.

use std::ops::Range;

/// Points are on a grid of so many steps over the picture.
pub(super) const GRID: u32 = 1000;

/// Those in a text, each with the bytes that it takes.
pub(super) fn points(text: &[u8]) -> Vec<(Range<usize>, [u32; 2])> {
    let mut found = Vec::new();
    for (begin, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'[') {
        let rest = &text[begin + 1..];
        let Some(length) = rest.iter().take(12).position(|byte| *byte == b']') else {
            continue;
        };
        let numbers = std::str::from_utf8(&rest[..length])
            .ok()
            .and_then(|text| text.split_once(", "));
        let number = |text: &str| text.parse().ok().filter(|number| *number <= GRID);
        if let Some((x, y)) = numbers
            && let (Some(x), Some(y)) = (number(x), number(y))
        {
            found.push((begin..begin + length + 2, [x, y]));
        }
    }
    found
}
