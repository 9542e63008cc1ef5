//! What each action is called and takes.

use serde_json::{Map, Value, json};

use crate::ToolSchema;

/// The tool's name.
pub const TOOL: &str = "computer_use";

/// What an argument holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[x, y]` on the grid.
    Point,
    /// At least two points.
    Path,
    /// `[x1, y1, x2, y2]` on the grid.
    Region,
    /// A list of key names.
    Keys,
    /// A list of modifier names.
    Modifiers,
    /// Any text.
    Text,
    /// An address, one line.
    Url,
    /// A whole number of pixels, signed.
    Pixels,
    /// Seconds.
    Seconds,
    /// An index from 0.
    Index,
    /// `success` or `failure`.
    Status,
    /// A phone's button.
    Button,
}

/// An argument of an action.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

/// An action as the model calls it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// In the order in which they are written.
    pub(super) arguments: &'static [Argument],
    /// Whether a browser can do it.
    pub(super) browser: bool,
}

const fn needs(name: &'static str, kind: Kind) -> Argument {
    Argument {
        name,
        kind,
        required: true,
    }
}

const fn may(name: &'static str, kind: Kind) -> Argument {
    Argument {
        name,
        kind,
        required: false,
    }
}

const fn spec(
    name: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    browser: bool,
) -> Spec {
    Spec {
        name,
        description,
        arguments,
        browser,
    }
}

const AT: Argument = needs("coordinate", Kind::Point);
const MAY_AT: Argument = may("coordinate", Kind::Point);
const HELD: Argument = may("modifiers", Kind::Modifiers);
const KEYS: Argument = needs("keys", Kind::Keys);
const TEXT: Argument = needs("text", Kind::Text);
const PIXELS: Argument = needs("pixels", Kind::Pixels);
const TIME: Argument = needs("time", Kind::Seconds);

/// The names by which an argument is looked up.
pub(super) const DRAG_START: &str = "start_coordinate";
pub(super) const DRAG_PATH: &str = "path";
pub(super) const SWIPE_END: &str = "coordinate2";
pub(super) const SIDEWAYS: &str = "horizontal_pixels";

/// All actions. Order is that of the description that the model reads.
pub(super) const SPECS: &[Spec] = &[
    spec(
        "key",
        "Press the keys in `keys` together, then release them.",
        &[KEYS],
        true,
    ),
    spec("type", "Type the text in `text`.", &[TEXT], true),
    spec("mouse_move", "Move the pointer to `coordinate`.", &[AT], true),
    spec(
        "left_click",
        "Click the left button at `coordinate`.",
        &[AT, HELD],
        true,
    ),
    spec(
        "left_click_drag",
        "Press the left button at `start_coordinate`, drag to `coordinate` (through all points of `path`, if given instead) and release.",
        &[
            may(DRAG_START, Kind::Point),
            MAY_AT,
            may(DRAG_PATH, Kind::Path),
            HELD,
        ],
        true,
    ),
    spec(
        "right_click",
        "Click the right button at `coordinate`.",
        &[AT, HELD],
        true,
    ),
    spec(
        "middle_click",
        "Click the middle button at `coordinate`.",
        &[AT, HELD],
        true,
    ),
    spec(
        "double_click",
        "Click the left button twice at `coordinate`.",
        &[AT, HELD],
        true,
    ),
    spec(
        "triple_click",
        "Click the left button three times at `coordinate`.",
        &[AT, HELD],
        true,
    ),
    spec(
        "scroll",
        "Turn the wheel by `pixels` at `coordinate`: positive shows what is above, negative what is below.",
        &[PIXELS, may(SIDEWAYS, Kind::Pixels), MAY_AT, HELD],
        true,
    ),
    spec(
        "hscroll",
        "Scroll sideways by `pixels` at `coordinate`: positive shows what is further right, negative further left.",
        &[PIXELS, MAY_AT, HELD],
        true,
    ),
    spec(
        "left_mouse_down",
        "Press the left button and keep it down.",
        &[MAY_AT],
        true,
    ),
    spec("left_mouse_up", "Release the left button.", &[MAY_AT], true),
    spec("cursor_position", "Tell where the pointer is.", &[], true),
    spec(
        "hold_key",
        "Hold the keys in `keys` for `time` seconds.",
        &[KEYS, TIME],
        true,
    ),
    spec(
        "open_url",
        "Open the address in `url`.",
        &[needs("url", Kind::Url)],
        true,
    ),
    spec("back", "Go one page back.", &[], true),
    spec("forward", "Go one page forward.", &[], true),
    spec(
        "switch_tab",
        "Bring the tab number `index` (from 0) to the front.",
        &[needs("index", Kind::Index)],
        true,
    ),
    spec("close_tab", "Close the current tab.", &[], true),
    spec("screenshot", "Only look.", &[], true),
    spec(
        "zoom",
        "Look at `region` magnified.",
        &[needs("region", Kind::Region)],
        true,
    ),
    spec("click", "Touch `coordinate`.", &[AT], false),
    spec(
        "long_press",
        "Touch `coordinate` for `time` seconds.",
        &[AT, TIME],
        false,
    ),
    spec(
        "swipe",
        "Draw a finger from `coordinate` to `coordinate2`.",
        &[AT, needs(SWIPE_END, Kind::Point)],
        false,
    ),
    spec(
        "system_button",
        "Press the phone's button in `button`.",
        &[needs("button", Kind::Button)],
        false,
    ),
    spec("open", "Start the app named in `text`.", &[TEXT], false),
    spec("wait", "Wait `time` seconds.", &[TIME], true),
    spec("answer", "Say `text` to the user.", &[TEXT], true),
    spec(
        "terminate",
        "End the task with `status`.",
        &[needs("status", Kind::Status)],
        true,
    ),
];

