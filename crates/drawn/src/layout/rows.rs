//! Rows of one kind of widget each.

use super::Page;
use crate::dice::Dice;
use crate::paint::Anchor;
use crate::widget::{Role, Widget};
use crate::words::Words;

/// Colours that have plain names.
pub(super) const SWATCHES: [(&str, &str); 10] = [
    ("red", "#e02020"),
    ("green", "#1f9d3a"),
    ("blue", "#2050e0"),
    ("yellow", "#f2d21b"),
    ("orange", "#f28a1b"),
    ("purple", "#8a2be2"),
    ("pink", "#f48fb1"),
    ("brown", "#7b4a21"),
    ("black", "#000000"),
    ("white", "#ffffff"),
];

impl Page<'_> {
    pub(super) fn heading(&mut self, dice: &mut Dice) {
        let room = (self.right - self.left) / 1.3;
        let label = self.fitting(dice, Role::Heading, &self.words.things, room);
        let size = self.theme.font * 1.3;
        let height = size * 1.6;
        let middle = self.y + height / 2.0;
        self.canvas
            .text(&label, [self.left, middle], Anchor::Start, size, self.theme.ink);
        let width = (self.theme.width(&label) * 1.3).min(self.right - self.left);
        self.push(Role::Heading, &label, [self.left, self.y, width, height], None);
        self.y += height + self.theme.gap;
    }

    pub(super) fn buttons(&mut self, dice: &mut Dice, height: f32) {
        let mut x = self.left + dice.between(0, 12) as f32;
        for _ in 0..dice.between(1, 4) {
            let label = self.fresh(dice, Role::Button, &self.words.buttons);
            let width = self.theme.width(&label) + self.theme.font * 1.4;
            if x + width > self.right {
                break;
            }
            let (fill, ink) = if dice.one_in(2) {
                (self.theme.accent, self.theme.on_accent)
            } else {
                (self.theme.panel, self.theme.ink)
            };
            let place = [x, self.y, width, height];
            self.canvas
                .rect(place, self.theme.radius, fill, Some(self.theme.faint));
            let middle = [x + width / 2.0, self.y + height / 2.0];
            self.canvas
                .text(&label, middle, Anchor::Middle, self.theme.font, ink);
            self.push(Role::Button, &label, place, None);
            x += width + self.theme.gap + dice.between(0, 10) as f32;
        }
    }

    pub(super) fn links(&mut self, dice: &mut Dice, height: f32) {
        let mut x = self.left;
        for _ in 0..dice.between(1, 3) {
            let label = self.fresh(dice, Role::Link, &self.words.things);
            let width = self.theme.width(&label);
            if x + width > self.right {
                break;
            }
            let middle = self.y + height / 2.0;
            self.canvas.text(
                &label,
                [x, middle],
                Anchor::Start,
                self.theme.font,
                self.theme.accent,
            );
            let under = middle + self.theme.font * 0.5;
            let drawn = width * 0.85;
            self.canvas
                .line(&[[x, under], [x + drawn, under]], self.theme.accent, 1.0);
            self.push(Role::Link, &label, [x, self.y, drawn, height], None);
            x += width + self.theme.gap * 2.0;
        }
    }

    pub(super) fn field(&mut self, dice: &mut Dice, height: f32) {
        let label = self.fresh(dice, Role::Textbox, &self.words.fields);
        let upper = height * 0.42;
        self.canvas.text(
            &label,
            [self.left, self.y + upper / 2.0],
            Anchor::Start,
            self.theme.font * 0.9,
            self.theme.ink,
        );
        let width = (self.right - self.left) * dice.between(50, 100) as f32 / 100.0;
        let place = [self.left, self.y + upper, width, height - upper];
        self.canvas
            .rect(place, self.theme.radius, self.theme.panel, Some(self.theme.faint));
        let value = dice.one_in(2).then(|| Words::label(dice, &self.words.things));
        if let Some(value) = &value {
            self.canvas.text(
                value,
                [self.left + 4.0, place[1] + place[3] / 2.0],
                Anchor::Start,
                self.theme.font * 0.9,
                self.theme.ink,
            );
        }
        self.push(Role::Textbox, &label, place, None);
        if let Some(widget) = self.widgets.last_mut() {
            widget.value = value;
        }
    }

    /// A checkbox or radio button with its label.
    pub(super) fn choice(&mut self, dice: &mut Dice, role: Role, height: f32) {
        let room = self.right - self.left - 8.0 - 2.0 * self.theme.font;
        let label = self.fitting(dice, role, &self.words.things, room);
        let checked = dice.one_in(2);
        let side = self.theme.font;
        let x = self.left + dice.between(0, 8) as f32;
        let middle = self.y + height / 2.0;
        let place = [x, middle - side / 2.0, side, side];
        let fill = if checked {
            self.theme.accent
        } else {
            self.theme.panel
        };
        if role == Role::Checkbox {
            self.canvas.rect(place, 1.5, fill, Some(self.theme.faint));
            if checked {
                let at = |dx: f32, dy: f32| [x + side * dx, place[1] + side * dy];
                self.canvas.line(
                    &[at(0.2, 0.5), at(0.45, 0.75), at(0.8, 0.25)],
                    self.theme.on_accent,
                    1.5,
                );
            }
        } else {
            let centre = [x + side / 2.0, middle];
            self.canvas
                .circle(centre, side / 2.0, self.theme.panel, self.theme.faint);
            if checked {
                self.canvas
                    .circle(centre, side / 4.0, self.theme.accent, self.theme.accent);
            }
        }
        let start = [x + side + 4.0, middle];
        self.canvas
            .text(&label, start, Anchor::Start, self.theme.font, self.theme.ink);
        self.push(role, &label, place, Some(checked));
    }

    pub(super) fn tabs(&mut self, dice: &mut Dice, height: f32) {
        let chosen = dice.between(0, 2);
        let mut x = self.left;
        for index in 0..dice.between(2, 4) {
            let label = self.fresh(dice, Role::Tab, &self.words.things);
            let width = self.theme.width(&label) + self.theme.font;
            if x + width > self.right {
                break;
            }
            let is_chosen = index == chosen;
            let fill = if is_chosen {
                self.theme.panel
            } else {
                self.theme.page
            };
            let place = [x, self.y, width, height];
            self.canvas.rect(place, 0.0, fill, Some(self.theme.faint));
            if is_chosen {
                let low = self.y + height;
                self.canvas
                    .line(&[[x, low], [x + width, low]], self.theme.accent, 2.0);
            }
            let middle = [x + width / 2.0, self.y + height / 2.0];
            self.canvas
                .text(&label, middle, Anchor::Middle, self.theme.font, self.theme.ink);
            self.push(Role::Tab, &label, place, Some(is_chosen));
            x += width;
        }
    }

    /// A list of three entries.
    pub(super) fn options(&mut self, dice: &mut Dice, height: f32) {
        let width = (self.right - self.left) * dice.between(45, 80) as f32 / 100.0;
        let each = height / 3.0;
        let chosen = dice.between(0, 4);
        self.canvas.rect(
            [self.left, self.y, width, height],
            0.0,
            self.theme.panel,
            Some(self.theme.faint),
        );
        for index in 0..3u8 {
            let label = self.fitting(dice, Role::Option, &self.words.things, width - 8.0);
            let place = [self.left, self.y + each * f32::from(index), width, each];
            let is_chosen = i32::from(index) == chosen;
            let ink = if is_chosen {
                self.canvas.rect(place, 0.0, self.theme.accent, None);
                self.theme.on_accent
            } else {
                self.theme.ink
            };
            let start = [self.left + 4.0, place[1] + each / 2.0];
            self.canvas
                .text(&label, start, Anchor::Start, self.theme.font * 0.9, ink);
            self.push(Role::Option, &label, place, Some(is_chosen));
        }
    }

    /// Three rows of a name and a number.
    pub(super) fn table(&mut self, dice: &mut Dice, height: f32) {
        let width = (self.right - self.left) * dice.between(60, 100) as f32 / 100.0;
        let (each, half) = (height / 3.0, width * 0.62);
        for row in 0..3u8 {
            let y = self.y + each * f32::from(row);
            let name = self.fitting(dice, Role::Cell, &self.words.things, half - 6.0);
            let number = dice.between(1, 999).to_string();
            for (text, x, wide) in [
                (&name, self.left, half),
                (&number, self.left + half, width - half),
            ] {
                let place = [x, y, wide, each];
                self.canvas
                    .rect(place, 0.0, self.theme.panel, Some(self.theme.faint));
                let start = [x + 3.0, y + each / 2.0];
                self.canvas
                    .text(text, start, Anchor::Start, self.theme.font * 0.85, self.theme.ink);
            }
            self.push(Role::Cell, &name, [self.left, y, half, each], None);
            if let Some(cell) = self.widgets.last_mut() {
                cell.value = Some(number);
            }
        }
    }

    pub(super) fn swatches(&mut self, dice: &mut Dice, height: f32) {
        let mut x = self.left;
        for _ in 0..dice.between(2, 6) {
            let (name, colour) = *dice.pick(&SWATCHES);
            let known = |widget: &Widget| widget.role == Role::Swatch && widget.label == name;
            if x + height > self.right || self.widgets.iter().any(known) {
                break;
            }
            let place = [x, self.y, height, height];
            self.canvas.rect(place, 0.0, colour, Some(self.theme.faint));
            self.push(Role::Swatch, name, place, None);
            x += height + self.theme.gap;
        }
    }
}
