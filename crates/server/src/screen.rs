//! A screen that the client operates: what the model calls and what clients' dialects say are both pixels of one frame.

use aurore_action::{Action, Chord, Key, Modifier, Point, Size};
use aurore_chat::computer_use::{TOOL, parse_action, render};
use aurore_chat::{Content, Message, ToolCall};
use serde_json::Value;

/// Where a frame's size is not said and nothing was seen of it.
const UNKNOWN: Size = Size {
    width: 1000,
    height: 1000,
};
/// Screens have no longer sides.
const LONGEST: u64 = 1 << 16;

/// A frame of this size, if it is one.
pub(crate) fn size(width: Option<u64>, height: Option<u64>) -> Option<Size> {
    let side = |side: Option<u64>| {
        side.filter(|side| (1..=LONGEST).contains(side))
            .map(|side| side as u32)
    };
    Some(Size {
        width: side(width)?,
        height: side(height)?,
    })
}

/// The size of the frame that a call points into: as declared, else of the last picture.
pub(crate) fn frame(declared: Option<Size>, messages: &[Message]) -> Size {
    let seen = || {
        let parts = messages
            .iter()
            .rev()
            .flat_map(|message| message.content.iter().rev());
        let mut pictures = parts.filter_map(|part| match part {
            Content::Image(picture) => Some(Size {
                width: picture.width,
                height: picture.height,
            }),
            Content::Text(_) => None,
        });
        pictures.next()
    };
    declared.or_else(seen).unwrap_or(UNKNOWN)
}

/// The call that the model would have written for an action.
pub(crate) fn call(action: &Action, frame: Size) -> ToolCall {
    render(action, frame)
}

/// The action of a call, if it is one of the screen and one that it offers.
pub(crate) fn action(call: &ToolCall, frame: Size, offered: &[&str]) -> Option<Action> {
    let action = (call.name == TOOL).then(|| parse_action(call, frame).ok())??;
    let name = call.arguments.get("action").and_then(Value::as_str)?.trim();
    offered.contains(&name).then_some(action)
}

/// Keys as names in a row, modifiers first.
pub(crate) fn keys(chord: &Chord) -> Vec<String> {
    let modifiers = chord
        .modifiers
        .iter()
        .map(|modifier| modifier_name(*modifier).to_owned());
    modifiers
        .chain(chord.key.as_ref().map(Key::name).map(str::to_owned))
        .collect()
}

/// A modifier as clients spell it.
pub(crate) fn modifier_name(modifier: Modifier) -> &'static str {
    match modifier {
        Modifier::Control => "ctrl",
        Modifier::Shift => "shift",
        Modifier::Alt => "alt",
        Modifier::Meta => "meta",
    }
}

/// A point from two numbers, within a frame.
pub(crate) fn point(x: &Value, y: &Value, frame: Size) -> Option<Point> {
    let pixel = |value: &Value| value.as_f64().map(|value| value.round() as i32);
    Some(Point::new(pixel(x)?, pixel(y)?).clamped(frame))
}
