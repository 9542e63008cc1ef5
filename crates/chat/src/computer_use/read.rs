//! From a call to an action.

use aurore_action::{
    Action, Button, Chord, GRID, Modifier, Point, Rect, Size, SystemButton, TerminateStatus, from_grid,
};
use serde_json::Value;

use super::{
    ToolCallError,
    spec::{DRAG_PATH, DRAG_START, Kind, SIDEWAYS, SPECS, SWIPE_END, Spec, TOOL, find},
};
use crate::ToolCall;

/// Longest wait or hold.
const MOST_SECONDS: f64 = 60.0;
const MOST_PIXELS: i64 = 100_000;
/// More points than this make no sensible drag.
const MOST_POINTS: usize = 1000;

/// The action that a call stands for, in pixels of a frame of this size. Coordinates beyond the grid are clamped into
/// the frame; anything else that is wrong is an error that the model can act on.
pub fn parse_action(call: &ToolCall, frame: Size) -> Result<Action, ToolCallError> {
    if call.name != TOOL {
        return Err(ToolCallError::UnknownTool {
            name: shorten(&call.name),
        });
    }
    let name = match call.arguments.get("action") {
        Some(Value::String(name)) => name.trim(),
        None | Some(Value::Null) => return Err(ToolCallError::MissingAction { known: known() }),
        Some(other) => {
            return Err(ToolCallError::UnknownAction {
                action: shorten(&other.to_string()),
                known: known(),
            });
        }
    };
    let spec = find(name).ok_or_else(|| ToolCallError::UnknownAction {
        action: shorten(name),
        known: known(),
    })?;
    Reader { spec, call, frame }.action()
}

fn known() -> String {
    SPECS.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

struct Reader<'a> {
    spec: &'static Spec,
    call: &'a ToolCall,
    frame: Size,
}

