//! Words for what a person did: theirs where they said what it is for, and true and simple ones where they did not.

use aurore_action::{Action, Button, Point, Size, Target};
use aurore_agent::CONCEALED;

/// The longest name of a thing, characters.
const LONGEST: usize = 60;

/// What a step says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) thinking: String,
    pub(super) intent: String,
    pub(super) expect: String,
}

/// The words of an action on what it hits, in a frame of this size. `purpose`: what the person said; may be empty.
pub(super) fn words(action: &Action, target: Option<&Target>, size: Size, purpose: &str) -> Words {
    let name = target.map_or_else(|| "the page".to_owned(), name);
    let [seen, doing, intent, expect] = plain(action, target, &name, size);
    let expect = capital(&expect);
    let intent = match sentence(purpose) {
        said if said.is_empty() => intent,
        said => said,
    };
    let reason = format!("{seen}, so {doing}.");
    let thinking = if purpose.is_empty() {
        capital(&reason)
    } else {
        format!("{intent} {}", capital(&reason))
    };
    Words {
        thinking,
        intent,
        expect,
    }
}

/// What is seen, what I do, what is meant by it, and what comes of it.
fn plain(action: &Action, target: Option<&Target>, name: &str, size: Size) -> [String; 4] {
    let stands = |at: Point| format!("{name} is {}", place(middle(target, at), size));
    match action {
        Action::Click {
            button, count, at, ..
        } => {
            let is_field = target.is_some_and(|target| is_text(&target.role));
            let is_button = target.is_some_and(|target| target.role == "button");
            let verb = match (button, count) {
                (Button::Right, _) => "right-click",
                (Button::Middle, _) => "middle-click",
                (Button::Left, 2) => "double-click",
                (Button::Left, 3) => "triple-click",
                (Button::Left, _) if is_button => "press",
                (Button::Left, _) => "click",
            };
            let (it, expect) = if is_field && verb == "click" {
                ("into it", format!("{name} has the cursor."))
            } else {
                ("it", "The page answers.".to_owned())
            };
            let doing = format!("I {verb} {it}");
            [stands(*at), doing, format!("{} {name}.", capital(verb)), expect]
        }
        Action::Type { text } if text == CONCEALED => [
            format!("{name} has the cursor"),
            "I type what belongs there".to_owned(),
            "Type what belongs there.".to_owned(),
            format!("{name} is filled in."),
        ],
        Action::Type { text } if text.starts_with("{{secret:") => [
            format!("{name} has the cursor"),
            "I type the secret by its name".to_owned(),
            "Type the secret.".to_owned(),
            format!("{name} is filled in."),
        ],
        Action::Type { text } => {
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            [
                format!("{name} has the cursor"),
                format!("I type {line}"),
                format!("Type {line}."),
                format!("{name} shows {line}."),
            ]
        }
        Action::Key { chord } => [
            format!("{name} has the focus"),
            format!("I press {chord}"),
            format!("Press {chord}."),
            "The page answers.".to_owned(),
        ],
        Action::Scroll { dx, dy, .. } => {
            let way = match (dx.signum(), dy.signum()) {
                (_, 1) => "down",
                (_, -1) => "up",
                (-1, _) => "left",
                _ => "right",
            };
            [
                format!("what I need is farther {way}"),
                format!("I scroll {way}"),
                format!("Scroll {way}."),
                "The next part appears.".to_owned(),
            ]
        }
        Action::Drag { path, .. } => {
            let ends = path.first().zip(path.last());
            let seen = ends.map_or_else(|| name.to_owned(), |(from, _)| stands(*from));
            let to = ends.map_or("", |(_, to)| place(*to, size));
            [
                seen,
                format!("I drag it to a place {to}"),
                format!("Drag {name} to a place {to}."),
                "It is there.".to_owned(),
            ]
        }
        Action::MouseMove { to } => [
            stands(*to),
            "I move the pointer there".to_owned(),
            format!("Point at {name}."),
            "The page answers.".to_owned(),
        ],
        other => {
            let deed = aurore_agent::describe_action(other, None);
            [
                "it goes on elsewhere".to_owned(),
                format!("I {deed}"),
                format!("{}.", capital(&deed)),
                "The next page appears.".to_owned(),
            ]
        }
    }
}

