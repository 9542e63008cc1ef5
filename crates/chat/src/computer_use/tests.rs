use std::sync::Arc;

use aurore_action::{Action, Button, Chord, Key, Modifier, Point, Rect, Size, SystemButton, TerminateStatus};
use aurore_engine::Constraint;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{ToolCall, step, testing::chat};

const FRAME: Size = Size {
    width: 1000,
    height: 800,
};

fn call(arguments: Value) -> ToolCall {
    let Value::Object(arguments) = arguments else {
        panic!("an object")
    };
    ToolCall {
        name: TOOL.to_owned(),
        arguments,
    }
}

fn parse(arguments: Value) -> Result<Action, ToolCallError> {
    parse_action(&call(arguments), FRAME)
}

#[test]
fn the_grid_becomes_pixels_once() {
    let click = parse(json!({"action": "left_click", "coordinate": [512, 300]})).unwrap();
    assert_eq!(click.point(), Some(Point::new(512, 240)));
    let nano = parse_action(
        &call(json!({"action": "left_click", "coordinate": [1000, 0]})),
        Size {
            width: 160,
            height: 210,
        },
    );
    assert_eq!(nano.unwrap().point(), Some(Point::new(159, 0)));
}

#[test]
fn points_beyond_the_grid_are_clamped_into_the_frame() {
    for (given, pixel) in [
        (json!([1500, -3]), (999, 0)),
        (json!([1e300, 2.5]), (999, 2)),
        (json!("[512, 300]"), (512, 240)),
    ] {
        let action = parse(json!({"action": "mouse_move", "coordinate": given})).unwrap();
        assert_eq!(action.point(), Some(Point::new(pixel.0, pixel.1)));
    }
}

#[test]
fn scrolling_up_is_positive_for_the_model() {
    let action = parse(json!({"action": "scroll", "pixels": 120})).unwrap();
    assert_eq!(
        action,
        Action::Scroll {
            at: None,
            dx: 0,
            dy: -120,
            modifiers: vec![]
        }
    );
    let action = parse(json!({"action": "hscroll", "pixels": -5, "coordinate": [0, 0]})).unwrap();
    assert_eq!(
        action,
        Action::Scroll {
            at: Some(Point::new(0, 0)),
            dx: -5,
            dy: 0,
            modifiers: vec![]
        }
    );
}

#[test]
fn a_drag_never_starts_at_wherever_the_pointer_is() {
    let error = parse(json!({"action": "left_click_drag", "coordinate": [1, 1]})).unwrap_err();
    assert!(error.to_string().contains("start_coordinate"), "{error}");
}

#[test]
fn errors_tell_the_model_what_to_do() {
    for (arguments, parts) in [
        (json!({}), vec!["action is missing", "left_click"]),
        (json!({"action": "tap"}), vec!["\"tap\"", "left_click"]),
        (json!({"action": 5}), vec!["\"5\""]),
        (
            json!({"action": "left_click"}),
            vec!["left_click needs the argument coordinate", "[512, 300]"],
        ),
        (
            json!({"action": "left_click", "coordinate": [1]}),
            vec!["coordinate is [1]", "0 to 1000"],
        ),
        (
            json!({"action": "left_click", "coordinate": ["a", "b"]}),
            vec!["must be [x, y]"],
        ),
        (
            json!({"action": "left_click", "coordinate": {"x": 1}}),
            vec!["must be [x, y]"],
        ),
        (json!({"action": "type", "text": ["a"]}), vec!["must be text"]),
        (
            json!({"action": "key", "keys": ["hyperdrive"]}),
            vec!["hyperdrive", "Enter"],
        ),
        (json!({"action": "key", "keys": [{}]}), vec!["list of key names"]),
        (json!({"action": "wait", "time": -1}), vec!["0 to 60"]),
        (json!({"action": "wait", "time": 1e9}), vec!["0 to 60"]),
        (json!({"action": "wait", "time": "soon"}), vec!["0 to 60"]),
        (json!({"action": "scroll", "pixels": 1e12}), vec!["100000"]),
        (
            json!({"action": "switch_tab", "index": 1.5}),
            vec!["whole number"],
        ),
        (json!({"action": "zoom", "region": [5, 5, 5, 9]}), vec!["x1, y1"]),
        (
            json!({"action": "terminate", "status": "perhaps"}),
            vec!["success or failure"],
        ),
        (
            json!({"action": "back", "coordinate": [1, 1]}),
            vec!["back takes no argument \"coordinate\""],
        ),
    ] {
        let error = parse(arguments.clone()).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{arguments}: {error}");
        }
    }
    let other = ToolCall {
        name: "rm".into(),
        arguments: serde_json::Map::new(),
    };
    assert!(
        parse_action(&other, FRAME)
            .unwrap_err()
            .to_string()
            .contains("no tool \"rm\"")
    );
}

