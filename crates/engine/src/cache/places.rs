//! Where states are kept along a prompt: by meaning first, by distance second.

use aurore_model::Snapshot;

/// Tokens between states along long messages.
const GRID: usize = 512;

/// Why a state is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Nothing ends here: it shortens the way to whatever differs later.
    Grid,
    /// A message or a picture ends here, or two prompts part, or the prompt ends.
    Meaning,
}

/// Places between the first `from` tokens, which are known, and the last token, which must be read to answer: multiples
/// of 64, in order. `parting` is where an earlier prompt was left.
pub(crate) fn places(tokens: usize, marks: &[usize], from: usize, parting: usize) -> Vec<(usize, Place)> {
    let end = last_place(tokens);
    let meant = marks.iter().copied().chain([parting, end]);
    let meant = meant.map(|mark| (floor(mark), Place::Meaning));
    let grid = (from / GRID + 1..=end / GRID).map(|number| (number * GRID, Place::Grid));
    let mut places: Vec<(usize, Place)> = meant
        .chain(grid)
        .filter(|(tokens, _)| *tokens > from && *tokens <= end)
        .collect();
    // Meaning before distance where both are.
    places.sort_unstable_by_key(|(tokens, place)| (*tokens, std::cmp::Reverse(*place)));
    places.dedup_by_key(|(tokens, _)| *tokens);
    places
}

/// The last place of a prompt: the one before its last token.
pub(crate) fn last_place(tokens: usize) -> usize {
    floor(tokens.saturating_sub(1))
}

fn floor(tokens: usize) -> usize {
    tokens / Snapshot::EVERY * Snapshot::EVERY
}

#[cfg(test)]
mod tests {
    use super::Place::{Grid, Meaning};
    use super::*;

    #[test]
    fn meaning_comes_before_distance() {
        assert_eq!(
            places(1300, &[70, 600, 1024, 1290], 0, 0),
            [
                (64, Meaning),
                (512, Grid),
                (576, Meaning),
                (1024, Meaning),
                (1280, Meaning)
            ]
        );
        assert_eq!(
            places(1300, &[70, 600], 576, 700),
            [(640, Meaning), (1024, Grid), (1280, Meaning)]
        );
    }

    #[test]
    fn the_last_token_is_always_read() {
        assert_eq!(places(64, &[64], 0, 0), []);
        assert_eq!(places(65, &[65], 0, 0), [(64, Meaning)]);
        assert_eq!(places(128, &[128, 9999], 0, 0), [(64, Meaning)]);
        assert_eq!(places(0, &[5], 0, 0), []);
    }
}
