//! The `computer` tool: Anthropic's words for what is done on a screen, in pixels of the declared display.

use aurore_action::{Action, Button, Chord, Modifier, Point, Rect, Size};
use aurore_chat::ToolCall;
use serde_json::{Map, Value, json};

use crate::screen;

/// What the tool is called in this dialect.
pub(super) const NAME: &str = "computer";
/// What the versions have words for, the oldest words first.
const WORDS: &[&str] = &[
    "key",
    "type",
    "mouse_move",
    "left_click",
    "left_click_drag",
    "right_click",
    "middle_click",
    "double_click",
    "screenshot",
    "cursor_position",
    "triple_click",
    "scroll",
    "hscroll",
    "left_mouse_down",
    "left_mouse_up",
    "hold_key",
    "wait",
    "zoom",
];
/// Those of the first version, which knows neither turning the wheel nor waiting.
const FIRST: &[&str] = WORDS.split_at(10).0;
/// Those since 2025; the version after it magnifies too.
const LATER: &[&str] = WORDS.split_at(17).0;
/// Pixels that a notch of the wheel stands for.
const NOTCH: i32 = 100;

/// What the model may do on a screen of that version of the tool; `None` if it is none of the computer's.
pub(super) fn offered(kind: &str) -> Option<&'static [&'static str]> {
    match kind.strip_prefix("computer_")? {
        "20241022" => Some(FIRST),
        "20250124" => Some(LATER),
        "20251124" => Some(WORDS),
        _ => None,
    }
}

/// A screen as a tool declared it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    pub(super) frame: Size,
    pub(super) offered: &'static [&'static str],
}

impl Screen {
    /// A call in this dialect's words: as it is if it is no action of the screen.
    pub(super) fn say(self, call: ToolCall) -> ToolCall {
        match write(&call, self) {
            Some(arguments) => ToolCall {
                name: NAME.to_owned(),
                arguments,
            },
            None => call,
        }
    }
}

