//! What stands where: rows of widgets from top to bottom, as long as there is room.

use aurore_action::{Rect, Size};

use crate::Density;
use crate::dice::Dice;
use crate::paint::{Anchor, Canvas};
use crate::theme::Theme;
use crate::widget::{Role, Widget};
use crate::words::Words;

/// The screen as SVG, and its widgets.
pub(crate) fn compose(
    dice: &mut Dice,
    theme: &Theme,
    words: &Words,
    size: Size,
    density: Density,
) -> (String, Vec<Widget>) {
    let margin = dice.between(2, 10) as f32;
    let mut page = Page {
        canvas: Canvas::new(size, theme),
        theme,
        words,
        left: margin,
        right: size.width as f32 - margin,
        y: margin,
        widgets: Vec::new(),
    };
    let rows = match (dice.between(0, 9), density) {
        (0..=2, _) | (5..=7, Density::Sparse) => 1,
        (3..=4, _) | (_, Density::Sparse) => 2,
        _ => usize::MAX,
    };
    let end = size.height as f32 - margin;
    if rows < 3 {
        page.y += dice.between(0, (end * 0.7) as i32) as f32;
    } else if dice.one_in(2) {
        page.heading(dice);
    }
    let mut drawn = 0;
    while drawn < rows && page.row(dice, end) {
        drawn += 1;
    }
    // The chosen row was too high for the room that is left: something always fits at the top.
    while page.widgets.is_empty() {
        page.y = margin;
        page.row(dice, end);
    }
    (page.canvas.finish(), page.widgets)
}

struct Page<'a> {
    canvas: Canvas,
    theme: &'a Theme,
    words: &'a Words,
    left: f32,
    right: f32,
    /// Where the next row begins.
    y: f32,
    widgets: Vec<Widget>,
}

/// Colours that have plain names.
const SWATCHES: [(&str, &str); 10] = [
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
    /// One more row, if it fits above `end`.
    fn row(&mut self, dice: &mut Dice, end: f32) -> bool {
        let line = self.theme.font * 1.7;
        let (kind, lines) = *dice.pick(&[
            (0, 1.2),
            (0, 1.2),
            (1, 1.0),
            (2, 2.2),
            (2, 2.2),
            (3, 1.0),
            (3, 1.0),
            (4, 1.0),
            (5, 1.2),
            (6, 3.0),
            (7, 3.0),
            (8, 1.2),
        ]);
        let height = line * lines;
        if self.y + height > end {
            return false;
        }
        match kind {
            0 => self.buttons(dice, height),
            1 => self.links(dice, height),
            2 => self.field(dice, height),
            3 => self.choice(dice, Role::Checkbox, height),
            4 => self.choice(dice, Role::Radio, height),
            5 => self.tabs(dice, height),
            6 => self.options(dice, height),
            7 => self.table(dice, height),
            _ => self.swatches(dice, height),
        }
        self.y += height + self.theme.gap;
        true
    }

    fn push(&mut self, role: Role, label: &str, [x, y, width, height]: [f32; 4], checked: Option<bool>) {
        self.widgets.push(Widget {
            role,
            label: label.to_owned(),
            bounds: Rect {
                x: x.round() as i32,
                y: y.round() as i32,
                width: width.round() as u32,
                height: height.round() as u32,
            },
            checked,
            value: None,
        });
    }

    /// A label that nothing of the same kind has yet.
    fn fresh(&self, dice: &mut Dice, role: Role, list: &[String]) -> String {
        self.fitting(dice, role, list, f32::INFINITY)
    }

    /// One that also fits into so many pixels at the usual size of letters.
    fn fitting(&self, dice: &mut Dice, role: Role, list: &[String], room: f32) -> String {
        let is_known = |label: &String| {
            self.widgets
                .iter()
                .any(|widget| widget.role == role && widget.label == *label)
        };
        for _ in 0..8 {
            let label = Words::label(dice, list);
            if !is_known(&label) && self.theme.width(&label) <= room {
                return label;
            }
        }
        loop {
            let label: String = Words::nonsense(dice).chars().take(3).collect();
            if !is_known(&label) {
                return label;
            }
        }
    }

    fn heading(&mut self, dice: &mut Dice) {
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

    fn buttons(&mut self, dice: &mut Dice, height: f32) {
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

    fn links(&mut self, dice: &mut Dice, height: f32) {
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

    fn field(&mut self, dice: &mut Dice, height: f32) {
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
    fn choice(&mut self, dice: &mut Dice, role: Role, height: f32) {
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

    fn tabs(&mut self, dice: &mut Dice, height: f32) {
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
    fn options(&mut self, dice: &mut Dice, height: f32) {
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
    fn table(&mut self, dice: &mut Dice, height: f32) {
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

    fn swatches(&mut self, dice: &mut Dice, height: f32) {
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
