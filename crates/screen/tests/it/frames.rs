//! What a look tells.

use aurore_action::{Action, Point, Rect, Size};
use aurore_screen::browser::BrowserOptions;
use aurore_screen::{Screen, ScreenError};
use serde_json::json;

use crate::pages;
use crate::support::{VIEWPORT, act, at, click, hex_sha256, key, launch, middle, options, typed};

#[test]
fn a_frame_is_the_page() {
    let mut desk = at("plain");
    let frame = desk.look().unwrap();
    assert_eq!(frame.size, VIEWPORT);
    assert_eq!(frame.title, "Page");
    assert_eq!(frame.url.as_deref(), Some(&*pages::address("plain")));
    assert_eq!(format!("{}/", frame.origin), pages::address(""));
    assert!(frame.notes.is_empty(), "{:?}", frame.notes);
    assert_eq!(frame.id.0, hex_sha256(&frame.png));
    let picture = image::load_from_memory(&frame.png).unwrap();
    assert_eq!(
        (picture.width(), picture.height()),
        (VIEWPORT.width, VIEWPORT.height)
    );
    assert_eq!(desk.look().unwrap().id, frame.id, "nothing moved");
}

#[test]
fn a_scaled_display_has_more_pixels_and_the_same_targets() {
    let mut browser = launch(BrowserOptions {
        scale: 2.0,
        ..options()
    });
    browser.open(&pages::address("recorder")).unwrap();
    let frame = browser.look().unwrap();
    assert_eq!(
        frame.size,
        Size {
            width: 1280,
            height: 960
        }
    );
    let css = middle(&mut browser, "#pad");
    let pixel = Point::new(css.x * 2, css.y * 2);
    let bounds = browser.target_at(pixel).unwrap().unwrap().bounds.unwrap();
    assert_eq!(
        bounds,
        Rect {
            x: 40,
            y: 40,
            width: 400,
            height: 200
        }
    );
    act(&mut browser, click(pixel)).unwrap();
    let log = browser.evaluate("log").unwrap();
    assert_eq!(log[0], json!("mousedown 120,70 b0 n1"));
}

#[test]
fn a_zoom_shows_a_region_larger() {
    let mut desk = at("recorder");
    let effect = desk.do_(Action::Zoom {
        region: Rect {
            x: 20,
            y: 20,
            width: 160,
            height: 80,
        },
    });
    let picture = image::load_from_memory(&effect.magnified.unwrap())
        .unwrap()
        .to_rgb8();
    assert_eq!((picture.width(), picture.height()), (640, 320));
    assert_eq!(picture.get_pixel(600, 300).0, [0xcc; 3]);
    let outside = desk.act(Action::Zoom {
        region: Rect {
            x: 700,
            y: 20,
            width: 10,
            height: 10,
        },
    });
    assert!(matches!(outside, Err(ScreenError::Unfit { action: "zoom", .. })));
}

#[test]
fn dialogs_are_told_and_answered_by_keys() {
    let mut desk = at("dialogs");
    let alert = desk.middle("#alert");
    let effect = desk.do_(click(alert));
    assert!(
        effect.notes[0].contains("alert \"Hello there\""),
        "{:?}",
        effect.notes
    );
    let frame = desk.look().unwrap();
    assert!(frame.notes[0].contains("Hello there"), "{:?}", frame.notes);
    let target = desk.target_at(alert).unwrap().unwrap();
    assert_eq!(
        (target.role.as_str(), target.label.as_str()),
        ("alertdialog", "Hello there")
    );
    let blocked = desk.act(click(alert)).unwrap_err();
    assert!(matches!(blocked, ScreenError::DialogOpen { .. }), "{blocked}");
    desk.do_(key("Enter"));
    assert_eq!(desk.log(), ["alerted"]);

    let confirm = desk.middle("#confirm");
    desk.do_(click(confirm));
    desk.do_(key("Escape"));
    desk.do_(click(confirm));
    desk.do_(key("Enter"));
    assert_eq!(desk.log(), ["alerted", "false", "true"]);

    let prompt = desk.middle("#prompt");
    desk.do_(click(prompt));
    desk.do_(typed("Ada"));
    desk.do_(key("Enter"));
    desk.do_(click(prompt));
    desk.do_(typed("Grace\n"));
    desk.do_(click(prompt));
    desk.do_(key("Escape"));
    assert_eq!(desk.log()[3..], ["Ada", "Grace", "null"]);

    let twice = desk.middle("#twice");
    desk.do_(click(twice));
    desk.do_(key("Enter"));
    assert!(desk.look().unwrap().notes[0].contains("\"two\""));
    desk.do_(key("Enter"));
    assert_eq!(desk.log().last().unwrap(), "both");
}

