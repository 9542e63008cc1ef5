//! Entries close together: a menu, a long list, or a tree.

use super::Page;
use crate::dice::Dice;
use crate::paint::Anchor;
use crate::widget::Role;

impl Page<'_> {
    /// As many entries as the height has room for.
    pub(super) fn menu(&mut self, dice: &mut Dice, height: f32) {
        let each = self.theme.font * dice.between(12, 16) as f32 / 10.0;
        let count = (height / each).max(1.0) as u16;
        let width = (self.right - self.left) * dice.between(40, 95) as f32 / 100.0;
        let is_tree = dice.one_in(3);
        let is_opened = !is_tree && dice.one_in(2);
        if !is_tree {
            let place = [self.left, self.y, width, each * f32::from(count)];
            self.canvas.rect(
                place,
                self.theme.radius / 2.0,
                self.theme.panel,
                Some(self.theme.faint),
            );
        }
        let chosen = dice.between(0, 2 * i32::from(count));
        let mut depth = 0;
        for index in 0..count {
            let top = self.y + each * f32::from(index);
            let middle = top + each / 2.0;
            let indent = if is_tree {
                depth = dice.between(0, (depth + 1).min(3));
                let x = self.left + self.theme.font * depth as f32;
                self.knot(dice, [x, middle]);
                x - self.left + self.theme.font * 1.1
            } else {
                4.0
            };
            // A sign at the right says that more follows from it.
            let room = width - indent - self.theme.font;
            let label = self.fitting(dice, Role::Option, &self.words.things, room);
            let place = [self.left, top, width, each];
            let is_chosen = !is_tree && i32::from(index) == chosen;
            let ink = if is_chosen {
                self.canvas.rect(place, 0.0, self.theme.accent, None);
                self.theme.on_accent
            } else {
                self.theme.ink
            };
            let start = [self.left + indent, middle];
            self.canvas
                .text(&label, start, Anchor::Start, self.theme.font * 0.95, ink);
            if is_opened && dice.one_in(2) {
                let (x, side) = (self.left + width - 4.0, self.theme.font * 0.25);
                let points = [[x - side, middle - side], [x, middle], [x - side, middle + side]];
                self.canvas.line(&points, ink, 1.2);
            }
            self.push(Role::Option, &label, place, Some(is_chosen));
        }
    }

    /// A box with a plus or a minus.
    fn knot(&mut self, dice: &mut Dice, [x, middle]: [f32; 2]) {
        let side = self.theme.font * 0.7;
        let place = [x, middle - side / 2.0, side, side];
        self.canvas
            .rect(place, 0.0, self.theme.panel, Some(self.theme.faint));
        let (near, far, centre) = (x + side * 0.2, x + side * 0.8, x + side / 2.0);
        self.canvas
            .line(&[[near, middle], [far, middle]], self.theme.ink, 1.0);
        if dice.one_in(2) {
            let half = side * 0.3;
            let upright = [[centre, middle - half], [centre, middle + half]];
            self.canvas.line(&upright, self.theme.ink, 1.0);
        }
    }
}