#[test]
fn an_argument_that_is_nothing_counts_as_absent() {
    assert_eq!(
        parse(json!({"action": "back", "coordinate": null})).unwrap(),
        Action::Back
    );
}

#[test]
fn the_schema_offers_every_action_once() {
    let schema = schema(false);
    let names = schema.parameters["properties"]["action"]["enum"]
        .as_array()
        .unwrap();
    assert!(names.contains(&json!("left_click")) && !names.contains(&json!("long_press")));
    assert!(self::schema(true).parameters["properties"]["button"].is_object());
    assert!(schema.parameters["properties"].get("button").is_none());
}

fn modifiers() -> impl Strategy<Value = Vec<Modifier>> {
    let all = vec![Modifier::Control, Modifier::Shift, Modifier::Alt, Modifier::Meta];
    prop::sample::subsequence(all, 0..=4)
}

fn point() -> impl Strategy<Value = Point> {
    (0..FRAME.width as i32, 0..FRAME.height as i32).prop_map(|(x, y)| Point::new(x, y))
}

fn chord() -> impl Strategy<Value = Chord> {
    let keys = vec!["Enter", "a", "+", " ", "F5", "ArrowLeft", "é"];
    (modifiers(), prop::sample::select(keys)).prop_map(|(modifiers, key)| Chord {
        modifiers,
        key: Some(Key::parse(key).unwrap()),
    })
}

fn action() -> impl Strategy<Value = Action> {
    let button = prop_oneof![
        Just((Button::Left, 1)),
        Just((Button::Left, 2)),
        Just((Button::Left, 3)),
        Just((Button::Right, 1)),
        Just((Button::Middle, 1))
    ];
    let spot = || prop::option::of(point());
    prop_oneof![
        (button, point(), modifiers()).prop_map(|((button, count), at, modifiers)| Action::Click {
            button,
            count,
            at,
            modifiers
        }),
        point().prop_map(|to| Action::MouseMove { to }),
        (prop::collection::vec(point(), 2..5), modifiers())
            .prop_map(|(path, modifiers)| Action::Drag { path, modifiers }),
        (spot(), -9999..9999, -9999..9999, modifiers()).prop_map(|(at, dx, dy, modifiers)| Action::Scroll {
            at,
            dx,
            dy,
            modifiers
        }),
        spot().prop_map(|at| Action::MouseDown { at }),
        spot().prop_map(|at| Action::MouseUp { at }),
        any::<String>().prop_map(|text| Action::Type { text }),
        chord().prop_map(|chord| Action::Key { chord }),
        (chord(), 0..60_000u64).prop_map(|(chord, milliseconds)| Action::HoldKey { chord, milliseconds }),
        "https://[a-z]{1,9}\\.example/[a-z?&=]{0,9}".prop_map(|url| Action::OpenUrl { url }),
        (0..99usize).prop_map(|index| Action::SwitchTab { index }),
        (0..900i32, 0..700i32, 1..100u32, 1..100u32).prop_map(|(x, y, width, height)| Action::Zoom {
            region: Rect { x, y, width, height }
        }),
        (point(), 0..60_000u64).prop_map(|(at, milliseconds)| Action::LongPress { at, milliseconds }),
        (point(), point()).prop_map(|(from, to)| Action::Swipe { from, to }),
        Just(Action::SystemButton {
            button: SystemButton::Home
        }),
        any::<String>().prop_map(|name| Action::OpenApp { name }),
        (0..60_000u64).prop_map(|milliseconds| Action::Wait { milliseconds }),
        any::<String>().prop_map(|text| Action::Answer { text }),
        Just(Action::Terminate {
            status: TerminateStatus::Failure
        }),
        prop::sample::select(vec![
            Action::CursorPosition,
            Action::Back,
            Action::Forward,
            Action::CloseTab,
            Action::Screenshot
        ]),
    ]
}

