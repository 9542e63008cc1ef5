//! From an action to the call that the model would have written.

use aurore_action::{
    Action, Chord, GRID, Key, Modifier, Point, Rect, Size, SystemButton, TerminateStatus, to_grid,
};
use serde_json::{Map, Value, json};

use super::spec::{DRAG_PATH, DRAG_START, SIDEWAYS, SWIPE_END, TOOL};
use crate::ToolCall;

/// The call for an action on a frame of this size; reading it gives the action back (in frames of up to 1000 pixels a
/// side to the pixel).
pub fn render(action: &Action, frame: Size) -> ToolCall {
    let mut arguments = Map::new();
    arguments.insert("action".to_owned(), action.name().into());
    let mut put = |name: &str, value: Value| _ = arguments.insert(name.to_owned(), value);
    let grid = |point: Point| {
        let (x, y) = to_grid(point, frame);
        json!([x, y])
    };
    match action {
        Action::Click { at, modifiers, .. } => {
            put("coordinate", grid(*at));
            put_modifiers(&mut put, modifiers);
        }
        Action::MouseMove { to } => put("coordinate", grid(*to)),
        Action::Drag { path, modifiers } => {
            if let [start, end] = path.as_slice() {
                put(DRAG_START, grid(*start));
                put("coordinate", grid(*end));
            } else {
                put(DRAG_PATH, path.iter().map(|point| grid(*point)).collect());
            }
            put_modifiers(&mut put, modifiers);
        }
        Action::Scroll {
            at,
            dx,
            dy,
            modifiers,
        } => {
            if action.name() == "hscroll" {
                put("pixels", (*dx).into());
            } else {
                put("pixels", (-i64::from(*dy)).into());
                if *dx != 0 {
                    put(SIDEWAYS, (*dx).into());
                }
            }
            if let Some(at) = at {
                put("coordinate", grid(*at));
            }
            put_modifiers(&mut put, modifiers);
        }
        Action::MouseDown { at } | Action::MouseUp { at } => {
            if let Some(at) = at {
                put("coordinate", grid(*at));
            }
        }
        Action::Type { text } | Action::Answer { text } | Action::OpenApp { name: text } => {
            put("text", text.as_str().into());
        }
        Action::Key { chord } => put("keys", keys(chord)),
        Action::HoldKey { chord, milliseconds } => {
            put("keys", keys(chord));
            put("time", seconds(*milliseconds));
        }
        Action::OpenUrl { url } => put("url", url.as_str().into()),
        Action::SwitchTab { index } => put("index", (*index).into()),
        Action::Zoom { region } => put("region", corners(*region, frame)),
        Action::LongPress { at, milliseconds } => {
            put("coordinate", grid(*at));
            put("time", seconds(*milliseconds));
        }
        Action::Swipe { from, to } => {
            put("coordinate", grid(*from));
            put(SWIPE_END, grid(*to));
        }
        Action::SystemButton { button } => put("button", button_name(*button).into()),
        Action::Wait { milliseconds } => put("time", seconds(*milliseconds)),
        Action::Terminate { status } => put(
            "status",
            match status {
                TerminateStatus::Success => "success",
                TerminateStatus::Failure => "failure",
            }
            .into(),
        ),
        Action::CursorPosition | Action::Back | Action::Forward | Action::CloseTab | Action::Screenshot => {}
    }
    ToolCall {
        name: TOOL.to_owned(),
        arguments,
    }
}

fn modifier_name(modifier: Modifier) -> &'static str {
    match modifier {
        Modifier::Control => "ctrl",
        Modifier::Shift => "shift",
        Modifier::Alt => "alt",
        Modifier::Meta => "meta",
    }
}

fn put_modifiers(put: &mut impl FnMut(&str, Value), modifiers: &[Modifier]) {
    if !modifiers.is_empty() {
        put(
            "modifiers",
            modifiers
                .iter()
                .map(|modifier| modifier_name(*modifier))
                .collect(),
        );
    }
}

fn keys(chord: &Chord) -> Value {
    let modifiers = chord.modifiers.iter().map(|modifier| modifier_name(*modifier));
    modifiers.chain(chord.key.as_ref().map(Key::name)).collect()
}

/// Whole seconds without a fraction.
fn seconds(milliseconds: u64) -> Value {
    if milliseconds.is_multiple_of(1000) {
        (milliseconds / 1000).into()
    } else {
        (milliseconds as f64 / 1000.0).into()
    }
}

fn corners(region: Rect, frame: Size) -> Value {
    let edge = |pixel: i64, side: u32| {
        let value = pixel as f64 * f64::from(GRID) / f64::from(side.max(1));
        value.round().clamp(0.0, f64::from(GRID)) as i64
    };
    let (x, y) = (i64::from(region.x), i64::from(region.y));
    json!([
        edge(x, frame.width),
        edge(y, frame.height),
        edge(x + i64::from(region.width), frame.width),
        edge(y + i64::from(region.height), frame.height),
    ])
}

fn button_name(button: SystemButton) -> &'static str {
    match button {
        SystemButton::Back => "Back",
        SystemButton::Home => "Home",
        SystemButton::Menu => "Menu",
        SystemButton::Enter => "Enter",
    }
}
