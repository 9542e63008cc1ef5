//! What was approved is what is hit, however the page moves between the approval and the input.

use aurore_action::{Action, Point};
use aurore_policy::Tier;
use aurore_screen::{Screen, ScreenError};
use serde_json::json;

use crate::support::{Desk, approve_with, at, click, clicks, key, typed};

fn refused(desk: &mut Desk, approved: aurore_policy::Approved<Action>, reached: bool) -> String {
    match desk.perform(approved).unwrap_err() {
        ScreenError::TargetChanged { difference, done } => {
            assert_eq!(done.is_some(), reached, "{difference}: {done:?}");
            difference
        }
        other => panic!("{other}"),
    }
}

fn evil_events(desk: &mut Desk) -> Vec<String> {
    let log = desk.log();
    log.into_iter()
        .filter(|line| line.starts_with("evil") || line.starts_with("frame"))
        .collect()
}

#[test]
fn a_change_between_approval_and_input_is_seen() {
    for change in [
        "overlay()",
        "replace()",
        "safe.textContent = 'Pay now'",
        "safe.remove()",
    ] {
        let mut desk = at("swap");
        let safe = desk.middle("#safe");
        let approved = desk.approve(click(safe));
        desk.evaluate(&format!("(() => {{ {change} }})()")).unwrap();
        refused(&mut desk, approved, false);
        assert!(desk.log().is_empty(), "{change}: {:?}", desk.log());
    }
}

#[test]
fn a_change_when_the_pointer_comes_is_stopped_in_the_page() {
    for (moment, change) in [
        ("pointermove", "overlay"),
        ("mouseenter", "replace"),
        ("mousemove", "overlay"),
        ("mouseover", "overlayFrame"),
    ] {
        let mut desk = at("swap");
        let safe = desk.middle("#safe");
        let approved = desk.approve(click(safe));
        desk.evaluate(&format!("on('{moment}', {change})")).unwrap();
        let why = refused(&mut desk, approved, false);
        assert_eq!(
            evil_events(&mut desk),
            Vec::<String>::new(),
            "{moment} {change}: {why}"
        );
        assert_eq!(
            desk.value("log.includes('pointerdown') || log.includes('mousedown')"),
            json!(false)
        );
    }
}

#[test]
fn a_change_of_label_when_the_pointer_comes_is_stopped_too() {
    let mut desk = at("swap");
    let safe = desk.middle("#safe");
    let approved = desk.approve(click(safe));
    desk.evaluate("on('mousemove', () => safe.textContent = 'Pay now')")
        .unwrap();
    let why = refused(&mut desk, approved, false);
    assert!(why.contains("label"), "{why}");
    assert!(desk.log().is_empty());
}

#[test]
fn a_change_during_the_press_withholds_the_rest() {
    for (moment, change) in [
        ("pointerdown", "overlay"),
        ("mousedown", "replace"),
        ("mousedown", "overlay"),
    ] {
        let mut desk = at("swap");
        let safe = desk.middle("#safe");
        let approved = desk.approve(click(safe));
        desk.evaluate(&format!("on('{moment}', {change})")).unwrap();
        let why = refused(&mut desk, approved, true);
        assert_eq!(
            evil_events(&mut desk),
            Vec::<String>::new(),
            "{moment} {change}: {why}"
        );
    }
}

#[test]
fn a_second_press_finds_the_same_element() {
    let mut desk = at("swap");
    let safe = desk.middle("#safe");
    let approved = desk.approve(clicks(aurore_action::Button::Left, 2, safe));
    desk.evaluate("on('click', replace)").unwrap();
    refused(&mut desk, approved, true);
    assert_eq!(evil_events(&mut desk), Vec::<String>::new());
}

#[test]
fn a_closed_shadow_tree_is_guarded_inside() {
    let mut desk = at("shadow");
    let host = desk.middle("closed-box");
    let approved = desk.approve(click(Point::new(120, host.y)));
    desk.evaluate(
        "document.querySelector('closed-box').addEventListener('mousemove', swapClosed, {once: true}), 0",
    )
    .unwrap();
    refused(&mut desk, approved, false);
    assert!(desk.log().is_empty(), "{:?}", desk.log());
}

#[test]
fn a_navigation_in_mid_click_gets_nothing() {
    let mut desk = at("away");
    let go = desk.middle("#go");
    let approved = desk.approve(click(go));
    desk.evaluate("void document.querySelector('#away').click()")
        .unwrap();
    desk.settle().unwrap();
    let why = refused(&mut desk, approved, false);
    assert!(why.contains("localhost"), "{why}");
}

#[test]
fn a_navigation_when_the_pointer_comes_gets_nothing() {
    let mut desk = at("swap");
    let safe = desk.middle("#safe");
    let approved = desk.approve(click(safe));
    // A page without scripts of its own stands in the first one's place before the press.
    desk.evaluate(
        "on('mousemove', () => { const now = performance.now(); document.open(); document.write('<button style=\"position:absolute;left:50px;top:50px;width:200px;height:60px\" onmousedown=\"window.hit = 1\" onclick=\"window.hit = 1\">Pay now</button>'); document.close(); })",
    )
    .unwrap();
    refused(&mut desk, approved, false);
    assert_eq!(desk.value("window.hit ?? 0"), json!(0));
}

