//! What the picture's tokens are taught to say by themselves: the words that stand where they are.

use serde::Deserialize;

use super::looks::Cells;
use super::moved::Move;
use crate::stream::Target;

/// A word on a picture.
#[derive(Debug, Deserialize)]
pub(super) struct Word {
    /// As it would be written in its line: with the space before it, except at a line's beginning.
    pub(super) text: String,
    /// Left, top, width and height in pixels, of the letters alone.
    #[serde(rename = "box")]
    pub(super) bounds: [f32; 4],
}

/// What a letter counts beside a token.
const LETTER: f32 = 0.5;

/// What the tokens of a picture of `size` pixels, moved by so many, should say: each token of a word where the middle of
/// its letters stands, and each letter that is a token by itself where it stands. Letters are few, so they are learnt
/// first. `encode` gives a text's tokens, each with its bytes' number.
pub(super) fn of_words<E>(
    words: &[Word],
    by: Move,
    size: [u32; 2],
    cells: &Cells,
    encode: impl Fn(&str) -> Result<Vec<(u32, usize)>, E>,
) -> Result<Vec<Target>, E> {
    let mut readings = Vec::new();
    for word in words {
        let letters = word.text.trim_start();
        let space = word.text.len() - letters.len();
        let [left, top, width, height] = word.bounds;
        // The token that shows the middle of these bytes.
        let showing = |from: usize, to: usize| {
            let middle = (from + to) as f32 / 2.0 / letters.len() as f32;
            let at = [
                left + by.right as f32 + width * middle,
                top + by.down as f32 + height / 2.0,
            ];
            cells.showing(at, size)
        };
        let mut begin = 0;
        for (id, length) in encode(&word.text)? {
            // The space before a word takes none of its width.
            let from = begin.max(space) - space;
            begin += length;
            let to = begin.max(space) - space;
            if from < to {
                let row = showing(from, to);
                readings.extend(row.map(|row| Target { row, id, weight: 1.0 }));
            }
        }
        for (from, letter) in letters.char_indices() {
            let ids = encode(letter.encode_utf8(&mut [0; 4]))?;
            let row = showing(from, from + letter.len_utf8());
            if let (Some(row), [(id, _)]) = (row, &ids[..]) {
                readings.push(Target {
                    row,
                    id: *id,
                    weight: LETTER,
                });
            }
        }
    }
    Ok(readings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELLS: Cells = Cells {
        first: 10,
        rows: 10,
        columns: 8,
    };

    /// Tokens of two bytes at most: the last one is the id.
    fn pairs(text: &str) -> Result<Vec<(u32, usize)>, std::fmt::Error> {
        if text.contains('!') {
            return Err(std::fmt::Error);
        }
        let pair = |pair: &[u8]| (u32::from(pair[pair.len() - 1]), pair.len());
        Ok(text.as_bytes().chunks(2).map(pair).collect())
    }

    fn word(text: &str, bounds: [f32; 4]) -> Word {
        Word {
            text: text.to_owned(),
            bounds,
        }
    }

    /// Row and column of each reading of this weight, and its token.
    fn of_weight(weight: f32, text: &str, bounds: [f32; 4], by: Move) -> Vec<(usize, usize, char)> {
        let targets = of_words(&[word(text, bounds)], by, [160, 200], &CELLS, pairs).unwrap();
        let place = |target: Target| {
            let cell = target.row - CELLS.first;
            (cell / 8, cell % 8, target.id as u8 as char)
        };
        let chosen = targets.into_iter().filter(|target| target.weight == weight);
        chosen.map(place).collect()
    }

    fn read(text: &str, bounds: [f32; 4], by: Move) -> Vec<(usize, usize, char)> {
        of_weight(1.0, text, bounds, by)
    }

    #[test]
    fn each_token_is_read_where_its_letters_stand() {
        let here = Move::default();
        // Three tokens of 20 pixels each, from the second column on, in the third row.
        assert_eq!(
            read("abcdef", [20.0, 42.0, 60.0, 10.0], here),
            [(2, 1, 'b'), (2, 2, 'd'), (2, 3, 'f')]
        );
        // The space before a word is not drawn: `a` alone, then `bc`.
        assert_eq!(
            read(" abc", [20.0, 42.0, 60.0, 10.0], here),
            [(2, 1, 'a'), (2, 3, 'c')]
        );
        let by = Move { right: -20, down: 20 };
        assert_eq!(
            read("abcd", [20.0, 42.0, 40.0, 10.0], by),
            [(3, 0, 'b'), (3, 1, 'd')]
        );
    }

    #[test]
    fn letters_are_read_one_by_one() {
        let letters = of_weight(LETTER, " abc", [20.0, 42.0, 45.0, 10.0], Move::default());
        assert_eq!(letters, [(2, 1, 'a'), (2, 2, 'b'), (2, 2, 'c')]);
        // One that is no token by itself (here of more than two bytes) is left out.
        let letters = of_weight(LETTER, "a€", [20.0, 42.0, 40.0, 10.0], Move::default());
        assert_eq!(letters, [(2, 1, 'a')]);
    }

    #[test]
    fn what_stands_outside_is_not_read() {
        let by = Move { right: -35, down: 0 };
        assert_eq!(read("abcd", [20.0, 42.0, 40.0, 10.0], by), [(2, 0, 'd')]);
        assert_eq!(read("abcd", [20.0, 300.0, 40.0, 10.0], Move::default()), []);
        assert_eq!(read(" ", [0.0; 4], Move::default()), []);
        assert!(of_words(&[word("!", [0.0; 4])], Move::default(), [160, 200], &CELLS, pairs).is_err());
    }
}