fn write(call: &ToolCall, screen: Screen) -> Option<Map<String, Value>> {
    let action = screen::action(call, screen.frame, screen.offered)?;
    let at = |point: Point| json!([point.x, point.y]);
    let held = |modifiers: &[Modifier], fields: &mut Value| {
        let names: Vec<&str> = modifiers
            .iter()
            .map(|modifier| screen::modifier_name(*modifier))
            .collect();
        if !names.is_empty() {
            fields["text"] = names.join("+").into();
        }
    };
    let seconds = |milliseconds: u64| milliseconds as f64 / 1000.0;
    let mut fields = json!({"action": call.arguments.get("action")?.as_str()?.trim()});
    match action {
        Action::Click {
            at: point, modifiers, ..
        } => {
            fields["coordinate"] = at(point);
            held(&modifiers, &mut fields);
        }
        Action::MouseMove { to } => fields["coordinate"] = at(to),
        Action::Drag { path, modifiers } => {
            // This dialect knows only where a drag begins and ends.
            let (first, last) = (path.first()?, path.last()?);
            fields["start_coordinate"] = at(*first);
            fields["coordinate"] = at(*last);
            held(&modifiers, &mut fields);
        }
        Action::Scroll {
            at: point,
            dx,
            dy,
            modifiers,
        } => {
            let (direction, pixels) = match (dx, dy) {
                (dx, 0) if dx < 0 => ("left", dx),
                (dx, 0) => ("right", dx),
                (_, dy) if dy < 0 => ("up", dy),
                (_, dy) => ("down", dy),
            };
            let middle = Point::new(screen.frame.width as i32 / 2, screen.frame.height as i32 / 2);
            fields["action"] = "scroll".into();
            fields["coordinate"] = at(point.unwrap_or(middle));
            fields["scroll_direction"] = direction.into();
            fields["scroll_amount"] = ((pixels.abs() + NOTCH / 2) / NOTCH).max(1).into();
            held(&modifiers, &mut fields);
        }
        Action::MouseDown { at: point } | Action::MouseUp { at: point } => {
            if let Some(point) = point {
                fields["coordinate"] = at(point);
            }
        }
        Action::Type { text } => fields["text"] = text.into(),
        Action::Key { chord } => fields["text"] = screen::keys(&chord).join("+").into(),
        Action::HoldKey { chord, milliseconds } => {
            fields["text"] = screen::keys(&chord).join("+").into();
            fields["duration"] = seconds(milliseconds).into();
        }
        Action::Wait { milliseconds } => fields["duration"] = seconds(milliseconds).into(),
        Action::Zoom { region } => {
            let (right, bottom) = (region.x + region.width as i32, region.y + region.height as i32);
            fields["region"] = json!([region.x, region.y, right, bottom]);
        }
        Action::Screenshot | Action::CursorPosition => {}
        _ => return None,
    }
    match fields {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

/// A call that a client sends back, as the model called it.
///
/// # Errors
/// The name of the field that is wrong.
pub(super) fn read(input: &Map<String, Value>, frame: Size) -> Result<ToolCall, &'static str> {
    let text = |name: &'static str| input.get(name).and_then(Value::as_str).ok_or(name);
    let pair = |name: &'static str| {
        let point = input.get(name).and_then(Value::as_array);
        let point = point.and_then(|point| screen::point(point.first()?, point.get(1)?, frame));
        point.ok_or(name)
    };
    let held = || {
        let names = text("text").unwrap_or_default();
        names.split('+').filter_map(Modifier::parse).collect::<Vec<_>>()
    };
    let chord = || Chord::parse(&[text("text")?]).map_err(|_| "text");
    let milliseconds = || {
        let seconds = input
            .get("duration")
            .and_then(Value::as_f64)
            .filter(|seconds| (0.0..=60.0).contains(seconds));
        seconds
            .map(|seconds| (seconds * 1000.0).round() as u64)
            .ok_or("duration")
    };
    let click = |button, count| -> Result<Action, &'static str> {
        let (at, modifiers) = (pair("coordinate")?, held());
        Ok(Action::Click {
            button,
            count,
            at,
            modifiers,
        })
    };
    let action = match text("action")? {
        "left_click" => click(Button::Left, 1)?,
        "right_click" => click(Button::Right, 1)?,
        "middle_click" => click(Button::Middle, 1)?,
        "double_click" => click(Button::Left, 2)?,
        "triple_click" => click(Button::Left, 3)?,
        "mouse_move" => Action::MouseMove {
            to: pair("coordinate")?,
        },
        "left_click_drag" => Action::Drag {
            path: vec![pair("start_coordinate")?, pair("coordinate")?],
            modifiers: held(),
        },
        "scroll" => {
            let amount = input
                .get("scroll_amount")
                .and_then(Value::as_i64)
                .ok_or("scroll_amount")?;
            let pixels = i32::try_from(amount.clamp(0, 1000)).unwrap_or_default() * NOTCH;
            let (dx, dy) = match text("scroll_direction")? {
                "up" => (0, -pixels),
                "down" => (0, pixels),
                "left" => (-pixels, 0),
                "right" => (pixels, 0),
                _ => return Err("scroll_direction"),
            };
            Action::Scroll {
                at: pair("coordinate").ok(),
                dx,
                dy,
                modifiers: held(),
            }
        }
        "left_mouse_down" => Action::MouseDown {
            at: pair("coordinate").ok(),
        },
        "left_mouse_up" => Action::MouseUp {
            at: pair("coordinate").ok(),
        },
        "cursor_position" => Action::CursorPosition,
        "screenshot" => Action::Screenshot,
        "type" => Action::Type {
            text: text("text")?.to_owned(),
        },
        "key" => Action::Key { chord: chord()? },
        "hold_key" => Action::HoldKey {
            chord: chord()?,
            milliseconds: milliseconds()?,
        },
        "wait" => Action::Wait {
            milliseconds: milliseconds()?,
        },
        "zoom" => {
            let corners = input
                .get("region")
                .and_then(Value::as_array)
                .filter(|corners| corners.len() == 4);
            let corner = |at: usize| {
                corners
                    .and_then(|all| screen::point(&all[at], &all[at + 1], frame))
                    .ok_or("region")
            };
            let (from, to) = (corner(0)?, corner(2)?);
            let side = |from: i32, to: i32| (to - from).unsigned_abs();
            Action::Zoom {
                region: Rect {
                    x: from.x.min(to.x),
                    y: from.y.min(to.y),
                    width: side(from.x, to.x),
                    height: side(from.y, to.y),
                },
            }
        }
        _ => return Err("action"),
    };
    Ok(screen::call(&action, frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Size = Size {
        width: 1024,
        height: 768,
    };

    #[test]
    fn actions_come_back_as_they_went() {
        let screen = Screen {
            frame: FRAME,
            offered: offered("computer_20251124").unwrap(),
        };
        for input in [
            json!({"action": "left_click", "coordinate": [512, 384]}),
            json!({"action": "triple_click", "coordinate": [10, 700], "text": "ctrl+shift"}),
            json!({"action": "left_click_drag", "start_coordinate": [0, 0], "coordinate": [500, 300]}),
            json!({"action": "scroll", "coordinate": [512, 384], "scroll_direction": "down", "scroll_amount": 3}),
            json!({"action": "scroll", "coordinate": [512, 384], "scroll_direction": "left", "scroll_amount": 1}),
            json!({"action": "key", "text": "ctrl+a"}),
            json!({"action": "hold_key", "text": "shift", "duration": 1.5}),
            json!({"action": "type", "text": "Größe"}),
            json!({"action": "wait", "duration": 2.0}),
            json!({"action": "left_mouse_down"}),
            json!({"action": "cursor_position"}),
            json!({"action": "screenshot"}),
            json!({"action": "zoom", "region": [100, 100, 612, 484]}),
        ] {
            let back = screen.say(read(input.as_object().unwrap(), FRAME).unwrap());
            assert_eq!(back.name, NAME);
            let said = Value::Object(back.arguments);
            for (name, value) in input.as_object().unwrap() {
                let close = match (value.as_array(), said[name].as_array()) {
                    (Some(a), Some(b)) => {
                        let pairs = a.iter().zip(b);
                        pairs
                            .into_iter()
                            .all(|(a, b)| (a.as_i64().unwrap() - b.as_i64().unwrap()).abs() <= 1)
                    }
                    _ => value == &said[name],
                };
                assert!(close, "{input} {said}");
            }
        }
    }

    #[test]
    fn what_a_version_does_not_have_is_left_as_it_was_called() {
        let zoom = read(
            json!({"action": "zoom", "region": [0, 0, 9, 9]})
                .as_object()
                .unwrap(),
            FRAME,
        )
        .unwrap();
        let screen = Screen {
            frame: FRAME,
            offered: offered("computer_20250124").unwrap(),
        };
        assert_eq!(screen.say(zoom.clone()), zoom);
        assert_eq!(offered("computer_19990101"), None);
        for (input, field) in [
            (json!({}), "action"),
            (json!({"action": "left_click"}), "coordinate"),
            (json!({"action": "scroll", "coordinate": [1, 1]}), "scroll_amount"),
            (json!({"action": "wait", "duration": 1e9}), "duration"),
            (json!({"action": "zoom", "region": [1]}), "region"),
            (json!({"action": "key", "text": "NoSuchKey"}), "text"),
        ] {
            assert_eq!(read(input.as_object().unwrap(), FRAME), Err(field), "{input}");
        }
    }
}