/// What a thing is called.
fn name(target: &Target) -> String {
    let label: String = target.label.split_whitespace().collect::<Vec<_>>().join(" ");
    let label: String = label.chars().take(LONGEST).collect();
    let kind = match target.role.as_str() {
        "button" => "button",
        "link" => "link",
        "checkbox" | "switch" => "box",
        "radio" => "choice",
        "tab" => "tab",
        "combobox" | "listbox" => "list",
        "option" => "option",
        "menuitem" | "menuitemcheckbox" | "menuitemradio" => "menu item",
        "image" => "picture",
        role if is_text(role) => "field",
        _ if label.is_empty() => return "the place".to_owned(),
        _ => "text",
    };
    if label.is_empty() {
        format!("the {kind}")
    } else {
        format!("the {kind} {label}")
    }
}

fn is_text(role: &str) -> bool {
    matches!(role, "textbox" | "searchbox" | "spinbutton")
}

/// The middle of what is hit, or the point itself.
fn middle(target: Option<&Target>, at: Point) -> Point {
    target.and_then(|target| target.bounds).map_or(at, |bounds| {
        Point::new(
            bounds.x + (bounds.width / 2) as i32,
            bounds.y + (bounds.height / 2) as i32,
        )
    })
}

/// Where a point is, as experts say it too.
fn place(at: Point, size: Size) -> &'static str {
    let x = f64::from(at.x) / f64::from(size.width.max(1));
    let y = f64::from(at.y) / f64::from(size.height.max(1));
    match (x < 0.38, x > 0.62, y < 0.42, y > 0.7) {
        (true, _, true, _) => "at the top left",
        (true, _, _, true) => "at the bottom left",
        (true, ..) => "at the left",
        (_, true, true, _) => "at the top right",
        (_, true, _, true) => "at the bottom right",
        (_, true, ..) => "at the right",
        (_, _, true, _) => "at the top",
        (_, _, _, true) => "at the bottom",
        _ => "in the middle",
    }
}

/// One line that ends.
fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.is_empty() || text.ends_with(['.', '!', '?', '。', '…']) {
        text
    } else {
        format!("{text}.")
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

#[cfg(test)]
mod tests {
    use aurore_action::Rect;

    use super::*;

    const SIZE: Size = Size {
        width: 160,
        height: 210,
    };

    fn said(action: &Action, role: &str, label: &str, purpose: &str) -> [String; 3] {
        let target = Target {
            role: role.into(),
            label: label.into(),
            bounds: Some(Rect {
                x: 100,
                y: 170,
                width: 40,
                height: 20,
            }),
            ..Target::default()
        };
        let words = words(action, Some(&target), SIZE, purpose);
        [words.thinking, words.intent, words.expect]
    }

    fn click() -> Action {
        Action::Click {
            button: Button::Left,
            count: 1,
            at: Point::new(110, 180),
            modifiers: Vec::new(),
        }
    }

    #[test]
    fn steps_without_a_purpose_say_what_is_seen_and_done() {
        assert_eq!(
            said(&click(), "button", "Save", ""),
            [
                "The button Save is at the bottom right, so I press it.",
                "Press the button Save.",
                "The page answers."
            ]
        );
        assert_eq!(
            said(&click(), "textbox", "Name", ""),
            [
                "The field Name is at the bottom right, so I click into it.",
                "Click the field Name.",
                "The field Name has the cursor."
            ]
        );
        let typed = |text: &str| Action::Type { text: text.into() };
        assert_eq!(
            said(&typed("Ada"), "textbox", "Name", ""),
            [
                "The field Name has the cursor, so I type Ada.",
                "Type Ada.",
                "The field Name shows Ada."
            ]
        );
        let hidden = said(&typed(CONCEALED), "textbox", "PIN", "").concat();
        assert!(!hidden.contains(CONCEALED), "{hidden}");
    }

    #[test]
    fn a_purpose_is_the_intent_and_leads_the_thinking() {
        assert_eq!(
            said(&click(), "button", "Save", "keep what was entered"),
            [
                "Keep what was entered. The button Save is at the bottom right, so I press it.",
                "Keep what was entered.",
                "The page answers."
            ]
        );
    }
}
