//! `computer_call` items: OpenAI's words for what is done on a screen.

use aurore_action::{Action, Button, Chord, Modifier, Point, Size};
use aurore_chat::ToolCall;
use serde_json::{Map, Value, json};

use crate::screen;

/// What the model may do: what this dialect has words for.
pub(super) const OFFERED: &[&str] = &[
    "left_click",
    "right_click",
    "middle_click",
    "double_click",
    "left_click_drag",
    "mouse_move",
    "scroll",
    "hscroll",
    "key",
    "type",
    "wait",
    "screenshot",
    "back",
    "forward",
];
/// How long a wait is that says nothing of it, milliseconds.
const WAIT: u64 = 2000;

/// A screen as a tool declared it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    /// If it was said.
    pub(super) declared: Option<Size>,
    /// Whether the client reads lists of actions, as of the tool `computer`.
    pub(super) lists: bool,
}

/// The action of a call, if it is one of the screen's.
pub(super) fn action(call: &ToolCall, frame: Size) -> Option<Action> {
    screen::action(call, frame, OFFERED)
}

/// An action in OpenAI's words; `None` for one that has none.
pub(super) fn write(call: &ToolCall, frame: Size) -> Option<Value> {
    let held = |modifiers: &[Modifier]| -> Value {
        modifiers
            .iter()
            .map(|modifier| screen::modifier_name(*modifier))
            .collect()
    };
    let middle = Point::new(frame.width as i32 / 2, frame.height as i32 / 2);
    let mut action = match action(call, frame)? {
        Action::Click {
            button,
            count,
            at,
            modifiers,
        } => {
            let button = match button {
                Button::Left => "left",
                Button::Right => "right",
                Button::Middle => "wheel",
            };
            match count {
                1 => {
                    json!({"type": "click", "button": button, "x": at.x, "y": at.y, "keys": held(&modifiers)})
                }
                2 => json!({"type": "double_click", "x": at.x, "y": at.y, "keys": held(&modifiers)}),
                _ => return None,
            }
        }
        Action::Drag { path, modifiers } => {
            let path = path.iter().map(|point| json!({"x": point.x, "y": point.y}));
            json!({"type": "drag", "path": path.collect::<Value>(), "keys": held(&modifiers)})
        }
        Action::MouseMove { to } => json!({"type": "move", "x": to.x, "y": to.y}),
        Action::Scroll {
            at,
            dx,
            dy,
            modifiers,
        } => {
            let at = at.unwrap_or(middle);
            json!({"type": "scroll", "x": at.x, "y": at.y, "scroll_x": dx, "scroll_y": dy, "keys": held(&modifiers)})
        }
        Action::Key { chord } => json!({"type": "keypress", "keys": screen::keys(&chord)}),
        Action::Type { text } => json!({"type": "type", "text": text}),
        Action::Wait { .. } => json!({"type": "wait"}),
        Action::Screenshot => json!({"type": "screenshot"}),
        Action::Back => json!({"type": "click", "button": "back", "x": middle.x, "y": middle.y}),
        Action::Forward => json!({"type": "click", "button": "forward", "x": middle.x, "y": middle.y}),
        _ => return None,
    };
    // Older clients know no keys beside a click.
    if let Value::Object(fields) = &mut action
        && fields.get("type") != Some(&"keypress".into())
    {
        fields.retain(|name, value| name != "keys" || value != &json!([]));
    }
    Some(action)
}