impl Reader<'_> {
    fn action(&self) -> Result<Action, ToolCallError> {
        self.refuse_unexpected()?;
        let click = |button, count| -> Result<Action, ToolCallError> {
            Ok(Action::Click {
                button,
                count,
                at: self.point("coordinate")?,
                modifiers: self.modifiers()?,
            })
        };
        Ok(match self.spec.name {
            "left_click" | "click" => click(Button::Left, 1)?,
            "double_click" => click(Button::Left, 2)?,
            "triple_click" => click(Button::Left, 3)?,
            "right_click" => click(Button::Right, 1)?,
            "middle_click" => click(Button::Middle, 1)?,
            "mouse_move" => Action::MouseMove {
                to: self.point("coordinate")?,
            },
            "left_click_drag" => Action::Drag {
                path: self.path()?,
                modifiers: self.modifiers()?,
            },
            "scroll" => Action::Scroll {
                at: self.maybe_point("coordinate")?,
                dx: self
                    .maybe(SIDEWAYS)
                    .map_or(Ok(0), |value| self.whole(SIDEWAYS, value))?,
                // Positive is up for the model, down for an action.
                dy: -self.pixels()?,
                modifiers: self.modifiers()?,
            },
            "hscroll" => Action::Scroll {
                at: self.maybe_point("coordinate")?,
                dx: self.pixels()?,
                dy: 0,
                modifiers: self.modifiers()?,
            },
            "left_mouse_down" => Action::MouseDown {
                at: self.maybe_point("coordinate")?,
            },
            "left_mouse_up" => Action::MouseUp {
                at: self.maybe_point("coordinate")?,
            },
            "cursor_position" => Action::CursorPosition,
            "type" => Action::Type {
                text: self.text("text")?,
            },
            "key" => Action::Key { chord: self.chord()? },
            "hold_key" => Action::HoldKey {
                chord: self.chord()?,
                milliseconds: self.milliseconds()?,
            },
            "open_url" => Action::OpenUrl {
                url: self.text("url")?.trim().to_owned(),
            },
            "back" => Action::Back,
            "forward" => Action::Forward,
            "switch_tab" => Action::SwitchTab { index: self.index()? },
            "close_tab" => Action::CloseTab,
            "screenshot" => Action::Screenshot,
            "zoom" => Action::Zoom {
                region: self.region()?,
            },
            "long_press" => Action::LongPress {
                at: self.point("coordinate")?,
                milliseconds: self.milliseconds()?,
            },
            "swipe" => Action::Swipe {
                from: self.point("coordinate")?,
                to: self.point(SWIPE_END)?,
            },
            "system_button" => Action::SystemButton {
                button: self.button()?,
            },
            "open" => Action::OpenApp {
                name: self.text("text")?,
            },
            "wait" => Action::Wait {
                milliseconds: self.milliseconds()?,
            },
            "answer" => Action::Answer {
                text: self.text("text")?,
            },
            "terminate" => Action::Terminate {
                status: self.status()?,
            },
            other => {
                return Err(ToolCallError::UnknownAction {
                    action: other.to_owned(),
                    known: known(),
                });
            }
        })
    }

    /// An argument that would be ignored could have meant something: it is refused instead.
    fn refuse_unexpected(&self) -> Result<(), ToolCallError> {
        let takes = || self.spec.arguments.iter().map(|argument| argument.name);
        let unexpected = self.call.arguments.iter().find(|(name, value)| {
            *name != "action" && !value.is_null() && !takes().any(|known| known == *name)
        });
        match unexpected {
            None => Ok(()),
            Some((name, _)) => Err(ToolCallError::Unexpected {
                action: self.spec.name,
                argument: shorten(name),
                takes: ["action"]
                    .into_iter()
                    .chain(takes())
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    fn maybe(&self, name: &str) -> Option<&Value> {
        self.call.arguments.get(name).filter(|value| !value.is_null())
    }

    fn kind(&self, name: &str) -> Kind {
        self.spec
            .arguments
            .iter()
            .find(|argument| argument.name == name)
            .map_or(Kind::Text, |argument| argument.kind)
    }

    fn needed(&self, name: &'static str) -> Result<&Value, ToolCallError> {
        self.maybe(name).ok_or_else(|| ToolCallError::Missing {
            action: self.spec.name,
            argument: name,
            expected: self.kind(name).example(),
        })
    }

    fn wrong(&self, name: &'static str, found: &Value) -> ToolCallError {
        ToolCallError::Wrong {
            action: self.spec.name,
            argument: name,
            found: shorten(&found.to_string()),
            expected: self.kind(name).example(),
        }
    }

    /// Numbers of a list; a list inside text is read too.
    fn numbers<const N: usize>(&self, name: &'static str, value: &Value) -> Result<[f64; N], ToolCallError> {
        let inside = value.as_str().and_then(|text| serde_json::from_str(text).ok());
        let items: Option<Vec<f64>> = inside
            .as_ref()
            .unwrap_or(value)
            .as_array()
            .filter(|items| items.len() == N)
            .and_then(|items| items.iter().map(Value::as_f64).collect());
        items
            .and_then(|items| <[f64; N]>::try_from(items).ok())
            .ok_or_else(|| self.wrong(name, value))
    }

    fn to_point(&self, name: &'static str, value: &Value) -> Result<Point, ToolCallError> {
        let [x, y] = self.numbers(name, value)?;
        Ok(from_grid(x, y, self.frame))
    }

    fn point(&self, name: &'static str) -> Result<Point, ToolCallError> {
        self.to_point(name, self.needed(name)?)
    }

    fn maybe_point(&self, name: &'static str) -> Result<Option<Point>, ToolCallError> {
        self.maybe(name)
            .map(|value| self.to_point(name, value))
            .transpose()
    }

    /// Where a drag goes. It never starts at wherever the pointer happens to be.
    fn path(&self) -> Result<Vec<Point>, ToolCallError> {
        let Some(value) = self.maybe(DRAG_PATH) else {
            return Ok(vec![self.point(DRAG_START)?, self.point("coordinate")?]);
        };
        let inside = value.as_str().and_then(|text| serde_json::from_str(text).ok());
        let items = inside.as_ref().unwrap_or(value).as_array();
        let Some(items) = items.filter(|items| (2..=MOST_POINTS).contains(&items.len())) else {
            return Err(self.wrong(DRAG_PATH, value));
        };
        items.iter().map(|item| self.to_point(DRAG_PATH, item)).collect()
    }

    fn region(&self) -> Result<Rect, ToolCallError> {
        let value = self.needed("region")?;
        let [x1, y1, x2, y2] = self.numbers("region", value)?;
        let edge = |value: f64, side: u32| {
            let pixel = (value * f64::from(side) / f64::from(GRID)).round();
            pixel.clamp(0.0, f64::from(side)) as u32
        };
        let (left, right) = (
            edge(x1.min(x2), self.frame.width),
            edge(x1.max(x2), self.frame.width),
        );
        let (top, bottom) = (
            edge(y1.min(y2), self.frame.height),
            edge(y1.max(y2), self.frame.height),
        );
        if left == right || top == bottom {
            return Err(self.wrong("region", value));
        }
        Ok(Rect {
            x: left as i32,
            y: top as i32,
            width: right - left,
            height: bottom - top,
        })
    }

    fn text(&self, name: &'static str) -> Result<String, ToolCallError> {
        match self.needed(name)? {
            Value::String(text) => Ok(text.clone()),
            // A number or truth value can only have been meant as its own spelling.
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            other => Err(self.wrong(name, other)),
        }
    }

    fn names(&self, name: &'static str, value: &Value) -> Result<Vec<String>, ToolCallError> {
        let inside: Option<Value> = value
            .as_str()
            .filter(|text| text.trim_start().starts_with('['))
            .and_then(|text| serde_json::from_str(text).ok());
        match inside.as_ref().unwrap_or(value) {
            Value::String(one) => Ok(vec![one.clone()]),
            Value::Array(items) => items
                .iter()
                .map(|item| match item {
                    Value::String(key) => Ok(key.clone()),
                    Value::Number(digit) => Ok(digit.to_string()),
                    _ => Err(self.wrong(name, value)),
                })
                .collect(),
            _ => Err(self.wrong(name, value)),
        }
    }

    fn chord(&self) -> Result<Chord, ToolCallError> {
        let names = self.names("keys", self.needed("keys")?)?;
        Chord::parse(&names).map_err(|source| ToolCallError::Key {
            action: self.spec.name,
            source,
        })
    }

    fn modifiers(&self) -> Result<Vec<Modifier>, ToolCallError> {
        const NAME: &str = "modifiers";
        let Some(value) = self.maybe(NAME) else {
            return Ok(Vec::new());
        };
        let names = self.names(NAME, value)?;
        let mut modifiers: Vec<Modifier> = names
            .iter()
            .flat_map(|name| name.split('+'))
            .map(|name| Modifier::parse(name).ok_or_else(|| self.wrong(NAME, value)))
            .collect::<Result<_, _>>()?;
        modifiers.sort_unstable();
        modifiers.dedup();
        Ok(modifiers)
    }

    fn number(&self, name: &'static str, value: &Value) -> Result<f64, ToolCallError> {
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_f64(),
        };
        number
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| self.wrong(name, value))
    }

    fn whole(&self, name: &'static str, value: &Value) -> Result<i32, ToolCallError> {
        let number = self.number(name, value)?.round();
        if number.abs() > MOST_PIXELS as f64 {
            return Err(self.wrong(name, value));
        }
        Ok(number as i32)
    }

    fn pixels(&self) -> Result<i32, ToolCallError> {
        self.whole("pixels", self.needed("pixels")?)
    }

    fn milliseconds(&self) -> Result<u64, ToolCallError> {
        let value = self.needed("time")?;
        let seconds = self.number("time", value)?;
        if !(0.0..=MOST_SECONDS).contains(&seconds) {
            return Err(self.wrong("time", value));
        }
        Ok((seconds * 1000.0).round() as u64)
    }

    fn index(&self) -> Result<usize, ToolCallError> {
        let value = self.needed("index")?;
        let number = self.number("index", value)?;
        if number < 0.0 || number.fract() != 0.0 || number > 1e6 {
            return Err(self.wrong("index", value));
        }
        Ok(number as usize)
    }

    fn status(&self) -> Result<TerminateStatus, ToolCallError> {
        let value = self.needed("status")?;
        match value.as_str().map(str::trim) {
            Some("success") => Ok(TerminateStatus::Success),
            Some("failure") => Ok(TerminateStatus::Failure),
            _ => Err(self.wrong("status", value)),
        }
    }

    fn button(&self) -> Result<SystemButton, ToolCallError> {
        let value = self.needed("button")?;
        match value
            .as_str()
            .map(|name| name.trim().to_ascii_lowercase())
            .as_deref()
        {
            Some("back") => Ok(SystemButton::Back),
            Some("home") => Ok(SystemButton::Home),
            Some("menu") => Ok(SystemButton::Menu),
            Some("enter") => Ok(SystemButton::Enter),
            _ => Err(self.wrong("button", value)),
        }
    }
}