/// How the family's template writes a call.
fn written(call: &ToolCall) -> String {
    let mut text = format!("\n<function={}>\n", call.name);
    for (key, value) in &call.arguments {
        let value = value
            .as_str()
            .map_or_else(|| crate::template::python_json(value), str::to_owned);
        text = format!("{text}<parameter={key}>\n{value}\n</parameter>\n");
    }
    text + "</function>\n"
}

/// The ids of a step with this call.
fn step_ids(call: &ToolCall) -> Vec<u32> {
    step_ids_after("", call)
}

/// The same with a plan or notes before the intent.
fn step_ids_after(before: &str, call: &ToolCall) -> Vec<u32> {
    let chat = chat();
    let tags = chat.tags();
    let encode = |text: &str| chat.tokenizer().encode(text).unwrap();
    [
        encode("I see it.\n"),
        vec![tags.think_end],
        encode(&format!("\n\n{before}Intent: do it\nExpect: done\n\n")),
        vec![tags.call],
        encode(&written(call)),
        vec![tags.call_end],
    ]
    .concat()
}

proptest! {
    #[test]
    fn reading_what_was_written_gives_the_action_back(action in action()) {
        prop_assert_eq!(parse_action(&render(&action, FRAME), FRAME), Ok(action));
    }

    #[test]
    fn any_arguments_are_read_or_refused(name in prop::sample::select(vec!["left_click", "key", "scroll", "zoom", "wait",
        "left_click_drag", "terminate", "switch_tab", "type"]), key in "[a-z_]{1,12}|coordinate|keys|pixels|time|text",
        value in prop_oneof![any::<f64>().prop_map(Value::from), any::<String>().prop_map(Value::from),
        prop::collection::vec(any::<i64>(), 0..5).prop_map(Value::from), Just(Value::Null)]) {
        if let Err(error) = parse(json!({"action": name, key: value})) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn written_calls_are_read_back_from_tokens(action in action()) {
        // Step by tokens: what the model writes is what is done, whatever the text contains.
        let call = render(&action, FRAME);
        let chat = chat();
        let turn = chat.parse(&step_ids(&call), true, &[schema(true)], true);
        let step = step::parse(&turn).unwrap();
        prop_assert_eq!((step.intent.as_str(), step.expect.as_str()), ("do it", "done"));
        // Text that itself looks like the end of a value can't be told apart from it; NFC may change other text.
        if !matches!(action, Action::Type { .. } | Action::Answer { .. } | Action::OpenApp { .. }) {
            prop_assert_eq!(parse_action(&step.call, FRAME), Ok(action));
        }
    }
}

#[test]
fn the_grammar_allows_every_action_and_nothing_else() {
    let chat = chat();
    let vocabulary: Arc<_> = chat.vocabulary();
    let grammar = step_grammar(
        chat.tags(),
        StepForm {
            thinking: true,
            ..StepForm::default()
        },
    );
    let fresh = Constraint::new(&grammar, &vocabulary).unwrap();
    let accepted = |ids: &[u32]| {
        let mut constraint = fresh.fork();
        let taken = ids
            .iter()
            .take_while(|id| constraint.try_push(**id).unwrap())
            .count();
        (taken == ids.len() && constraint.is_complete(), taken)
    };
    for arguments in [
        json!({"action": "left_click", "coordinate": [512, 300]}),
        json!({"action": "left_click", "coordinate": [0, 1000], "modifiers": ["ctrl", "shift"]}),
        json!({"action": "left_click_drag", "start_coordinate": [1, 2], "coordinate": [3, 4]}),
        json!({"action": "left_click_drag", "path": [[1, 2], [3, 4], [5, 6]]}),
        json!({"action": "type", "text": "größer\n\n</function> {} \"x\""}),
        json!({"action": "type", "text": ""}),
        json!({"action": "key", "keys": ["ctrl", "a"]}),
        json!({"action": "scroll", "pixels": -120, "coordinate": [500, 500]}),
        json!({"action": "open_url", "url": "https://example.org/?a=b"}),
        json!({"action": "wait", "time": 1.5}),
        json!({"action": "switch_tab", "index": 0}),
        json!({"action": "zoom", "region": [0, 0, 500, 500]}),
        json!({"action": "back"}),
        json!({"action": "terminate", "status": "success"}),
        json!({"action": "answer", "text": "42"}),
    ] {
        let ids = step_ids(&call(arguments.clone()));
        let (whole, taken) = accepted(&ids);
        let at = chat.vocabulary().decode(&ids[..taken]);
        assert!(whole, "{arguments}: stopped after {at:?}");
    }
    for arguments in [
        json!({"action": "left_click"}),
        json!({"action": "left_click", "coordinate": [512, 1001]}),
        json!({"action": "left_click", "coordinate": [512.5, 3]}),
        json!({"action": "back", "coordinate": [1, 1]}),
        json!({"action": "long_press", "coordinate": [1, 1], "time": 1}),
        json!({"action": "terminate", "status": "perhaps"}),
        json!({"action": "dance"}),
    ] {
        assert!(!accepted(&step_ids(&call(arguments.clone()))).0, "{arguments}");
    }
    // No deed without a reason.
    let whole = step_ids(&call(json!({"action": "back"})));
    let end = whole.iter().position(|id| *id == chat.tags().think_end).unwrap();
    assert!(!accepted(&whole[end..]).0);
}

#[test]
fn a_plan_and_notes_stand_before_the_intent_where_they_are_asked_for() {
    let chat = chat();
    let vocabulary: Arc<_> = chat.vocabulary();
    let back = call(json!({"action": "back"}));
    let ids = |before: &str| step_ids_after(before, &back);
    let accepts = |plan: bool, before: &str| {
        let form = StepForm { thinking: true, plan };
        let mut constraint = Constraint::new(&step_grammar(chat.tags(), form), &vocabulary).unwrap();
        let ids = ids(before);
        ids.iter().all(|id| constraint.try_push(*id).unwrap()) && constraint.is_complete()
    };
    let whole = "Plan:\n- [x] one | \"seen\"\n- [ ] two\nNote: 14:05\nNote: more\n";
    for before in ["", whole, "Note: only\n", "Plan:\n- [-] one | no way\n"] {
        assert!(accepts(true, before), "{before}");
        assert_eq!(accepts(false, before), before.is_empty(), "{before}");
    }
    for before in [
        "Plan:\n",
        "Plan:\n- [?] one\n",
        "Note:\n",
        "Note: first\nPlan:\n- [ ] one\n",
    ] {
        assert!(!accepts(true, before), "{before}");
    }
    let turn = chat.parse(&ids(whole), true, &[schema(false)], true);
    let step = step::parse(&turn).unwrap();
    assert_eq!(
        step::answer(step.plan.as_deref(), &step.notes, &step.intent, &step.expect),
        format!("{whole}Intent: do it\nExpect: done")
    );
}