#[test]
fn a_redirect_to_another_origin_is_where_the_page_is() {
    let mut desk = at("plain");
    desk.do_(Action::OpenUrl {
        url: crate::pages::address("redirect"),
    });
    assert!(desk.look().unwrap().origin.contains("localhost"));
}

#[test]
fn keys_do_not_follow_a_stolen_focus() {
    let mut desk = at("focus");
    let note = desk.middle("#note");
    desk.do_(click(note));
    let approved = desk.approve(typed("hello"));
    desk.evaluate("secret.focus()").unwrap();
    refused(&mut desk, approved, false);

    desk.do_(click(note));
    let approved = desk.approve(typed("hello"));
    desk.evaluate("note.addEventListener('input', () => secret.focus(), {once: true})")
        .unwrap();
    refused(&mut desk, approved, true);
    assert_eq!(desk.value("[note.value, secret.value]"), json!(["h", ""]));

    // Text that no key types goes the same way.
    desk.do_(click(note));
    let approved = desk.approve(typed("é"));
    desk.evaluate("note.addEventListener('beforeinput', () => secret.focus(), {once: true}), secret.focus()")
        .unwrap();
    refused(&mut desk, approved, false);
    assert_eq!(desk.value("secret.value"), json!(""));
}

#[test]
fn a_key_does_not_press_another_button() {
    let mut desk = at("focus");
    let note = desk.middle("#note");
    desk.do_(click(note));
    let approved = desk.approve(key("Enter"));
    desk.evaluate("send.focus()").unwrap();
    refused(&mut desk, approved, false);
    assert!(!desk.log().contains(&"sent".to_owned()));
    desk.do_(key("Enter"));
    assert!(
        desk.log().contains(&"sent".to_owned()),
        "a key approved for the button presses it"
    );
}

#[test]
fn the_boxes_of_a_code_may_pass_the_focus_on() {
    let mut desk = at("focus");
    let first = desk.middle("#d1");
    desk.do_(click(first));
    desk.do_(typed("123"));
    assert_eq!(
        desk.value("[d1.value, d2.value, d3.value].join('')"),
        json!("123")
    );
}

#[test]
fn a_drag_ends_where_it_was_approved() {
    let mut desk = at("swap");
    let safe = desk.middle("#safe");
    let approved = desk.approve(Action::Drag {
        path: vec![safe, Point::new(500, 400)],
        modifiers: Vec::new(),
    });
    desk.evaluate("on('mousedown', () => { const button = evil(); button.style.left = '400px'; button.style.top = '370px'; document.body.append(button); })")
        .unwrap();
    refused(&mut desk, approved, true);
    assert_eq!(evil_events(&mut desk), Vec::<String>::new());
}

#[test]
fn a_canvas_is_held_to_the_picture_that_a_person_was_shown() {
    let mut desk = at("canvas");
    let canvas = desk.middle("#canvas");
    let asked = approve_with(&mut desk, click(canvas), Some(Tier::Always));
    desk.evaluate("paint('red')").unwrap();
    let why = refused(&mut desk, asked, false);
    assert!(why.contains("picture"), "{why}");
    let asked = approve_with(&mut desk, click(canvas), Some(Tier::Always));
    desk.perform(asked).unwrap();
    let allowed = desk.approve(click(canvas));
    desk.evaluate("paint('blue')").unwrap();
    desk.perform(allowed).unwrap();
    assert_eq!(desk.value("log.length"), json!(2));
}

#[test]
fn a_button_without_words_is_held_to_its_picture() {
    let mut desk = at("pictures");
    for (button, repaint) in [
        ("#drawn", "colour.setAttribute('fill', 'red')"),
        (
            "#behind",
            "behind.style.backgroundImage = 'linear-gradient(red, red)'",
        ),
    ] {
        let at = desk.middle(button);
        let asked = approve_with(&mut desk, click(at), Some(Tier::Always));
        desk.evaluate(repaint).unwrap();
        let why = refused(&mut desk, asked, false);
        assert!(why.contains("picture"), "{button}: {why}");
        let asked = approve_with(&mut desk, click(at), Some(Tier::Always));
        desk.perform(asked).unwrap();
    }
    assert_eq!(desk.value("log.length"), json!(2));
    // Where words tell what it is, its picture may move.
    let at = desk.middle("#named");
    let asked = approve_with(&mut desk, click(at), Some(Tier::Always));
    desk.evaluate("other.setAttribute('fill', 'red')").unwrap();
    desk.perform(asked).unwrap();
    assert_eq!(desk.value("log.length"), json!(3));
}

#[test]
fn nothing_gets_through_that_was_not_approved() {
    // The run's own stop switch stands before each input.
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut browser = crate::support::launch(aurore_screen::browser::BrowserOptions {
        stop: stop.clone(),
        ..crate::support::options()
    });
    browser.open(&crate::pages::address("recorder")).unwrap();
    let approved = crate::support::approve(&mut browser, click(Point::new(120, 70)));
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = browser.perform(approved).unwrap_err();
    assert!(matches!(error, ScreenError::Interrupted { .. }), "{error}");
    stop.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(browser.evaluate("log").unwrap(), json!([]));
}
