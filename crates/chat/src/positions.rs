//! M-RoPE positions: where each token stands in time, height and width.

/// A run of tokens of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// This many tokens of text.
    Text(usize),
    /// A picture: merged rows and columns, one token each.
    Image {
        /// Rows of tokens.
        rows: u32,
        /// Columns of tokens.
        columns: u32,
    },
}

/// Positions (temporal, height, width) of all tokens. Text counts on in all three; a picture stands at one moment and
/// counts rows and columns from there, and text goes on after the longer side.
pub fn positions(runs: &[Run]) -> Vec<[u32; 3]> {
    let mut result = Vec::new();
    let mut current = 0;
    for run in runs {
        match *run {
            Run::Text(tokens) => {
                let end = current + tokens as u32;
                result.extend((current..end).map(|position| [position; 3]));
                current = end;
            }
            Run::Image { rows, columns } => {
                let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
                result.extend(cells.map(|(row, column)| [current, current + row, current + column]));
                current += rows.max(columns);
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_on_after_the_longer_side_of_a_picture() {
        let runs = [Run::Text(2), Run::Image { rows: 2, columns: 3 }, Run::Text(1)];
        assert_eq!(
            positions(&runs),
            [
                [0, 0, 0],
                [1, 1, 1],
                [2, 2, 2],
                [2, 2, 3],
                [2, 2, 4],
                [2, 3, 2],
                [2, 3, 3],
                [2, 3, 4],
                [5, 5, 5],
            ]
        );
    }
}
