//! Answers that are used twice, or by somebody else.

use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use aurore_agent::{
    Answer, Approver, Brain, BrainError, CountingApprover, Decision, Keeper, Observation, ProgramApprover,
    Question, ScriptedBrain, StepOutcome, TerminalApprover,
};
use aurore_policy::{Allowance, Decision as Ruling, Layer, Principal, Rules};

use super::stage::{Stage, click, script};

const TWICE: &str = "<button style='top: 15px' onclick=\"log.push('one')\">Send one</button>
    <button style='top: 65px' onclick=\"log.push('two')\">Send two</button>";

/// Gives its lines once it is asked to, and tells when somebody comes for more: then they have all been taken.
struct Lines {
    wanted: mpsc::Receiver<Vec<u8>>,
    came: mpsc::Sender<()>,
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.came.send(());
        let Ok(bytes) = self.wanted.recv() else {
            return Ok(0);
        };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

/// Types `yes` twice into the first question.
struct Hasty {
    terminal: TerminalApprover,
    feed: Option<mpsc::Sender<Vec<u8>>>,
    shown: Option<mpsc::Receiver<()>>,
    came: mpsc::Receiver<()>,
    questions: u32,
}

/// Output that tells when a question stands.
struct Telling(mpsc::Sender<()>);

impl std::io::Write for Telling {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.windows("└─".len()).any(|part| part == "└─".as_bytes()) {
            let _ = self.0.send(());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Hasty {
    fn new() -> Self {
        let (feed, wanted) = mpsc::channel();
        let (came, comes) = mpsc::channel();
        let (tell, shown) = mpsc::channel();
        Self {
            terminal: TerminalApprover::new(
                Box::new(Lines { wanted, came }),
                Box::new(Telling(tell)),
                Duration::ZERO,
            ),
            feed: Some(feed),
            shown: Some(shown),
            came: comes,
            questions: 0,
        }
    }
}

impl Approver for Hasty {
    fn name(&self) -> String {
        "the test".to_owned()
    }

    fn ask(&mut self, question: &Question) -> Answer {
        self.questions += 1;
        let (Some(feed), Some(shown)) = (self.feed.take(), self.shown.take()) else {
            return self.terminal.ask(question);
        };
        // The reader waits for lines.
        self.came.recv().unwrap();
        std::thread::spawn(move || {
            // The prompt stands: what was there before is dropped, and what comes now is an answer.
            shown.recv().unwrap();
            feed.send(b"yes\nyes\n".to_vec()).unwrap();
            // Let go of here: there will be no more lines.
        });
        let answer = self.terminal.ask(question);
        self.came.recv().unwrap();
        answer
    }
}

#[test]
fn two_answers_to_one_question_answer_no_second_one() {
    let mut stage = Stage::with(TWICE);
    let mut approver = Hasty::new();
    let (reports, _) = stage.run("Send.", &[click(100, 30), click(100, 80)], &mut approver);
    assert_eq!(approver.questions, 2, "{reports:#?}");
    assert!(reports[0].approval.as_ref().unwrap().allowed, "{reports:#?}");
    assert_eq!(reports[1].outcome, StepOutcome::Refused, "{reports:#?}");
    assert_eq!(stage.log(), ["one"]);
}

#[cfg(unix)]
#[test]
fn a_program_that_answers_twice_has_not_answered() {
    let mut stage = Stage::with(TWICE);
    let mut approver =
        ProgramApprover::new("cat > /dev/null; echo '{\"answer\": \"yes\"}{\"answer\": \"yes\"}'");
    let (reports, _) = stage.run("Send.", &[click(100, 30)], &mut approver);
    assert_eq!(reports[0].outcome, StepOutcome::Refused, "{reports:#?}");
    assert!(stage.log().is_empty());
}

#[test]
fn a_yes_is_used_up_by_one_press() {
    let mut stage = Stage::with(TWICE);
    let mut approver = CountingApprover::yes();
    stage.run("Look.", &[click(100, 30), click(100, 30)], &mut approver);
    assert_eq!((approver.asked, stage.log().len()), (2, 2));
}

/// A helper that the first one started: the same model, another principal.
struct Helper(ScriptedBrain);

impl Brain for Helper {
    fn principal(&self) -> Principal {
        self.0.principal().helper(1)
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        self.0.decide(observation)
    }
}

/// Takes the last offer: the widest that is kept for every run.
struct ForEver;

impl Approver for ForEver {
    fn name(&self) -> String {
        "the test".to_owned()
    }

    fn ask(&mut self, question: &Question) -> Answer {
        Answer::FromNowOn(question.scopes.len() - 1)
    }
}

#[derive(Default)]
struct Kept(String);

impl Keeper for Kept {
    fn keep(&mut self, allowance: &Allowance, reason: &str, _: &str) -> Result<String, String> {
        self.0 = allowance.text("kept", reason);
        Ok("kept".to_owned())
    }
}

#[test]
fn a_helper_cannot_use_what_was_granted_to_its_parent() {
    let mut stage = Stage::with("<button style='top: 15px' onclick=\"log.push('in')\">Log in</button>");
    let press = [click(100, 30)];
    let mut kept = Kept::default();
    stage.run_as(&mut script(&press), &mut ForEver, Some(&mut kept));
    assert_eq!(stage.log(), ["in"]);
    stage.rules = Rules::builtin().with(Layer::User, "kept.toml", &kept.0).unwrap();

    let mut nobody = CountingApprover::no();
    let reports = stage.run_as(&mut script(&press), &mut nobody, None);
    let verdict = reports[0].verdict.as_ref().unwrap();
    assert_eq!(
        (verdict.decision, verdict.rule.name.as_str()),
        (Ruling::Allow, "kept")
    );

    let reports = stage.run_as(&mut Helper(script(&press)), &mut nobody, None);
    assert_eq!(
        reports[0].verdict.as_ref().unwrap().decision,
        Ruling::Ask,
        "{reports:#?}"
    );
    assert_eq!((nobody.asked, stage.log().len()), (1, 2));
}
