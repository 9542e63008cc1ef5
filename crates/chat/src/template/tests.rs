use std::time::SystemTime;

use serde_json::Value;

use super::*;

const CASES: &str = include_str!("../../tests/data/template_cases.json");
const FAMILY: &str = include_str!("../../tests/data/family.jinja");

fn check(name: &str, source: &str, case: &Value) {
    let variables = case["variables"].as_object().unwrap();
    let result = Template::new(source.to_owned(), NAME)
        .and_then(|template| template.render(variables, SystemTime::now()));
    match (result, case["text"].as_str(), case["error"].as_str()) {
        (Ok(text), Some(expected), _) => assert_eq!(text, expected, "{name}"),
        (Err(ChatError::Template { message, line, .. }), _, Some(expected)) => {
            assert_eq!(message, expected, "{name}");
            assert!(line > 0, "{name}");
        }
        (result, ..) => panic!("{name}: {result:?} instead of {case}"),
    }
}

#[test]
fn conversations_render_as_in_python() {
    let cases: Value = serde_json::from_str(CASES).unwrap();
    for case in cases["conversations"].as_array().unwrap() {
        check(case["name"].as_str().unwrap(), FAMILY, case);
    }
}

#[test]
fn expressions_render_as_in_python() {
    let cases: Value = serde_json::from_str(CASES).unwrap();
    for case in cases["snippets"].as_array().unwrap() {
        let source = case["source"].as_str().unwrap();
        check(source, source, case);
    }
}

fn error(source: &str) -> String {
    let template = Template::new(source.to_owned(), NAME);
    let result =
        template.and_then(|template| template.render(&serde_json::Map::new(), SystemTime::UNIX_EPOCH));
    result.unwrap_err().to_string()
}

#[test]
fn errors_name_the_line() {
    assert!(error("a\n{{ x.y.z }}").starts_with("chat_template.jinja line 2: "));
    assert!(error("a\n\n{% if %}").starts_with("chat_template.jinja line 3: "));
    assert_eq!(
        error("\n{{ raise_exception('no') }}"),
        "chat_template.jinja line 2: no"
    );
}

#[test]
fn a_template_without_end_is_stopped() {
    let source = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}";
    let template = Template::with_fuel(source.to_owned(), NAME, 10_000).unwrap();
    let message = template
        .render(&serde_json::Map::new(), SystemTime::UNIX_EPOCH)
        .unwrap_err()
        .to_string();
    assert!(message.contains("does not come to an end"), "{message}");
}

#[test]
fn the_day_is_the_callers() {
    let template = Template::new("{{ strftime_now('%d %B %Y') }}".to_owned(), NAME).unwrap();
    let text = template
        .render(&serde_json::Map::new(), SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(text, "01 January 1970");
}

#[test]
fn a_template_inside_the_tokenizer_configuration_is_found() {
    let files = |content: &'static [u8]| Files::embedded(vec![(CONFIG, content)].leak());
    let template = Template::open(&files(
        br#"{"chat_template": [{"name": "x", "template": "X"}, {"name": "default", "template": "D"}]}"#,
    ));
    assert_eq!(
        template
            .unwrap()
            .render(&serde_json::Map::new(), SystemTime::now())
            .unwrap(),
        "D"
    );
    assert!(Template::open(&files(br#"{"chat_template": "T"}"#)).is_ok());
    for broken in [
        &b"{}"[..],
        b"{\"chat_template\": 5}",
        b"[",
        b"{\"chat_template\": []}",
    ] {
        assert!(Template::open(&files(broken)).is_err());
    }
}
