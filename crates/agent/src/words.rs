//! Actions in words for a person.

use aurore_action::{Action, Button, Point, Target, TerminateStatus};

/// What an action does, in words: `click button 'Submit'`, `type "abc" into textbox 'Name'`.
pub fn describe_action(action: &Action, target: Option<&Target>) -> String {
    let on = |point: Option<Point>| match (target, point) {
        (Some(target), _) => target.describe(),
        (None, Some(point)) => format!("({}, {})", point.x, point.y),
        (None, None) => "the pointer's place".to_owned(),
    };
    let into = target.map_or_else(
        || "what has the focus".to_owned(),
        |target| match target.describe() {
            nothing if nothing == "nothing" => "what has the focus".to_owned(),
            described => described,
        },
    );
    match action {
        Action::Click {
            button,
            count,
            at,
            modifiers,
            ..
        } => {
            let verb = match (button, count) {
                (Button::Right, _) => "right-click",
                (Button::Middle, _) => "middle-click",
                (Button::Left, 2) => "double-click",
                (Button::Left, 3) => "triple-click",
                (Button::Left, _) => "click",
            };
            let held: Vec<&str> = modifiers.iter().map(|key| key.name()).chain([verb]).collect();
            format!("{} {}", held.join("+"), on(Some(*at)))
        }
        Action::MouseMove { to } => format!("move the pointer to {}", on(Some(*to))),
        Action::Drag { path, .. } => {
            let end = path
                .last()
                .map_or_else(String::new, |end| format!(" to ({}, {})", end.x, end.y));
            format!("drag {}{end}", on(path.first().copied()))
        }
        Action::Scroll { at, dx, dy, .. } => {
            let way = match (dx, dy) {
                (0, dy) => format!(
                    "{} pixels {}",
                    dy.unsigned_abs(),
                    if *dy < 0 { "up" } else { "down" }
                ),
                (dx, 0) => format!(
                    "{} pixels {}",
                    dx.unsigned_abs(),
                    if *dx < 0 { "left" } else { "right" }
                ),
                (dx, dy) => format!("by {dx}, {dy} pixels"),
            };
            format!(
                "scroll {way}{}",
                at.map_or_else(String::new, |at| format!(" at ({}, {})", at.x, at.y))
            )
        }
        Action::MouseDown { at } => format!("press the mouse button on {}", on(*at)),
        Action::MouseUp { at } => format!("release the mouse button on {}", on(*at)),
        Action::CursorPosition => "ask where the pointer is".to_owned(),
        Action::Type { text } => format!("type {text:?} into {into}"),
        Action::Key { chord } => format!("press {chord} on {into}"),
        Action::HoldKey { chord, milliseconds } => {
            format!(
                "hold {chord} on {into} for {:.1} s",
                *milliseconds as f64 / 1000.0
            )
        }
        Action::OpenUrl { url } => format!("open {url}"),
        Action::Back => "go back".to_owned(),
        Action::Forward => "go forward".to_owned(),
        Action::SwitchTab { index } => format!("switch to tab {index}"),
        Action::CloseTab => "close the tab".to_owned(),
        Action::Screenshot => "look again".to_owned(),
        Action::Zoom { region } => format!(
            "magnify {}×{} pixels at ({}, {})",
            region.width, region.height, region.x, region.y
        ),
        Action::LongPress { at, .. } => format!("long-press {}", on(Some(*at))),
        Action::Swipe { from, to } => format!("swipe from ({}, {}) to ({}, {})", from.x, from.y, to.x, to.y),
        Action::SystemButton { button } => format!("press the {button:?} button"),
        Action::OpenApp { name } => format!("open the app {name:?}"),
        Action::Wait { milliseconds } => format!("wait {:.1} s", *milliseconds as f64 / 1000.0),
        Action::Answer { text } => format!("answer {text:?}"),
        Action::Terminate { status } => match status {
            TerminateStatus::Success => "end: the goal is met".to_owned(),
            TerminateStatus::Failure => "end: the goal cannot be met".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_like_a_sentence() {
        let button = Target {
            role: "button".into(),
            label: "Submit".into(),
            ..Target::default()
        };
        let click = Action::Click {
            button: Button::Left,
            count: 1,
            at: Point::new(3, 4),
            modifiers: vec![],
        };
        assert_eq!(describe_action(&click, Some(&button)), "click button 'Submit'");
        assert_eq!(describe_action(&click, None), "click (3, 4)");
        let typed = Action::Type { text: "a\nb".into() };
        assert_eq!(
            describe_action(&typed, None),
            r#"type "a\nb" into what has the focus"#
        );
    }
}
