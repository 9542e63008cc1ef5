//! What stands where: rows of widgets from top to bottom, as long as there is room.

mod dialog;
mod menu;
mod passage;
mod rows;
mod shapes;

use aurore_action::{Rect, Size};

use crate::Density;
use crate::dice::Dice;
use crate::paint::Canvas;
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
        longest: 6,
        widgets: Vec::new(),
    };
    let rows = match (dice.between(0, 9), density) {
        (_, Density::Full) => usize::MAX,
        (0..=2, _) | (5..=7, Density::Sparse) => 1,
        (3..=4, _) | (_, Density::Sparse) => 2,
        _ => usize::MAX,
    };
    let end = size.height as f32 - margin;
    if rows < 3 {
        page.longest = 2;
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
    /// Lines of a row that can have any number of them.
    longest: i32,
    widgets: Vec<Widget>,
}

/// What a row can be.
#[derive(Clone, Copy)]
enum Kind {
    Buttons,
    Links,
    Field,
    Choice(Role),
    Tabs,
    Options,
    Table,
    Swatches,
    Passage,
    Menu,
    Dialog,
    Shapes,
}

/// Kinds, each as often as it stands here.
const KINDS: [Kind; 16] = [
    Kind::Buttons,
    Kind::Buttons,
    Kind::Links,
    Kind::Field,
    Kind::Field,
    Kind::Choice(Role::Checkbox),
    Kind::Choice(Role::Checkbox),
    Kind::Choice(Role::Radio),
    Kind::Tabs,
    Kind::Options,
    Kind::Table,
    Kind::Swatches,
    Kind::Passage,
    Kind::Menu,
    Kind::Dialog,
    Kind::Shapes,
];

impl Page<'_> {
    /// One more row, if it fits above `end`.
    fn row(&mut self, dice: &mut Dice, end: f32) -> bool {
        let kind = *dice.pick(&KINDS);
        // In lines of an ordinary row.
        let lines = match kind {
            Kind::Links | Kind::Choice(_) => 1.0,
            Kind::Buttons | Kind::Tabs | Kind::Swatches => 1.2,
            Kind::Field => 2.2,
            Kind::Options | Kind::Table => 3.0,
            Kind::Passage | Kind::Menu | Kind::Shapes => dice.between(2, self.longest) as f32,
            Kind::Dialog => 3.6,
        };
        let height = self.theme.font * 1.7 * lines;
        if self.y + height > end {
            return false;
        }
        match kind {
            Kind::Buttons => self.buttons(dice, height),
            Kind::Links => self.links(dice, height),
            Kind::Field => self.field(dice, height),
            Kind::Choice(role) => self.choice(dice, role, height),
            Kind::Tabs => self.tabs(dice, height),
            Kind::Options => self.options(dice, height),
            Kind::Table => self.table(dice, height),
            Kind::Swatches => self.swatches(dice, height),
            Kind::Passage => self.passage(dice, height),
            Kind::Menu => self.menu(dice, height),
            Kind::Dialog => self.dialog(dice, height),
            Kind::Shapes => self.shapes(dice, height),
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
}
