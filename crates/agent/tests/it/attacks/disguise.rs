//! Things that look like others.

use aurore_agent::{CountingApprover, Question, StepOutcome, TerminalApprover};
use aurore_policy::{Decision, Tier};

use super::stage::{Stage, click};

#[test]
fn a_link_whose_text_and_address_differ_is_asked_about_with_both() {
    let mut stage = Stage::with(
        "<a style='top: 15px' href='/other'>https://bank.example/login</a>
         <a style='top: 65px' href='/other'>Our news</a>",
    );
    let mut approver = Remembering(CountingApprover::no(), Vec::new());
    let (reports, _) = stage.run("Look around.", &[click(100, 30)], &mut approver);
    let verdict = reports[0].verdict.as_ref().unwrap();
    assert_eq!(
        (verdict.decision, verdict.tier),
        (Decision::Ask, Tier::Always),
        "{reports:#?}"
    );
    assert!(
        verdict
            .why
            .contains("says bank.example and leads to http://127.0.0.1"),
        "{}",
        verdict.why
    );
    let target = approver.1[0].target.as_ref().unwrap();
    assert!(
        target.link.as_ref().unwrap().contains("/other"),
        "where it leads is shown"
    );
    let (reports, _) = stage.run("Look around.", &[click(100, 80)], &mut CountingApprover::no());
    assert_eq!(
        reports[0].outcome,
        StepOutcome::Done,
        "a link that says no address is a plain link"
    );
}

struct Remembering(CountingApprover, Vec<Question>);

impl aurore_agent::Approver for Remembering {
    fn name(&self) -> String {
        self.0.name()
    }

    fn ask(&mut self, question: &Question) -> aurore_agent::Answer {
        self.1.push(question.clone());
        self.0.ask(question)
    }
}

/// Output that a test can read.
#[derive(Clone, Default)]
struct Shown(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn invisible_and_right_to_left_characters_are_seen_through_and_shown() {
    // Drawn, it reads "Pay now" and "yap"; in the tree there are zero-width, soft-hyphen and direction marks, and a
    // terminal would obey the escape sequence.
    let mut stage = Stage::with(
        "<button style='top: 15px' onclick='log.push(1)'>P&#x200b;ay n&#xad;ow&#x202e;</button>
         <button style='top: 65px' onclick='log.push(2)' aria-label='&#x202e;Del&#x2060;ete&#x1b;[2J'>x</button>",
    );
    let shown = Shown::default();
    let nobody: Box<dyn std::io::Read + Send> = Box::new(std::io::empty());
    let mut approver = TerminalApprover::new(nobody, Box::new(shown.clone()), std::time::Duration::ZERO);
    let (reports, _) = stage.run("Look around.", &[click(100, 30)], &mut approver);
    assert_eq!(
        reports[0].verdict.as_ref().unwrap().tier,
        Tier::Always,
        "{reports:#?}"
    );
    let text = String::from_utf8(shown.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("⟨U+202E⟩") && text.contains("⟨U+200B⟩"), "{text}");
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{1b}']));

    let mut counting = CountingApprover::no();
    let (reports, _) = stage.run("Look around.", &[click(100, 80)], &mut counting);
    assert_eq!(
        reports[0].verdict.as_ref().unwrap().tier,
        Tier::Always,
        "{reports:#?}"
    );
    assert!(stage.log().is_empty());
}
