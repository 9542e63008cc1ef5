//! Where the rows of an answer are taught to look: at the part of the picture that they are about.
//!
//! An answer tells it itself: what leads up to a point `[x, y]` is about that point, and so is a line of an answer to a
//! question that names as many points as the answer has lines.

use std::ops::Range;

use super::points::{GRID, points};
use crate::stream::Look;

/// The picture's tokens: the place of the first, and how many rows and columns of them there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) first: usize,
    pub(super) rows: u32,
    pub(super) columns: u32,
}

impl Cells {
    /// Those of the first picture of a prompt, whose patches make up `rows` by `columns`; `None` if none stands there.
    pub(super) fn find(ids: &[u32], image_token: u32, [rows, columns]: [u32; 2]) -> Option<Self> {
        let first = ids.iter().position(|id| *id == image_token)?;
        let count = ids[first..].iter().take_while(|id| **id == image_token).count();
        // As many patches a side make one token.
        let merged = (1..=rows.min(columns)).find(|side| {
            rows.is_multiple_of(*side)
                && columns.is_multiple_of(*side)
                && (rows / side) as usize * (columns / side) as usize == count
        })?;
        Some(Self {
            first,
            rows: rows / merged,
            columns: columns / merged,
        })
    }

    /// The token that shows a place of a picture of `size` pixels; none beyond its edges.
    pub(super) fn showing(&self, at: [f32; 2], size: [u32; 2]) -> Option<usize> {
        let place = |at: f32, size: u32, cells: u32| {
            let inside = at >= 0.0 && at < size as f32;
            inside.then(|| ((at * cells as f32 / size as f32) as u32).min(cells - 1) as usize)
        };
        let row = place(at[1], size[1], self.rows)?;
        let column = place(at[0], size[0], self.columns)?;
        Some(self.first + row * self.columns as usize + column)
    }

    /// The token that shows a point.
    fn at(&self, [x, y]: [u32; 2]) -> usize {
        let place = |at: u32, cells: u32| (at * cells / GRID).min(cells - 1) as usize;
        self.first + place(y, self.rows) * self.columns as usize + place(x, self.columns)
    }
}

/// The looks of one answer, whose tokens stand at `place`. `asked`: what was asked, if something was.
pub(super) fn of_answer(
    tokens: &[&[u8]],
    place: &Range<usize>,
    asked: Option<&str>,
    cells: &Cells,
) -> Vec<Look> {
    let text: Vec<u8> = tokens.concat();
    let named = points(&text);
    // Up to which byte the answer is about which point.
    let mut parts: Vec<(usize, [u32; 2])> = named.iter().map(|(place, point)| (place.end, *point)).collect();
    if parts.is_empty() {
        parts = lines(&text, asked.unwrap_or_default());
    } else if asked.is_none()
        && let Some(last) = parts.last_mut()
    {
        // What ends a step is about it still.
        last.0 = text.len();
    }
    let mut parts = parts.into_iter().peekable();
    let mut begin = 0;
    let mut looks = Vec::new();
    for (token, row) in tokens.iter().zip(place.start.saturating_sub(1)..) {
        while parts.next_if(|(end, _)| *end <= begin).is_some() {}
        let Some((_, point)) = parts.peek() else { break };
        looks.push(Look {
            row,
            at: cells.at(*point),
        });
        begin += token.len();
    }
    looks
}

/// The ends of an answer's lines, each with its point of the question; nothing if they are not as many.
fn lines(text: &[u8], asked: &str) -> Vec<(usize, [u32; 2])> {
    let asked = points(asked.as_bytes());
    // What is thought before is not the answer.
    let begin = text
        .windows(8)
        .position(|bytes| bytes == b"</think>")
        .map_or(0, |at| at + 8);
    let begin = begin
        + text[begin..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
    let breaks = text
        .iter()
        .enumerate()
        .skip(begin)
        .filter(|(_, byte)| **byte == b'\n');
    let mut ends: Vec<usize> = breaks.map(|(at, _)| at + 1).collect();
    ends.push(text.len());
    if ends.len() != asked.len() {
        return Vec::new();
    }
    ends.into_iter()
        .zip(asked.into_iter().map(|(_, point)| point))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELLS: Cells = Cells {
        first: 10,
        rows: 10,
        columns: 7,
    };

    /// Tokens of two bytes, and what each of their rows looks at.
    fn looks(answer: &str, asked: Option<&str>) -> Vec<(String, usize)> {
        let tokens: Vec<&[u8]> = answer.as_bytes().chunks(2).collect();
        let looks = of_answer(&tokens, &(100..100 + tokens.len()), asked, &CELLS);
        assert!(looks.iter().zip(99..).all(|(look, row)| look.row == row));
        let text = |token: &&[u8]| String::from_utf8_lossy(token).into_owned();
        tokens
            .iter()
            .map(text)
            .zip(looks.iter().map(|look| look.at))
            .collect()
    }

    #[test]
    fn a_step_looks_at_what_it_acts_on() {
        let whole = looks("so I click [250, 999] it", None);
        assert_eq!(whole.len(), 12);
        assert!(whole.iter().all(|(_, at)| *at == 10 + 9 * 7 + 1));
        // From one place to another.
        let drag = looks("from [0, 0] to [1000, 1000].", None);
        assert_eq!(drag[0].1, 10);
        assert_eq!(drag[5], ("] ".to_owned(), 10));
        assert_eq!(drag[6], ("to".to_owned(), 79));
        assert_eq!(drag.len(), 14);
        assert_eq!(looks("nothing to [click, 3] at [2000, 1]", None), []);
    }

    #[test]
    fn answers_look_at_what_they_name_and_what_they_were_asked_about() {
        let whole = looks("Ok [0, 0]\nNo [999, 0]\n", Some("Where are Ok; No?"));
        assert_eq!(whole[0].1, 10);
        assert_eq!(whole[5].1, 16);
        let read = looks("</think>\n\nOk.\nNo!", Some("What stands at [0, 999] [0, 0]?"));
        assert_eq!(read[5], ("Ok".to_owned(), 73));
        assert_eq!(read[7], ("No".to_owned(), 10));
        assert_eq!(looks("One line", Some("What stands at [0, 999] [0, 0]?")), []);
        assert_eq!(looks("Nothing.", Some("What is ticked?")), []);
    }

    #[test]
    fn the_picture_is_found_with_its_shape() {
        let mut ids = vec![1, 2];
        ids.extend([9; 6]);
        ids.push(3);
        let found = Cells::find(&ids, 9, [4, 6]).unwrap();
        assert_eq!((found.first, found.rows, found.columns), (2, 2, 3));
        assert_eq!(Cells::find(&ids, 9, [6, 6]), None);
        assert_eq!(Cells::find(&ids, 8, [4, 6]), None);
    }
}
