//! A dialog: a title, what it says, and what can be done about it.

use super::Page;
use crate::dice::Dice;
use crate::paint::Anchor;
use crate::widget::{Role, Widget};

impl Page<'_> {
    /// A window with a title, a line of text and a button or two.
    pub(super) fn dialog(&mut self, dice: &mut Dice, height: f32) {
        let width = (self.right - self.left) * dice.between(75, 100) as f32 / 100.0;
        let (left, top, font) = (self.left, self.y, self.theme.font);
        let bar = height * 0.3;
        self.canvas.rect(
            [left, top, width, height],
            self.theme.radius,
            self.theme.panel,
            Some(self.theme.faint),
        );
        let (fill, ink) = if dice.one_in(2) {
            (self.theme.accent, self.theme.on_accent)
        } else {
            (self.theme.page, self.theme.ink)
        };
        self.canvas.rect(
            [left, top, width, bar],
            self.theme.radius,
            fill,
            Some(self.theme.faint),
        );
        let room = width - 3.0 * font;
        let title = self.fitting(dice, Role::Heading, &self.words.things, room);
        let start = [left + 5.0, top + bar / 2.0];
        self.canvas.text(&title, start, Anchor::Start, font, ink);
        self.push(
            Role::Heading,
            &title,
            [left + 4.0, top, self.theme.width(&title).min(room), bar],
            None,
        );
        self.cross([left + width - bar * 0.5, top + bar / 2.0], bar * 0.5, ink);

        let said = self.fitting(dice, Role::Text, &self.words.things, width - 10.0);
        let place = [
            left + 4.0,
            top + bar,
            self.theme.width(&said).min(width - 8.0),
            height * 0.3,
        ];
        let start = [left + 5.0, place[1] + place[3] / 2.0];
        self.canvas
            .text(&said, start, Anchor::Start, font * 0.95, self.theme.ink);
        self.push(Role::Text, &said, place, None);

        let (mut right, low) = (left + width - 5.0, top + height * 0.63);
        for _ in 0..dice.between(1, 2) {
            let room = right - left - 5.0 - font * 1.2;
            let label = self.fitting(dice, Role::Button, &self.words.buttons, room);
            let wide = self.theme.width(&label) + font * 1.2;
            if right - wide < left + 3.0 {
                break;
            }
            let place = [right - wide, low, wide, height * 0.31];
            self.canvas
                .rect(place, self.theme.radius, self.theme.page, Some(self.theme.faint));
            let middle = [right - wide / 2.0, low + place[3] / 2.0];
            self.canvas
                .text(&label, middle, Anchor::Middle, font, self.theme.ink);
            self.push(Role::Button, &label, place, None);
            right -= wide + self.theme.gap;
        }
    }

    /// What closes it.
    fn cross(&mut self, [x, y]: [f32; 2], side: f32, ink: &str) {
        const LABEL: &str = "×";
        let half = side * 0.35;
        for turn in [half, -half] {
            self.canvas
                .line(&[[x - half, y - turn], [x + half, y + turn]], ink, 1.3);
        }
        // A second one could not be told from the first.
        let is_known = |widget: &Widget| widget.role == Role::Button && widget.label == LABEL;
        if !self.widgets.iter().any(is_known) {
            let place = [x - side / 2.0, y - side / 2.0, side, side];
            self.push(Role::Button, LABEL, place, None);
        }
    }
}
