//! The connection against a browser of a few lines, at the other ends of the pipes.

use std::io::Write as _;

use super::*;

/// A connection to a browser that answers command after command with these words, each told its number.
fn connected(answers: &[&'static str]) -> Cdp {
    let answers = answers.to_vec();
    let (commands, command_writer) = std::io::pipe().unwrap();
    let (answer_reader, mut answer_writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || {
        let mut answers = answers.iter();
        wire::read(commands, |message| {
            let command: Value = serde_json::from_slice(message).unwrap();
            let answer = answers.next().copied().unwrap_or_default();
            let answer = answer.replace("ID", &command["id"].to_string());
            answer.is_empty() || write!(answer_writer, "{answer}\0").is_ok()
        })
        .unwrap();
    });
    Cdp::new(
        command_writer,
        answer_reader,
        LastWords::default(),
        Box::new(|_| Vec::new()),
    )
}

fn ask(cdp: &mut Cdp, patience: Duration, limit: Duration) -> Result<Waited, ScreenError> {
    let lost = Lost {
        patience,
        limit,
        frame: "F",
    };
    cdp.call_again_until(&None, "Page.captureScreenshot", &json!({}), &lost, |_| false)
}

const PICTURE: &str = r#"{"id": ID, "result": {"data": "picture"}}"#;

fn assert_picture(waited: Result<Waited, ScreenError>) {
    match waited {
        Ok(Waited::Answer(answer)) => assert_eq!(answer["data"], "picture"),
        Ok(Waited::Stopped) => panic!("nothing to stop for"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_question_whose_answer_never_comes_is_asked_again() {
    let mut cdp = connected(&["", "", PICTURE]);
    let (patience, limit) = (Duration::from_millis(10), Duration::from_mins(1));
    assert_picture(ask(&mut cdp, patience, limit));
}

#[test]
fn a_question_that_a_navigation_overtakes_is_asked_again_at_once() {
    let navigated =
        r#"{"method": "Page.frameNavigated", "params": {"frame": {"id": "F", "url": "http://a/"}}}"#;
    let mut cdp = connected(&[navigated, PICTURE]);
    cdp.state.tabs.push(Page {
        target: "F".to_owned(),
        session: "S".into(),
        opener: None,
        url: "about:blank".to_owned(),
    });
    let limit = Duration::from_mins(1);
    assert_picture(ask(&mut cdp, limit / 4, limit));
}

#[test]
fn a_question_between_two_documents_is_asked_again() {
    let between = r#"{"id": ID, "error": {"message": "Not attached to an active page"}}"#;
    let other = r#"{"id": ID, "error": {"message": "Unable to capture screenshot"}}"#;
    let limit = Duration::from_mins(1);
    let mut cdp = connected(&[between, between, PICTURE]);
    assert_picture(ask(&mut cdp, limit / 4, limit));
    let mut cdp = connected(&[other, PICTURE]);
    let refused = ask(&mut cdp, limit / 4, limit);
    assert!(matches!(refused, Err(ScreenError::Protocol { .. })));
}

#[test]
fn no_answer_at_all_is_told_with_the_whole_limit() {
    let mut cdp = connected(&[]);
    let limit = Duration::from_millis(80);
    match ask(&mut cdp, Duration::from_millis(10), limit) {
        Err(ScreenError::Hanging { during, limit: told }) => {
            assert_eq!((during.as_str(), told), ("Page.captureScreenshot", limit));
        }
        _ => panic!("nobody answers"),
    }
}
