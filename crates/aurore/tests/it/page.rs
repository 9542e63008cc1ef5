//! The server's page in a real browser, from the link that the program prints.

use aurore_screen::browser::{Browser, BrowserOptions};
use serde_json::Value;

use crate::serve::Serving;

/// What a script on the page says, once it is something.
fn wait(browser: &mut Browser, script: &str) -> Value {
    loop {
        let value = browser.evaluate(script).unwrap();
        if value != Value::Null && value != Value::Bool(false) {
            return value;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_browser_comes_in_once_and_sees_what_goes_on() {
    let serving = Serving::new(&["--name", "mine"]);
    let link = serving.said["page"].as_str().unwrap().to_owned();
    let key = serving.said["key"].as_str().unwrap().to_owned();
    let mut browser =
        Browser::launch(BrowserOptions::default()).expect("this test needs Chromium: cargo xtask setup");
    browser.open(&link).unwrap();
    wait(&mut browser, "document.querySelector('.state.ready') !== null");
    // No secret stays in the address, and no script can see the cookie.
    assert_eq!(
        browser.evaluate("location.pathname + location.search").unwrap(),
        "/"
    );
    assert_eq!(browser.evaluate("document.cookie").unwrap(), "");
    let text = browser.evaluate("document.body.innerText").unwrap();
    assert!(text.as_str().unwrap().contains("mine"), "{text}");
    assert!(serving.ask(Some(&key)).starts_with("HTTP/1.1 200"));
    wait(
        &mut browser,
        "document.getElementById('answers').textContent === '1'",
    );
    // One example at a time, each with the address as it is.
    let shown = "[...document.querySelectorAll('figure')].filter(figure => !figure.hidden)";
    assert_eq!(browser.evaluate(&format!("{shown}.length")).unwrap(), 1);
    browser
        .evaluate("document.querySelectorAll('[role=tab]')[2].click()")
        .unwrap();
    let example = browser.evaluate(&format!("{shown}[0].innerText")).unwrap();
    let address = serving.said["address"].as_str().unwrap();
    let example = example.as_str().unwrap();
    assert!(
        example.contains("Anthropic") && example.contains(address),
        "{example}"
    );
    // The link is used up, and the cookie still opens the page.
    browser.open(&link).unwrap();
    let text = browser.evaluate("document.body.innerText").unwrap();
    assert!(text.as_str().unwrap().contains("used before"), "{text}");
}
