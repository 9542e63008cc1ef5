//! Short questions about a screen, many in few words: where things are, what stands there, what is ticked. They go with
//! a lesson or a recorded step, so that one picture teaches more than its one action.

use std::collections::HashSet;

use aurore_action::{Point, Size, to_grid};
use serde::{Deserialize, Serialize};

use crate::dice::Dice;
use crate::lessons::middle;
use crate::widget::{Role, Widget};

/// A question in words, with its true answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked.
    pub ask: String,
    /// The answer.
    pub answer: String,
    /// The file of an earlier picture that goes with the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

impl Question {
    /// One about the picture alone.
    pub fn new(ask: impl Into<String>, answer: impl Into<String>) -> Self {
        Self {
            ask: ask.into(),
            answer: answer.into(),
            before: None,
        }
    }
}

/// Places asked for in one question.
const PLACES: usize = 4;
/// Texts read in one answer.
pub(crate) const TEXTS: usize = 10;
/// The longest text that is asked about, characters.
const LONGEST: usize = 40;

/// Questions about the widgets of a screen of `size` pixels; a seed gives the same ones each time. Coordinates stand on
/// the grid of 0 to 1000.
pub fn questions(seed: u64, widgets: &[Widget], size: Size) -> Vec<Question> {
    let mut dice = Dice::new(seed ^ 0x7175_6573);
    let readable: Vec<&Widget> = widgets.iter().filter(|widget| is_short(text(widget))).collect();
    let asked = [
        places(&mut dice, &readable, size),
        if dice.one_in(2) {
            all(&readable)
        } else {
            texts(&mut dice, &readable, size)
        },
        ticked(widgets),
    ];
    asked.into_iter().flatten().collect()
}

/// Where some texts are that stand on the screen once.
fn places(dice: &mut Dice, readable: &[&Widget], size: Size) -> Option<Question> {
    let count = |wanted: &str| readable.iter().filter(|widget| text(widget) == wanted).count();
    let once: Vec<&&Widget> = readable
        .iter()
        .filter(|widget| count(text(widget)) == 1)
        .collect();
    let chosen = some(dice, &once, PLACES);
    let names: Vec<&str> = chosen.iter().map(|widget| text(widget)).collect();
    let lines: Vec<String> = chosen
        .iter()
        .map(|widget| format!("{} {}", text(widget), grid(middle(widget.bounds), size)))
        .collect();
    (!names.is_empty()).then(|| Question::new(format!("Where are {}?", names.join("; ")), lines.join("\n")))
}

/// What stands at some points.
fn texts(dice: &mut Dice, readable: &[&Widget], size: Size) -> Option<Question> {
    let chosen = some(dice, readable, PLACES);
    let points: Vec<String> = chosen
        .iter()
        .map(|widget| grid(middle(widget.bounds), size))
        .collect();
    let lines: Vec<&str> = chosen.iter().map(|widget| text(widget)).collect();
    (!lines.is_empty())
        .then(|| Question::new(format!("What stands at {}?", points.join(" ")), lines.join("\n")))
}

/// The texts of the screen, from the top.
fn all(readable: &[&Widget]) -> Option<Question> {
    let lines: Vec<&str> = readable.iter().take(TEXTS).map(|widget| text(widget)).collect();
    (!lines.is_empty()).then(|| Question::new("Read it from the top.", lines.join("\n")))
}

/// Which boxes are ticked.
fn ticked(widgets: &[Widget]) -> Option<Question> {
    let boxes: Vec<&Widget> = widgets
        .iter()
        .filter(|widget| widget.checked.is_some() && !widget.label.is_empty())
        .take(TEXTS)
        .collect();
    let names: HashSet<&str> = boxes.iter().map(|widget| widget.label.as_str()).collect();
    if boxes.is_empty() || names.len() < boxes.len() {
        return None;
    }
    let on: Vec<&str> = boxes
        .iter()
        .filter(|widget| widget.checked == Some(true))
        .map(|widget| widget.label.as_str())
        .collect();
    let answer = if on.is_empty() {
        "Nothing.".to_owned()
    } else {
        on.join("\n")
    };
    Some(Question::new("What is ticked or chosen?", answer))
}

/// Whether it can be asked about in a line.
pub(crate) fn is_short(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST && !text.contains(['\n', ';'])
}

/// What is read there: what stands in a field, else the label.
pub(crate) fn text(widget: &Widget) -> &str {
    match &widget.value {
        Some(value) if widget.role == Role::Textbox => value,
        // Its label stands elsewhere.
        None if widget.role == Role::Textbox => "",
        _ => &widget.label,
    }
}

/// At most `most` of them, in a random order.
fn some<T: Copy>(dice: &mut Dice, from: &[T], most: usize) -> Vec<T> {
    let mut left = from.to_vec();
    let mut chosen = Vec::new();
    while !left.is_empty() && chosen.len() < most {
        let index = dice.between(0, left.len() as i32 - 1) as usize;
        chosen.push(left.swap_remove(index));
    }
    chosen
}

pub(crate) fn grid(at: Point, size: Size) -> String {
    let (x, y) = to_grid(at, size);
    format!("[{x}, {y}]")
}
