//! Things scattered over the page that have a size, a colour and a form.

use super::Page;
use super::rows::SWATCHES;
use crate::dice::Dice;
use crate::paint::Anchor;
use crate::widget::Role;

const LETTERS: [&str; 20] = [
    "a", "b", "d", "e", "g", "h", "k", "m", "q", "t", "A", "E", "G", "H", "K", "N", "Q", "T", "Y", "Z",
];
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

impl Page<'_> {
    /// Circles, rectangles, triangles, letters and digits, in cells so that none covers another.
    pub(super) fn shapes(&mut self, dice: &mut Dice, height: f32) {
        let cell = self.theme.font * 2.0;
        let columns = ((self.right - self.left) / cell) as u16;
        let rows = (height / cell) as u16;
        let is_dark = ["#20242b", "#111111"].contains(&self.theme.page);
        // One cell in so many has something in it.
        let seldom = if self.longest < 3 { 6 } else { dice.between(2, 5) };
        // Of few colours, so that some have one in common.
        let palette = [dice.pick(&SWATCHES), dice.pick(&SWATCHES), dice.pick(&SWATCHES)];
        for row in 0..rows {
            for column in 0..columns {
                if !dice.one_in(seldom) {
                    continue;
                }
                let (name, colour) = **dice.pick(&palette);
                // It would not be seen.
                if name == if is_dark { "black" } else { "white" } {
                    continue;
                }
                let is_large = dice.one_in(2);
                let side = self.theme.font * if is_large { 1.5 } else { 0.75 };
                let slack = cell - side;
                let mut offset = || slack * dice.between(10, 90) as f32 / 100.0;
                let place = [
                    self.left + cell * f32::from(column) + offset(),
                    self.y + cell * f32::from(row) + offset(),
                    side,
                    side,
                ];
                let form = self.shape(dice, place, colour);
                let size = if is_large { "large" } else { "small" };
                self.push(Role::Shape, &format!("{size} {name} {form}"), place, None);
            }
        }
    }

    /// Draws one and says what it is.
    fn shape(&mut self, dice: &mut Dice, place: [f32; 4], colour: &str) -> &'static str {
        let [x, y, side, _] = place;
        let centre = [x + side / 2.0, y + side / 2.0];
        let kind = dice.between(0, 4);
        let letter = match kind {
            0 => {
                self.canvas.circle(centre, side / 2.0, colour, colour);
                return "circle";
            }
            1 => {
                self.canvas.rect(place, 0.0, colour, None);
                return "rectangle";
            }
            2 => {
                let corners = [[x, y + side], [x + side / 2.0, y], [x + side, y + side]];
                self.canvas.area(&corners, colour);
                return "triangle";
            }
            3 => dice.pick(&LETTERS),
            _ => dice.pick(&DIGITS),
        };
        self.canvas
            .text(letter, centre, Anchor::Middle, side * 1.25, colour);
        letter
    }
}
