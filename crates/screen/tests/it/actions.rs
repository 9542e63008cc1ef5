//! Every action, and the mistakes that executors are known for.

use std::time::{Duration, Instant};

use aurore_action::{Action, Button, Chord, Modifier, Point, SystemButton};
use aurore_screen::{Screen, ScreenError};
use serde_json::json;

use crate::pages;
use crate::support::{act, at, click, clicks, key, typed};

#[test]
fn a_click_reaches_its_point() {
    let mut desk = at("recorder");
    let point = desk.middle("#pad");
    desk.do_(click(point));
    assert_eq!(
        desk.log(),
        [
            "mousedown 120,70 b0 n1",
            "mouseup 120,70 b0 n1",
            "click 120,70 b0 n1"
        ]
    );
}

#[test]
fn clicks_are_counted_one_two_three() {
    let mut desk = at("recorder");
    desk.do_(clicks(Button::Left, 2, Point::new(120, 70)));
    assert_eq!(desk.log().last().unwrap(), "dblclick 120,70 b0 n2");
    let mut desk = {
        drop(desk);
        at("recorder")
    };
    desk.do_(clicks(Button::Left, 3, Point::new(120, 70)));
    let log = desk.log();
    assert_eq!(log.iter().filter(|line| line.starts_with("click")).count(), 3);
    assert_eq!(log.last().unwrap(), "click 120,70 b0 n3");
}

#[test]
fn other_buttons_and_modifiers_arrive() {
    let mut desk = at("recorder");
    desk.do_(clicks(Button::Right, 1, Point::new(120, 70)));
    assert!(
        desk.log().contains(&"contextmenu 120,70 b2 n0".to_owned()),
        "{:?}",
        desk.log()
    );
    desk.do_(clicks(Button::Middle, 1, Point::new(120, 70)));
    assert!(
        desk.log().contains(&"auxclick 120,70 b1 n1".to_owned()),
        "{:?}",
        desk.log()
    );
    desk.do_(Action::Click {
        button: Button::Left,
        count: 1,
        at: Point::new(120, 70),
        modifiers: vec![Modifier::Control, Modifier::Shift],
    });
    assert_eq!(desk.log().last().unwrap(), "click 120,70 b0 n1 ctrl shift");
}

#[test]
fn the_wheel_turns_at_its_point_in_its_direction() {
    let mut desk = at("recorder");
    let scroll = |at, dx, dy| Action::Scroll {
        at,
        dx,
        dy,
        modifiers: Vec::new(),
    };
    desk.do_(scroll(Some(Point::new(350, 70)), 0, 60));
    assert_eq!(desk.log(), ["wheel list 0,60"]);
    assert_eq!(
        desk.value("[list.scrollLeft, list.scrollTop, scrollY]"),
        json!([0, 60, 0])
    );
    desk.do_(scroll(Some(Point::new(350, 70)), 40, 0));
    assert_eq!(desk.value("[list.scrollLeft, list.scrollTop]"), json!([40, 60]));
    desk.do_(scroll(None, 0, 100));
    assert_eq!(desk.value("[list.scrollTop, scrollY]"), json!([60, 100]));
    desk.do_(scroll(None, 0, -100));
    assert_eq!(desk.value("[scrollX, scrollY]"), json!([0, 0]));
}

