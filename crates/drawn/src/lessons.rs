//! What can be asked about a drawn screen, with the answer and a true reason.

use aurore_action::{Point, Rect, Size};
use serde::{Deserialize, Serialize};

use crate::dice::Dice;
use crate::widget::{Role, Widget};

/// A task on one screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// What is asked.
    pub goal: String,
    /// What is seen and why the answer follows.
    pub thinking: String,
    /// The answer.
    pub answer: Answer,
    /// The box that the answer is about, pixels.
    pub target: Rect,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Click here.
    Click(Point),
    /// Say this.
    Say(String),
}

/// Most lessons of one screen.
const MOST: usize = 6;

/// Some lessons about these widgets, no two of them with the same question.
pub(crate) fn of(dice: &mut Dice, widgets: &[Widget], size: Size) -> Vec<Lesson> {
    let mut lessons: Vec<Lesson> = Vec::new();
    if widgets.is_empty() {
        return lessons;
    }
    for _ in 0..3 * MOST {
        let widget = dice.pick(widgets);
        let lesson = match dice.between(0, 3) {
            0 | 1 => point(dice, widget, widgets, size),
            2 => read(widget, widgets, size),
            _ if widget.role == Role::Shape => count(dice, widget, widgets),
            _ => state(widget, size),
        };
        if let Some(lesson) = lesson
            && !lessons.iter().any(|known| known.goal == lesson.goal)
        {
            lessons.push(lesson);
        }
        if lessons.len() == MOST {
            break;
        }
    }
    lessons
}

/// A click on a widget named by its label, or by its number among its kind.
fn point(dice: &mut Dice, widget: &Widget, widgets: &[Widget], size: Size) -> Option<Lesson> {
    if !widget.role.is_clicked() {
        return None;
    }
    let role = widget.role.name();
    let kin: Vec<&Widget> = widgets.iter().filter(|other| other.role == widget.role).collect();
    let number = kin.iter().position(|other| *other == widget)? + 1;
    if kin.iter().filter(|other| other.label == widget.label).count() > 1 {
        return None;
    }
    let described = match widget.role {
        Role::Shape => format!("the {}", widget.label),
        Role::Swatch => format!("the {} square", widget.label),
        _ if dice.one_in(4) && kin.len() > 1 => format!("the {} {role}", ordinal(number)),
        _ => format!("the {role} {}", widget.label),
    };
    Some(Lesson {
        goal: format!("Click {described}."),
        thinking: format!(
            "{} is {}, so I click it.",
            capital(&described),
            place(widget.bounds, size)
        ),
        answer: Answer::Click(middle(widget.bounds)),
        target: widget.bounds,
    })
}

/// What a widget says: by its place, where no other of its kind is there; a field and a row of a table by their names.
fn read(widget: &Widget, widgets: &[Widget], size: Size) -> Option<Lesson> {
    if let Some(value) = &widget.value {
        let goal = match widget.role {
            Role::Cell => format!("What number stands beside {}?", widget.label),
            _ => format!("What stands in the field {}?", widget.label),
        };
        return Some(Lesson {
            goal,
            thinking: format!(
                "{} is {}, and {value} stands {}.",
                widget.label,
                place(widget.bounds, size),
                if widget.role == Role::Cell {
                    "beside it"
                } else {
                    "in it"
                }
            ),
            answer: Answer::Say(value.clone()),
            target: widget.bounds,
        });
    }
    let here = place(widget.bounds, size);
    let alone = widgets
        .iter()
        .filter(|other| other.role == widget.role && place(other.bounds, size) == here)
        .count()
        == 1;
    if !alone
        || matches!(
            widget.role,
            Role::Textbox | Role::Cell | Role::Swatch | Role::Shape
        )
    {
        return None;
    }
    let role = widget.role.name();
    Some(Lesson {
        goal: format!("What does the {role} {here} say?"),
        thinking: format!("The {role} {here} says {}.", widget.label),
        answer: Answer::Say(widget.label.clone()),
        target: widget.bounds,
    })
}

/// How many shapes have the same size, colour or form as this one, or two of them.
fn count(dice: &mut Dice, widget: &Widget, widgets: &[Widget]) -> Option<Lesson> {
    let traits = |widget: &Widget| -> Option<[String; 3]> {
        let (size, rest) = widget.label.split_once(' ')?;
        let (colour, form) = rest.split_once(' ')?;
        let form = match form.chars().next()? {
            _ if form.len() > 1 => form,
            '0'..='9' => "digit",
            _ => "letter",
        };
        Some([size, colour, form].map(str::to_owned))
    };
    let own = traits(widget)?;
    let wanted = *dice.pick(&[
        [false, true, false],
        [false, false, true],
        [false, true, true],
        [true, false, true],
    ]);
    let is_alike = |other: &&Widget| {
        traits(other).is_some_and(|its| (0..3).all(|part| !wanted[part] || its[part] == own[part]))
    };
    let shapes = widgets.iter().filter(|other| other.role == Role::Shape);
    let number = shapes.filter(is_alike).count();
    let mut words: Vec<&str> = (0..2)
        .filter(|part| wanted[*part])
        .map(|part| own[part].as_str())
        .collect();
    words.push(if wanted[2] { &own[2] } else { "thing" });
    let words = words.join(" ");
    Some(Lesson {
        goal: format!("How many {words}s are there?"),
        thinking: format!("I count {number}."),
        answer: Answer::Say(number.to_string()),
        target: widget.bounds,
    })
}

/// Whether a box is ticked or an entry chosen.
fn state(widget: &Widget, size: Size) -> Option<Lesson> {
    let checked = widget.checked?;
    let (role, word) = match widget.role {
        Role::Checkbox => ("checkbox", "ticked"),
        other => (other.name(), "chosen"),
    };
    let label = &widget.label;
    let not = if checked { "" } else { "not " };
    Some(Lesson {
        goal: format!("Is the {role} {label} {word}?"),
        thinking: format!(
            "The {role} {label} is {}, and it is {not}{word}.",
            place(widget.bounds, size)
        ),
        answer: Answer::Say(if checked { "yes" } else { "no" }.to_owned()),
        target: widget.bounds,
    })
}

pub(crate) fn middle(bounds: Rect) -> Point {
    Point::new(
        bounds.x + bounds.width as i32 / 2,
        bounds.y + bounds.height as i32 / 2,
    )
}

/// Where a box is, in words.
fn place(bounds: Rect, size: Size) -> String {
    let at = middle(bounds);
    let part = |value: i32, side: u32| 3 * value.max(0) as u32 / side.max(1);
    let row = ["top", "", "bottom"][part(at.y, size.height).min(2) as usize];
    let column = ["left", "", "right"][part(at.x, size.width).min(2) as usize];
    match (row, column) {
        ("", "") => "in the middle".to_owned(),
        ("", only) | (only, "") => format!("at the {only}"),
        (row, column) => format!("at the {row} {column}"),
    }
}

fn ordinal(number: usize) -> String {
    match number {
        1 => "1st".to_owned(),
        2 => "2nd".to_owned(),
        3 => "3rd".to_owned(),
        _ => format!("{number}th"),
    }
}

pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
