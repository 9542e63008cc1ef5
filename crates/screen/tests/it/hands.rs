//! A person at the browser's own window beside the run.

use aurore_action::{Action, Point};
use aurore_screen::Screen;
use aurore_screen::browser::{Browser, BrowserOptions};

use crate::pages;
use crate::support::{act, click, key, launch, options};

/// A browser in whose pages a person may press, on a page that has been looked at.
fn shared(page: &str) -> Browser {
    let mut browser = launch(BrowserOptions {
        shared: true,
        ..options()
    });
    browser.open(&pages::address(page)).unwrap();
    browser.look().unwrap();
    assert!(!browser.touched(), "nobody was there");
    browser
}

#[test]
fn another_hand_in_the_window_is_noticed_and_the_runs_own_is_not() {
    let mut browser = shared("form");
    let body = Point::new(5, 5);
    act(&mut browser, click(body)).unwrap();
    act(&mut browser, key("Tab")).unwrap();
    browser.look().unwrap();
    assert!(!browser.touched(), "these were the run's own");
    browser.press_as_a_person(body).unwrap();
    assert!(browser.touched());
    assert!(!browser.touched(), "it is told once");
    // A press that leads elsewhere at once is not lost with its page; a page cannot tell it itself.
    browser
        .evaluate(
            "typeof auroreTouched === 'undefined' && dispatchEvent(new KeyboardEvent('keydown', {key: 'a'}))",
        )
        .unwrap();
    assert!(!browser.touched(), "a page's own events are no person's");
    browser
        .evaluate("document.body.innerHTML = '<a href=\"about:blank\" style=\"position: fixed; inset: 0\">away</a>'; 0")
        .unwrap();
    browser.press_as_a_person(body).unwrap();
    assert_eq!(browser.look().unwrap().url.as_deref(), Some("about:blank"));
    assert!(browser.touched());
    // While a question stands the window is nobody's.
    browser.open(&pages::address("form")).unwrap();
    browser.look().unwrap();
    browser.touched();
    browser.questioned(true);
    // The page has been told when it answers what it is asked next.
    browser.evaluate("0").unwrap();
    browser.press_as_a_person(body).unwrap();
    assert!(!browser.touched(), "it did not reach the page");
}

#[test]
fn turns_of_the_wheel_are_told_apart() {
    let mut browser = shared("form");
    browser
        .evaluate("document.body.insertAdjacentHTML('beforeend', '<div style=\"height: 9000px\"></div>'); 0")
        .unwrap();
    let at = Point::new(100, 100);
    let scroll = Action::Scroll {
        at: Some(at),
        dx: 0,
        dy: 300,
        modifiers: Vec::new(),
    };
    act(&mut browser, scroll).unwrap();
    browser.settle().unwrap();
    browser.look().unwrap();
    assert_eq!(browser.evaluate("scrollY > 0").unwrap(), true);
    assert!(!browser.touched(), "this was the run's own");
    browser.evaluate("scrollTo(0, 500)").unwrap();
    browser.look().unwrap();
    assert!(!browser.touched(), "a page scrolls as it likes");
    browser.scroll_as_a_person(at, 200.0).unwrap();
    assert!(browser.touched());
    // Also while a question stands, where presses reach nothing.
    browser.questioned(true);
    browser.evaluate("0").unwrap();
    browser.scroll_as_a_person(at, 200.0).unwrap();
    assert!(browser.touched());
}

#[test]
fn the_address_bar_and_back_are_a_persons_where_neither_page_nor_run_asked() {
    let mut browser = shared("form");
    let (form, other) = (pages::address("form"), pages::address("other"));
    // The run's own ways, and a page's.
    act(&mut browser, Action::OpenUrl { url: other.clone() }).unwrap();
    act(&mut browser, Action::Back).unwrap();
    act(&mut browser, Action::Forward).unwrap();
    for script in [
        "location = '/form'; 0",
        "location.reload()",
        "history.pushState(1, '', '?later'); 0",
        "location.hash = 'there'; 0",
        "document.body.innerHTML = '<a href=/other style=\"position: fixed; inset: 0\">x</a>'; document.querySelector('a').click()",
    ] {
        browser.settle().unwrap();
        browser.look().unwrap();
        browser.evaluate(script).unwrap();
        browser.settle().unwrap();
        browser.look().unwrap();
        assert!(!browser.touched(), "{script}");
    }
    // A script that goes back because of the run's own press.
    browser
        .evaluate("document.body.innerHTML = '<button onclick=\"history.back()\" style=\"position: fixed; inset: 0\">Back</button>'; 0")
        .unwrap();
    act(&mut browser, click(Point::new(50, 50))).unwrap();
    browser.settle().unwrap();
    let frame = browser.look().unwrap();
    assert!(frame.url.unwrap().contains("/form"), "it went back");
    assert!(!browser.touched(), "that was the press");
    // A person's.
    browser.go_as_a_person(&other).unwrap();
    assert!(browser.touched());
    browser.back_as_a_person().unwrap();
    assert!(browser.touched());
    browser.go_as_a_person(&format!("{form}#below")).unwrap();
    assert!(browser.touched());
    assert!(!browser.touched(), "it is told once");
}

#[test]
fn a_tab_that_a_person_opens_or_closes_is_theirs() {
    let mut browser = shared("form");
    // A page's tab, and the run closes it.
    browser
        .evaluate("document.body.innerHTML = '<a href=/other target=_blank rel=noopener style=\"position: fixed; inset: 0\">new</a>'; 0")
        .unwrap();
    act(&mut browser, click(Point::new(50, 50))).unwrap();
    browser.settle().unwrap();
    assert_eq!(browser.look().unwrap().tabs.len(), 2);
    act(&mut browser, Action::CloseTab).unwrap();
    browser.look().unwrap();
    assert!(!browser.touched(), "nobody else was there");
    browser.open_tab_as_a_person(true).unwrap();
    assert!(browser.touched());
    browser.open_tab_as_a_person(false).unwrap();
    assert!(browser.touched());
}