#[test]
fn waiting_takes_its_time() {
    let mut desk = at("plain");
    let start = Instant::now();
    desk.do_(Action::Wait { milliseconds: 300 });
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_drag_starts_where_it_says_and_passes_all_points() {
    let mut desk = at("drag");
    desk.do_(Action::MouseMove {
        to: Point::new(500, 400),
    });
    desk.do_(Action::Drag {
        path: vec![Point::new(60, 60), Point::new(200, 60), Point::new(200, 160)],
        modifiers: Vec::new(),
    });
    assert_eq!(desk.log(), ["down 60,60", "up 200,160"]);
    assert_eq!(
        desk.value("own.style.transform"),
        json!("translate(140px, 100px)")
    );
}

#[test]
fn drag_and_drop_of_the_page_carries_its_load() {
    let mut desk = at("drag");
    let (from, to) = (desk.middle("#native"), desk.middle("#drop"));
    desk.do_(Action::Drag {
        path: vec![from, to],
        modifiers: Vec::new(),
    });
    let log = desk.log();
    assert!(log.contains(&"drop load".to_owned()), "{log:?}");
}

#[test]
fn the_button_goes_down_and_up_by_itself() {
    let mut desk = at("recorder");
    desk.do_(Action::MouseDown {
        at: Some(Point::new(50, 50)),
    });
    desk.do_(Action::MouseMove {
        to: Point::new(90, 60),
    });
    let effect = desk.do_(Action::CursorPosition);
    assert_eq!(effect.notes, ["The pointer is at pixel (90, 60) of the frame."]);
    desk.do_(Action::MouseUp { at: None });
    let log = desk.log();
    assert_eq!(log.first().unwrap(), "mousedown 50,50 b0 n1");
    assert!(log.contains(&"drag 90,60".to_owned()), "{log:?}");
    assert!(log.contains(&"mouseup 90,60 b0 n1".to_owned()), "{log:?}");
}

#[test]
fn text_of_any_script_arrives_whole() {
    let mut desk = at("recorder");
    let area = desk.middle("#area");
    desk.do_(click(area));
    let text = "Grüße, 世界! 👩‍🚀 \"<&>\" \\n\nsecond line";
    desk.do_(typed(text));
    assert_eq!(desk.value("area.value"), json!(text));
    let log = desk.log();
    assert!(log.contains(&"keydown G KeyG shift".to_owned()), "{log:?}");
    assert!(log.contains(&"keydown Enter Enter".to_owned()), "{log:?}");
}

#[test]
fn long_text_arrives_too() {
    let mut desk = at("recorder");
    let area = desk.middle("#area");
    desk.do_(click(area));
    let text = format!("{}\n{}", "long ".repeat(400), "text ".repeat(400));
    desk.do_(typed(&text));
    assert_eq!(desk.value("area.value"), json!(text));
}

#[test]
fn chords_edit_once() {
    let mut desk = at("recorder");
    let field = desk.middle("#field");
    desk.do_(click(field));
    desk.do_(typed("abc"));
    desk.do_(key("ctrl+a"));
    assert_eq!(
        desk.value("[field.selectionStart, field.selectionEnd]"),
        json!([0, 3])
    );
    desk.do_(key("ctrl+c"));
    desk.do_(key("End"));
    desk.do_(key("ctrl+v"));
    assert_eq!(desk.value("field.value"), json!("abcabc"));
    desk.do_(key("ctrl+z"));
    assert_eq!(desk.value("field.value"), json!("abc"));
    desk.do_(key("BackSpace"));
    desk.do_(key("shift+x"));
    assert_eq!(desk.value("field.value"), json!("abX"));
    desk.do_(key("shift+Home"));
    assert_eq!(
        desk.value("[field.selectionStart, field.selectionEnd]"),
        json!([0, 3])
    );
    assert!(desk.log().contains(&"keydown a KeyA ctrl".to_owned()));
}

#[test]
fn a_held_key_repeats_and_is_let_go() {
    let mut desk = at("recorder");
    let field = desk.middle("#field");
    desk.do_(click(field));
    desk.do_(Action::HoldKey {
        chord: Chord::parse(&["x"]).unwrap(),
        milliseconds: 700,
    });
    let log = desk.log();
    let keys: Vec<_> = log.iter().filter(|line| line.contains("KeyX")).collect();
    assert_eq!(keys[0], "keydown x KeyX");
    assert_eq!(keys[1], "keydown x KeyX repeat");
    assert_eq!(*keys.last().unwrap(), "keyup x KeyX");
}

#[test]
fn a_drop_down_list_is_chosen_from_by_keys() {
    let mut desk = at("list");
    let list = desk.middle("#list");
    desk.do_(click(list));
    let notes = desk.look().unwrap().notes;
    assert!(
        notes[0].contains("Country") && notes[0].contains("\"France\", \"Ghana\", \"Peru\""),
        "{notes:?}"
    );
    desk.do_(key("Down"));
    desk.do_(key("Enter"));
    assert_eq!(desk.value("list.value"), json!("Ghana"));
    assert_eq!(desk.log(), ["Ghana"]);
}

#[test]
fn addresses_and_history() {
    let mut desk = at("plain");
    desk.do_(Action::OpenUrl {
        url: pages::address("other"),
    });
    assert_eq!(desk.value("location.pathname"), json!("/other"));
    desk.do_(Action::Back);
    assert_eq!(desk.value("location.pathname"), json!("/plain"));
    desk.do_(Action::Forward);
    assert_eq!(desk.value("location.pathname"), json!("/other"));
    assert!(matches!(
        desk.act(Action::Forward),
        Err(ScreenError::NoHistory { direction: "forward" })
    ));
}

#[test]
fn a_picture_comes_while_the_page_is_going_elsewhere_too() {
    let mut desk = at("plain");
    desk.do_(Action::OpenUrl {
        url: pages::address("other"),
    });
    // Each is judged on a look that falls into the move before it.
    for _ in 0..10 {
        act(&mut desk, Action::Back).unwrap();
        act(&mut desk, Action::Forward).unwrap();
    }
    desk.settle().unwrap();
    assert_eq!(desk.value("location.pathname"), json!("/other"));
}

#[test]
fn addresses_of_other_kinds_are_refused() {
    let mut desk = at("plain");
    for url in [
        "file:///etc/passwd",
        "chrome://version",
        "javascript:alert(1)",
        "data:text/html,x",
    ] {
        assert!(
            matches!(desk.open(url), Err(ScreenError::Address { .. })),
            "{url}"
        );
    }
    assert_eq!(desk.value("location.pathname"), json!("/plain"));
}

#[test]
fn an_address_that_answers_nothing_is_an_error() {
    let mut desk = at("plain");
    // Port 1 is nobody's.
    let error = desk.open("http://127.0.0.1:1/").unwrap_err();
    assert!(
        matches!(&error, ScreenError::Navigation { reason, .. } if reason.contains("ERR_")),
        "{error}"
    );
}

#[test]
fn what_a_page_opens_is_a_tab_and_can_be_closed() {
    for selector in ["#new", "#popup"] {
        let mut desk = at("tabs");
        let link = desk.middle(selector);
        let effect = desk.do_(click(link));
        let frame = desk.look().unwrap();
        assert_eq!(frame.tabs.len(), 2, "{frame:?}");
        assert!(frame.tabs[1].current, "{frame:?}");
        let told: Vec<_> = effect.notes.iter().chain(&frame.notes).collect();
        assert!(told.iter().any(|note| note.contains("new tab")), "{told:?}");
        desk.do_(Action::SwitchTab { index: 0 });
        assert!(desk.look().unwrap().url.unwrap().ends_with("/tabs"));
        assert!(matches!(
            desk.act(Action::SwitchTab { index: 2 }),
            Err(ScreenError::NoTab { index: 2, count: 2 })
        ));
        desk.do_(Action::SwitchTab { index: 1 });
        desk.do_(Action::CloseTab);
        let frame = desk.look().unwrap();
        assert_eq!((frame.tabs.len(), frame.tabs[0].current), (1, true));
    }
}

#[test]
fn the_last_tab_leaves_an_empty_one() {
    let mut desk = at("plain");
    desk.do_(Action::CloseTab);
    let frame = desk.look().unwrap();
    assert_eq!(frame.url.as_deref(), Some("about:blank"));
    assert_eq!(frame.tabs.len(), 1);
}

#[test]
fn what_a_phone_does_a_browser_does_not() {
    let mut desk = at("plain");
    let actions = [
        Action::LongPress {
            at: Point::new(1, 1),
            milliseconds: 1,
        },
        Action::Swipe {
            from: Point::new(1, 1),
            to: Point::new(2, 2),
        },
        Action::SystemButton {
            button: SystemButton::Home,
        },
        Action::OpenApp { name: "Mail".into() },
    ];
    for action in actions {
        let name = action.name();
        let approved = desk.approve(action);
        let error = desk.perform(approved).unwrap_err();
        assert!(
            matches!(error, ScreenError::NotOnThisDevice { action, .. } if action == name),
            "{error}"
        );
    }
}

#[test]
fn ordinary_things_go_as_for_a_person() {
    let mut desk = at("ordinary");
    let label = desk.middle("#label");
    desk.do_(click(label));
    assert_eq!(desk.log(), ["box true"]);
    let rich = desk.middle("#rich");
    desk.do_(click(rich));
    desk.do_(typed("rich é"));
    assert_eq!(desk.value("rich.innerText"), json!("rich é"));
    let range = desk.middle("#range");
    desk.do_(Action::Drag {
        path: vec![range, Point::new(range.x + 200, range.y)],
        modifiers: Vec::new(),
    });
    assert_eq!(desk.value("range.value"), json!("100"));
    let more = desk.middle("#more");
    desk.do_(click(more));
    assert_eq!(desk.value("document.querySelector('details').open"), json!(true));
    let menu = desk.middle("#menu");
    desk.do_(click(menu));
    let item = desk.middle("#item");
    desk.do_(click(item));
    assert_eq!(desk.log(), ["box true", "item"]);
    let name = desk.middle("#name");
    desk.do_(click(name));
    desk.do_(typed("Ada\n"));
    assert_eq!(
        desk.value("location.pathname + location.search"),
        json!("/other?name=Ada")
    );
    desk.do_(Action::Back);
    let link = desk.middle("#link");
    desk.do_(click(link));
    assert_eq!(desk.value("location.pathname"), json!("/plain"));
}

#[test]
fn documents_without_scripts_are_operated_too() {
    let mut desk = at("sandbox");
    let button = desk.target_at(Point::new(100, 30)).unwrap().unwrap();
    assert_eq!((button.role.as_str(), button.origin.as_str()), ("button", "null"));
    let tick = Point::new(230, 30);
    desk.do_(click(tick));
    assert_eq!(
        desk.target_at(tick).unwrap().unwrap().value.as_deref(),
        Some("checked")
    );
    drop(desk);
    for page in ["strict", "drawing.svg"] {
        let mut desk = at(page);
        let link = desk.target_at(Point::new(20, 18)).unwrap().unwrap();
        assert_eq!(link.link, Some(pages::address("other")), "{page}");
        desk.do_(click(Point::new(20, 18)));
        assert_eq!(desk.look().unwrap().url, Some(pages::address("other")), "{page}");
    }
    let mut desk = at("note.txt");
    desk.do_(click(Point::new(30, 30)));
    assert_eq!(desk.target(&key("x")).unwrap().unwrap().role, "document");
}
