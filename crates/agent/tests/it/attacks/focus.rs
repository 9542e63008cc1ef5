//! Windows and fields that want the keys.

use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use aurore_agent::{Answer, Approver, CountingApprover, Question, StepOutcome, TerminalApprover};

use super::stage::{Stage, click, typed};

#[test]
fn keys_that_were_approved_for_one_field_do_not_follow_a_stolen_focus() {
    let mut stage = Stage::with(
        "<input id=note aria-label=Note style='top: 15px'><input id=other aria-label=Comment style='top: 65px' oninput='log.push(this.value)'>
         <script>whenAsked(() => other.focus());</script>",
    );
    let mut approver = stage.turncoat();
    // An address that the goal does not name is asked about, so that the page has its moment.
    let (reports, _) = stage.run(
        "Write a note.",
        &[click(100, 30), typed("bob@good.example")],
        &mut approver,
    );
    assert_eq!(approver.asked, 1, "{reports:#?}");
    assert_eq!(reports[1].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(
        reports[1]
            .result
            .contains("label was \"Note\" and is \"Comment\""),
        "{}",
        reports[1].result
    );
    assert!(stage.log().is_empty());
}

#[test]
fn a_window_that_opens_while_the_question_stands_gets_neither_press_nor_key() {
    // It opens itself over the page and has a button with the focus that any Enter would press.
    let mut stage = Stage::with(
        "<button style='top: 15px' onclick=\"log.push('sent')\">Send</button>
         <dialog id=box><button autofocus onclick=\"log.push('stolen')\" onkeydown=\"log.push('key')\">OK</button></dialog>
         <script>whenAsked(() => box.showModal());</script>",
    );
    let mut approver = stage.turncoat();
    let (reports, _) = stage.run("Press Send.", &[click(100, 30)], &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Failed, "{reports:#?}");
    assert!(stage.log().is_empty(), "{:?}", stage.log());
}

/// Input that comes when the test sends it.
struct Fed(mpsc::Receiver<Vec<u8>>, Vec<u8>);

impl Read for Fed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1.is_empty() {
            match self.0.recv() {
                Ok(bytes) => self.1 = bytes,
                Err(_) => return Ok(0),
            }
        }
        let count = self.1.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.1[..count]);
        self.1.drain(..count);
        Ok(count)
    }
}

/// A question that appears under somebody's fingers: what they were typing is no answer.
#[test]
fn what_somebody_was_typing_when_the_question_came_is_no_answer() {
    let (feed, fed) = mpsc::channel();
    let mut stage = Stage::with("<button style='top: 15px' onclick=\"log.push('sent')\">Send</button>");
    // All lines arrive within the time in which nobody can have read the question: an hour here, so that no clock
    // decides. They are dropped, and then the input ends.
    let terminal = TerminalApprover::new(
        Box::new(Fed(fed, Vec::new())),
        Box::new(std::io::sink()),
        Duration::from_hours(1),
    );
    let mut approver = Typing {
        terminal,
        feed: Some(feed),
    };
    let (reports, _) = stage.run("Press Send.", &[click(100, 30)], &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Refused, "{reports:#?}");
    assert!(stage.log().is_empty());
}

struct Typing {
    terminal: TerminalApprover,
    feed: Option<mpsc::Sender<Vec<u8>>>,
}

impl Approver for Typing {
    fn name(&self) -> String {
        "the test".to_owned()
    }

    fn ask(&mut self, question: &Question) -> Answer {
        if let Some(feed) = self.feed.take() {
            feed.send(b"yes\nyes\n\nyes 1\n".to_vec()).unwrap();
        }
        self.terminal.ask(question)
    }
}

#[test]
fn a_page_cannot_press_for_itself() {
    // A page's own events are not trusted ones; what they bring about was the page's to do anyway, and is no answer.
    let mut stage = Stage::with(
        "<button id=it style='top: 15px' onclick=\"log.push(event.isTrusted ? 'trusted' : 'own')\">Send</button>
         <script>whenAsked(() => it.click());</script>",
    );
    let mut approver = stage.turncoat();
    stage.run("Press Send.", &[click(100, 30)], &mut approver);
    assert_eq!(stage.log(), ["own", "trusted"]);
    let mut no = CountingApprover::no();
    stage.run("Press Send.", &[click(100, 30)], &mut no);
    assert_eq!(stage.log().len(), 2);
}
