//! The one action type that every dialect is translated to and from.

use serde::{Deserialize, Serialize};

use crate::{Chord, Modifier, Point, Rect};

/// A pointer button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    /// The main button.
    Left,
    /// The context button.
    Right,
    /// The wheel.
    Middle,
}

/// A hardware or system button of a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemButton {
    /// One screen back.
    Back,
    /// To the launcher.
    Home,
    /// The menu.
    Menu,
    /// Confirm.
    Enter,
}

/// How the model judges its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminateStatus {
    /// The goal is met.
    Success,
    /// The goal cannot be met.
    Failure,
}

/// Something to do. Points are frame pixels; durations are milliseconds.
///
/// What a device cannot do is answered as a tool error, never by doing something near it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// One, two or three presses of a button at a point.
    Click {
        /// Which button.
        button: Button,
        /// 1, 2 or 3 presses.
        count: u8,
        /// Where.
        at: Point,
        /// Keys held meanwhile.
        modifiers: Vec<Modifier>,
    },
    /// Moves the pointer.
    MouseMove {
        /// Where to.
        to: Point,
    },
    /// Presses the main button at the first point, moves through the others, releases at the last.
    Drag {
        /// At least two points.
        path: Vec<Point>,
        /// Keys held meanwhile.
        modifiers: Vec<Modifier>,
    },
    /// Turns the wheel. Positive `dy` shows what is further down, positive `dx` what is further right.
    Scroll {
        /// Where the pointer is meanwhile; the middle of the frame if absent.
        at: Option<Point>,
        /// Pixels to the right.
        dx: i32,
        /// Pixels down.
        dy: i32,
        /// Keys held meanwhile.
        modifiers: Vec<Modifier>,
    },
    /// Presses the main button and keeps it down.
    MouseDown {
        /// Where; at the pointer if absent.
        at: Option<Point>,
    },
    /// Releases the main button.
    MouseUp {
        /// Where; at the pointer if absent.
        at: Option<Point>,
    },
    /// Asks where the pointer is.
    CursorPosition,
    /// Types Unicode text into whatever has the focus; `\n` is the Enter key.
    Type {
        /// The text, or `{{secret:NAME}}`.
        text: String,
    },
    /// Presses a chord once.
    Key {
        /// What is pressed.
        chord: Chord,
    },
    /// Holds a chord.
    HoldKey {
        /// What is held.
        chord: Chord,
        /// For how long.
        milliseconds: u64,
    },
    /// Opens an address in the current tab.
    OpenUrl {
        /// An absolute http, https or about address.
        url: String,
    },
    /// One page back.
    Back,
    /// One page forward.
    Forward,
    /// Brings another tab to the front.
    SwitchTab {
        /// Index in the frame's list of tabs.
        index: usize,
    },
    /// Closes the current tab.
    CloseTab,
    /// Only looks.
    Screenshot,
    /// Looks at a region, magnified.
    Zoom {
        /// The region, in frame pixels.
        region: Rect,
    },
    /// A long touch.
    LongPress {
        /// Where.
        at: Point,
        /// For how long.
        milliseconds: u64,
    },
    /// A finger drawn over the screen.
    Swipe {
        /// From here.
        from: Point,
        /// To here.
        to: Point,
    },
    /// A button of the phone.
    SystemButton {
        /// Which.
        button: SystemButton,
    },
    /// Starts an app.
    OpenApp {
        /// Its name.
        name: String,
    },
    /// Lets time pass.
    Wait {
        /// How long.
        milliseconds: u64,
    },
    /// Says something to the user.
    Answer {
        /// What.
        text: String,
    },
    /// Ends the run.
    Terminate {
        /// As what.
        status: TerminateStatus,
    },
}

impl Action {
    /// The name that rules, journals and models use: `left_click`, `type`, `open_url`, …
    pub fn name(&self) -> &'static str {
        match self {
            Self::Click {
                button: Button::Right,
                ..
            } => "right_click",
            Self::Click {
                button: Button::Middle,
                ..
            } => "middle_click",
            Self::Click { count: 2, .. } => "double_click",
            Self::Click { count: 3, .. } => "triple_click",
            Self::Click { .. } => "left_click",
            Self::MouseMove { .. } => "mouse_move",
            Self::Drag { .. } => "left_click_drag",
            Self::Scroll { dx, dy: 0, .. } if *dx != 0 => "hscroll",
            Self::Scroll { .. } => "scroll",
            Self::MouseDown { .. } => "left_mouse_down",
            Self::MouseUp { .. } => "left_mouse_up",
            Self::CursorPosition => "cursor_position",
            Self::Type { .. } => "type",
            Self::Key { .. } => "key",
            Self::HoldKey { .. } => "hold_key",
            Self::OpenUrl { .. } => "open_url",
            Self::Back => "back",
            Self::Forward => "forward",
            Self::SwitchTab { .. } => "switch_tab",
            Self::CloseTab => "close_tab",
            Self::Screenshot => "screenshot",
            Self::Zoom { .. } => "zoom",
            Self::LongPress { .. } => "long_press",
            Self::Swipe { .. } => "swipe",
            Self::SystemButton { .. } => "system_button",
            Self::OpenApp { .. } => "open",
            Self::Wait { .. } => "wait",
            Self::Answer { .. } => "answer",
            Self::Terminate { .. } => "terminate",
        }
    }

    /// Where the action lands: the point whose target the rules judge. A drag is judged by its start;
    /// [`Action::points`] gives its other ends. `None` for what has no place (keys go to the focus).
    pub fn point(&self) -> Option<Point> {
        self.points().first().copied()
    }

    /// Every place that the action touches, in order.
    pub fn points(&self) -> Vec<Point> {
        match self {
            Self::Click { at, .. } | Self::LongPress { at, .. } => vec![*at],
            Self::MouseMove { to } => vec![*to],
            Self::Drag { path, .. } => path.clone(),
            Self::Scroll { at, .. } | Self::MouseDown { at } | Self::MouseUp { at } => {
                at.iter().copied().collect()
            }
            Self::Swipe { from, to } => vec![*from, *to],
            _ => Vec::new(),
        }
    }

    /// Whether the action goes to whatever has the keyboard focus.
    pub fn is_keyboard(&self) -> bool {
        matches!(self, Self::Type { .. } | Self::Key { .. } | Self::HoldKey { .. })
    }
}
