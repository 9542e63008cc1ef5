//! Samples a few pixels aside: what is learnt of a screen is then not where everything stood to the pixel.

use std::fmt::Write;
use std::sync::Arc;

use aurore_chat::DecodedImage;
use serde_json::{Map, Value};

use super::points::{GRID, points};

/// So many pixels right and down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Move {
    /// To the right; to the left below 0.
    pub right: i32,
    /// Down; up below 0.
    pub down: i32,
}

impl Move {
    /// The picture moved; what was at its edges is repeated where something comes in.
    pub(super) fn picture(self, picture: DecodedImage) -> DecodedImage {
        if self == Self::default() {
            return picture;
        }
        let (width, height) = (picture.width as usize, picture.height as usize);
        let from = |to: usize, by: i32, size: usize| {
            let at = to as i64 - i64::from(by);
            at.clamp(0, size as i64 - 1) as usize
        };
        let mut rgb = Vec::with_capacity(picture.rgb.len());
        for y in 0..height {
            let row = &picture.rgb[from(y, self.down, height) * width * 3..][..width * 3];
            for x in 0..width {
                rgb.extend_from_slice(&row[from(x, self.right, width) * 3..][..3]);
            }
        }
        DecodedImage {
            rgb: Arc::from(rgb),
            ..picture
        }
    }

    /// What it is on the grid over a picture of that size.
    pub(super) fn on_grid(self, picture: &DecodedImage) -> OnGrid {
        let part = |by: i32, size: u32| f64::from(by) * f64::from(GRID) / f64::from(size.max(1));
        OnGrid([part(self.right, picture.width), part(self.down, picture.height)])
    }
}

/// A move in steps of the grid.
#[derive(Clone, Copy)]
pub(super) struct OnGrid([f64; 2]);

impl OnGrid {
    fn moved(self, axis: usize, at: f64) -> u32 {
        (at + self.0[axis]).round().clamp(0.0, f64::from(GRID)) as u32
    }

    /// A text whose points are moved; they stay on the grid.
    pub(super) fn text(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (place, [x, y]) in points(text.as_bytes()) {
            out.push_str(&text[done..place.start]);
            let [x, y] = [(0, x), (1, y)].map(|(axis, at)| self.moved(axis, f64::from(at)));
            let _ = write!(out, "[{x}, {y}]");
            done = place.end;
        }
        out.push_str(&text[done..]);
        out
    }

    /// Moves the coordinates of an action.
    pub(super) fn action(self, action: &mut Map<String, Value>) {
        let pairs = action
            .iter_mut()
            .filter(|(name, _)| name.ends_with("coordinate"))
            .filter_map(|(_, value)| value.as_array_mut());
        for pair in pairs {
            for (axis, at) in pair.iter_mut().enumerate().take(2) {
                if let Some(number) = at.as_f64() {
                    *at = Value::from(self.moved(axis, number));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn picture() -> DecodedImage {
        let rgb: Vec<u8> = (0..4 * 2).flat_map(|pixel| [pixel; 3]).collect();
        DecodedImage {
            width: 4,
            height: 2,
            rgb: Arc::from(rgb),
            note: None,
        }
    }

    fn reds(picture: &DecodedImage) -> Vec<u8> {
        picture.rgb.iter().step_by(3).copied().collect()
    }

    #[test]
    fn pictures_move_and_repeat_their_edges() {
        let by = Move { right: 1, down: -1 };
        assert_eq!(reds(&by.picture(picture())), [4, 4, 5, 6, 4, 4, 5, 6]);
        let far = Move { right: -9, down: 0 };
        assert_eq!(reds(&far.picture(picture())), [3, 3, 3, 3, 7, 7, 7, 7]);
        assert_eq!(reds(&Move::default().picture(picture())), reds(&picture()));
    }

    #[test]
    fn points_move_with_the_picture() {
        let grid = Move { right: 1, down: -1 }.on_grid(&picture());
        let moved = grid.text("Ok [490, 530] and [1, 2, 3], [x, 4] [900, 100]");
        assert_eq!(moved, "Ok [740, 30] and [1, 2, 3], [x, 4] [1000, 0]");
        let mut action = json!({"action": "drag", "start_coordinate": [0, 999], "coordinate": [500, 600], "keys": ["a", "b"]});
        grid.action(action.as_object_mut().unwrap());
        let expected = json!({"action": "drag", "start_coordinate": [250, 499], "coordinate": [750, 100], "keys": ["a", "b"]});
        assert_eq!(action, expected);
    }
}