#[test]
fn a_page_may_ask_before_it_is_left() {
    let mut desk = at("dialogs");
    let stay = desk.middle("#stay");
    desk.do_(click(stay));
    desk.do_(Action::OpenUrl {
        url: pages::address("other"),
    });
    assert!(desk.look().unwrap().notes[0].contains("beforeunload"));
    desk.do_(key("Escape"));
    assert_eq!(desk.value("location.pathname"), json!("/dialogs"));
    desk.do_(Action::OpenUrl {
        url: pages::address("other"),
    });
    desk.do_(key("Enter"));
    assert_eq!(desk.value("location.pathname"), json!("/other"));
}

#[test]
fn an_answer_to_a_dialog_is_for_that_dialog() {
    let mut desk = at("dialogs");
    let twice = desk.middle("#twice");
    desk.do_(click(twice));
    let (first, again) = (desk.approve(key("Enter")), desk.approve(key("Enter")));
    desk.perform(first).unwrap();
    desk.settle().unwrap();
    let error = desk.perform(again).unwrap_err();
    assert!(matches!(error, ScreenError::TargetChanged { .. }), "{error}");
}

#[test]
fn settling_waits_for_what_comes_late() {
    let mut desk = at("late");
    assert_eq!(
        desk.value("Boolean(document.querySelector('#late'))"),
        json!(true)
    );
    let address = pages::address("other");
    desk.evaluate(&format!("void setTimeout(() => location.href = '{address}', 5)"))
        .unwrap();
    desk.settle().unwrap();
    assert_eq!(
        desk.value("document.querySelector('h1').textContent"),
        json!("Other")
    );
}

#[test]
fn a_page_that_never_ends_is_shown_as_far_as_it_is() {
    let mut browser = launch(BrowserOptions {
        settle_limit: std::time::Duration::from_millis(500),
        ..options()
    });
    browser.open(&pages::address("endless")).unwrap();
    let frame = browser.look().unwrap();
    assert_eq!(frame.title, "Endless");
    assert_eq!(frame.notes, ["The page is still loading."]);
    let here = middle(&mut browser, "#here");
    act(&mut browser, click(here)).unwrap();
}

#[test]
fn a_page_that_never_settles_is_shown_in_between_and_told() {
    let mut browser = launch(BrowserOptions {
        settle_limit: std::time::Duration::from_millis(500),
        ..options()
    });
    browser.open(&pages::address("other")).unwrap();
    assert_eq!(browser.look().unwrap().notes, [""; 0]);
    browser
        .evaluate("void document.body.animate([{opacity: 1}, {opacity: 0.5}], {duration: 1e6})")
        .unwrap();
    browser.settle().unwrap();
    assert_eq!(
        browser.look().unwrap().notes,
        ["The page keeps changing: this is how it looked in between."]
    );
    browser
        .evaluate("document.getAnimations().forEach((animation) => animation.cancel())")
        .unwrap();
    browser.settle().unwrap();
    assert_eq!(browser.look().unwrap().notes, [""; 0]);
}

#[test]
fn an_address_that_cannot_be_loaded_is_told() {
    let mut browser = launch(options());
    browser.open(&pages::address("other")).unwrap();
    // Nobody listens there.
    browser.evaluate("location.href = 'http://127.0.0.1:9/'").unwrap();
    browser.settle().unwrap();
    let notes = browser.look().unwrap().notes;
    assert!(
        notes.iter().any(|note| note.contains("shows an error page")),
        "{notes:?}"
    );
}

#[test]
fn downloads_are_refused_and_told() {
    let mut desk = at("plain");
    let effect = desk.do_(Action::OpenUrl {
        url: pages::address("file.zip"),
    });
    let notes = [effect.notes, desk.look().unwrap().notes].concat();
    assert!(notes.iter().any(|note| note.contains("file.zip")), "{notes:?}");
    assert_eq!(desk.value("location.pathname"), json!("/plain"));
}