pub(super) fn find(name: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.name == name)
}

impl Kind {
    /// Its JSON schema.
    fn schema(self) -> Value {
        let numbers = |length: usize| json!({"type": "array", "items": {"type": "number"}, "minItems": length, "maxItems": length});
        let names = |what: &str| json!({"type": "array", "items": {"type": "string"}, "description": what});
        match self {
            Self::Point => numbers(2),
            Self::Region => numbers(4),
            Self::Path => json!({"type": "array", "items": numbers(2), "minItems": 2}),
            Self::Keys => names("Key names such as ctrl, shift, Enter, Tab, ArrowDown, F5, a."),
            Self::Modifiers => names("Keys held meanwhile: ctrl, shift, alt, meta."),
            Self::Text => json!({"type": "string"}),
            Self::Url => json!({"type": "string", "description": "An absolute address."}),
            Self::Pixels | Self::Index => json!({"type": "integer"}),
            Self::Seconds => json!({"type": "number"}),
            Self::Status => json!({"type": "string", "enum": ["success", "failure"]}),
            Self::Button => json!({"type": "string", "enum": ["Back", "Home", "Menu", "Enter"]}),
        }
    }

    /// What it should look like, for error messages.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Point => "[x, y] with numbers from 0 to 1000, such as [512, 300]",
            Self::Path => "a list of at least two points, such as [[100, 100], [500, 300]]",
            Self::Region => "[x1, y1, x2, y2] with numbers from 0 to 1000, such as [0, 0, 500, 500]",
            Self::Keys => "a list of key names, such as [\"ctrl\", \"a\"]",
            Self::Modifiers => "a list of ctrl, shift, alt and meta, such as [\"ctrl\"]",
            Self::Text => "text",
            Self::Url => "an absolute address, such as https://example.org/",
            Self::Pixels => "a whole number from -100000 to 100000",
            Self::Seconds => "a number of seconds from 0 to 60",
            Self::Index => "a whole number from 0",
            Self::Status => "success or failure",
            Self::Button => "Back, Home, Menu or Enter",
        }
    }
}

/// The tool as a template shows it to the model. `phone` adds what only a touch screen can do.
pub fn schema(phone: bool) -> ToolSchema {
    schema_of(|spec| spec.browser || phone)
}

/// The same with these actions alone, for a screen that others operate.
pub fn schema_with(actions: &[&str]) -> ToolSchema {
    schema_of(|spec| actions.contains(&spec.name))
}

fn schema_of(is_offered: impl Fn(&Spec) -> bool) -> ToolSchema {
    let offered = || SPECS.iter().filter(|spec| is_offered(spec));
    let names: Vec<&str> = offered().map(|spec| spec.name).collect();
    let list: Vec<String> = offered()
        .map(|spec| format!("* `{}`: {}", spec.name, spec.description))
        .collect();
    let mut properties = Map::new();
    properties.insert(
        "action".to_owned(),
        json!({"type": "string", "enum": names, "description": format!("What to do:\n{}", list.join("\n"))}),
    );
    for argument in offered().flat_map(|spec| spec.arguments) {
        properties
            .entry(argument.name)
            .or_insert_with(|| argument.kind.schema());
    }
    ToolSchema {
        name: TOOL.to_owned(),
        description: "Use the mouse, the keyboard and the browser. The screen's resolution is 1000x1000: coordinates are \
                      [x, y] from its top left corner, whatever the size of the screenshot. Look at the screenshot before \
                      you point at something, and point at the middle of it."
            .to_owned(),
        parameters: json!({"type": "object", "properties": properties, "required": ["action"]}),
    }
}