/// An action that a client sends back, as the model called it.
///
/// # Errors
/// The name of the field that is wrong.
pub(super) fn read(action: &Map<String, Value>, frame: Size) -> Result<ToolCall, &'static str> {
    let text = |name: &'static str| action.get(name).and_then(Value::as_str).ok_or(name);
    let field = |name: &str| action.get(name).unwrap_or(&Value::Null);
    let at = || screen::point(field("x"), field("y"), frame).ok_or("x");
    let names = |value: &Value| -> Option<Vec<String>> {
        value
            .as_array()?
            .iter()
            .map(|name| Some(name.as_str()?.to_owned()))
            .collect()
    };
    let held = || {
        let names = names(field("keys")).unwrap_or_default();
        names
            .iter()
            .filter_map(|name| Modifier::parse(name))
            .collect::<Vec<_>>()
    };
    let click = |button, count| -> Result<Action, &'static str> {
        let (at, modifiers) = (at()?, held());
        Ok(Action::Click {
            button,
            count,
            at,
            modifiers,
        })
    };
    let action = match text("type")? {
        "click" => match text("button")? {
            "left" => click(Button::Left, 1)?,
            "right" => click(Button::Right, 1)?,
            "wheel" | "middle" => click(Button::Middle, 1)?,
            "back" => Action::Back,
            "forward" => Action::Forward,
            _ => return Err("button"),
        },
        "double_click" => click(Button::Left, 2)?,
        "drag" => {
            let points = action.get("path").and_then(Value::as_array).ok_or("path")?;
            let point = |point: &Value| screen::point(&point["x"], &point["y"], frame);
            let path = points.iter().map(point).collect::<Option<Vec<_>>>();
            let path = path.filter(|path| path.len() >= 2).ok_or("path")?;
            Action::Drag {
                path,
                modifiers: held(),
            }
        }
        "move" => Action::MouseMove { to: at()? },
        "scroll" => {
            let pixels = |name: &'static str| {
                let value = field(name).as_f64().unwrap_or_default();
                value.round() as i32
            };
            Action::Scroll {
                at: Some(at()?),
                dx: pixels("scroll_x"),
                dy: pixels("scroll_y"),
                modifiers: held(),
            }
        }
        "keypress" => {
            let names = names(field("keys")).ok_or("keys")?;
            Action::Key {
                chord: Chord::parse(&names).map_err(|_| "keys")?,
            }
        }
        "type" => Action::Type {
            text: text("text")?.to_owned(),
        },
        "wait" => Action::Wait { milliseconds: WAIT },
        "screenshot" => Action::Screenshot,
        _ => return Err("type"),
    };
    Ok(screen::call(&action, frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Size = Size {
        width: 1280,
        height: 800,
    };

    #[test]
    fn actions_come_back_as_they_went() {
        for action in [
            json!({"type": "click", "button": "left", "x": 640, "y": 400}),
            json!({"type": "click", "button": "right", "x": 64, "y": 8, "keys": ["ctrl"]}),
            json!({"type": "click", "button": "back", "x": 640, "y": 400}),
            json!({"type": "double_click", "x": 320, "y": 200}),
            json!({"type": "drag", "path": [{"x": 64, "y": 80}, {"x": 128, "y": 160}, {"x": 640, "y": 400}]}),
            json!({"type": "move", "x": 0, "y": 800}),
            json!({"type": "scroll", "x": 640, "y": 400, "scroll_x": 0, "scroll_y": 300}),
            json!({"type": "scroll", "x": 640, "y": 400, "scroll_x": -30, "scroll_y": 0}),
            json!({"type": "keypress", "keys": ["ctrl", "a"]}),
            json!({"type": "keypress", "keys": ["Enter"]}),
            json!({"type": "type", "text": "Größe\n"}),
            json!({"type": "wait"}),
            json!({"type": "screenshot"}),
        ] {
            let call = read(action.as_object().unwrap(), FRAME).unwrap();
            let back = write(&call, FRAME).unwrap();
            let close = |name: &str| {
                let number = |value: &Value| value[name].as_i64();
                number(&back)
                    .zip(number(&action))
                    .is_none_or(|(a, b)| (a - b).abs() <= 1)
            };
            assert!(close("x") && close("y"), "{action} {back}");
            for (name, value) in action.as_object().unwrap() {
                assert!(
                    ["x", "y"].contains(&name.as_str()) || &back[name] == value,
                    "{action} {back}"
                );
            }
        }
    }

    #[test]
    fn what_means_nothing_is_named() {
        for (action, field) in [
            (json!({}), "type"),
            (json!({"type": "fly"}), "type"),
            (json!({"type": "click", "x": 1, "y": 1}), "button"),
            (json!({"type": "click", "button": "left", "x": "1"}), "x"),
            (json!({"type": "drag", "path": [{"x": 1, "y": 1}]}), "path"),
            (json!({"type": "keypress", "keys": ["NoSuchKey"]}), "keys"),
            (json!({"type": "type"}), "text"),
        ] {
            assert_eq!(read(action.as_object().unwrap(), FRAME), Err(field), "{action}");
        }
        // The model may call what there are no words for.
        let call = |name: &str| {
            let arguments = json!({"action": name, "url": "https://example.org"});
            let Value::Object(arguments) = arguments else {
                unreachable!()
            };
            ToolCall {
                name: "computer_use".to_owned(),
                arguments,
            }
        };
        assert_eq!(write(&call("open_url"), FRAME), None);
        assert_eq!(write(&call("screenshot"), FRAME), None);
    }
}
