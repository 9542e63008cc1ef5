use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use aurore_action::{Action, FieldKind, Frame, FrameId, Point, Rect, Size, Target};
use aurore_policy::{Approved, Decision as Ruling, Layer, Rules};
use aurore_screen::{Effect, Screen, ScreenError};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::{
    Answer, Approver, Brain, Budgets, CountingApprover, DenyAll, EndKind, Event, GoalState, Hub, Journal,
    JournalOptions, ProgramApprover, Question, RecordedBrain, Run, RunOptions, ScriptedBrain, StepOutcome,
    StepReport, TerminalApprover, journal::sha256,
};

const SITE: &str = "https://site.test";
const SIZE: Size = Size {
    width: 100,
    height: 100,
};

/// A page of buttons, each 100×20 pixels under the other. Pressing one puts its label into `pressed`, and the
/// picture changes with every press.
struct FakeScreen {
    labels: Vec<String>,
    pressed: Vec<String>,
    /// Presses that change nothing.
    dead: bool,
    /// The page swaps its labels after the target was read.
    swaps: bool,
    /// Set before the next input, as by another thread.
    kill: Option<Arc<AtomicBool>>,
    dies: bool,
    typed: String,
    /// When questions stood, and when no longer.
    questioned: Vec<bool>,
}

impl FakeScreen {
    fn new(labels: &[&str]) -> Self {
        Self {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            pressed: Vec::new(),
            dead: false,
            swaps: false,
            kill: None,
            dies: false,
            typed: String::new(),
            questioned: Vec::new(),
        }
    }

    fn find(&self, at: Point) -> Option<Target> {
        let index = usize::try_from(at.y / 20).ok()?;
        let label = self.labels.get(index)?;
        Some(Target {
            role: "button".into(),
            label: label.clone(),
            origin: SITE.into(),
            url: format!("{SITE}/"),
            identity: index.to_string(),
            bounds: Some(Rect {
                x: 0,
                y: index as i32 * 20,
                width: 100,
                height: 20,
            }),
            agrees: true,
            enabled: true,
            ..Target::default()
        })
    }
}

impl Screen for FakeScreen {
    fn look(&mut self) -> Result<Frame, ScreenError> {
        let shade = if self.dead {
            0
        } else {
            (self.pressed.len() + self.typed.len()) as u8
        };
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(
                &[shade; 100 * 100],
                SIZE.width,
                SIZE.height,
                ExtendedColorType::L8,
            )
            .unwrap();
        Ok(Frame {
            id: FrameId(sha256(&png)),
            size: SIZE,
            png: png.into(),
            url: Some(format!("{SITE}/")),
            origin: SITE.into(),
            title: "A page".into(),
            tabs: Vec::new(),
            notes: Vec::new(),
        })
    }

    fn target(&mut self, action: &Action) -> Result<Option<Target>, ScreenError> {
        let found = match action {
            Action::Type { .. } => Some(Target {
                role: "textbox".into(),
                field: FieldKind::Text,
                origin: SITE.into(),
                identity: "field".into(),
                agrees: true,
                ..Target::default()
            }),
            _ => action.point().and_then(|at| self.find(at)),
        };
        if self.swaps {
            self.labels.reverse();
            self.swaps = false;
        }
        Ok(found)
    }

    fn target_at(&mut self, at: Point) -> Result<Option<Target>, ScreenError> {
        Ok(self.find(at))
    }

    fn perform(&mut self, action: Approved<Action>) -> Result<Effect, ScreenError> {
        if self.dies {
            return Err(ScreenError::Died {
                during: "the click".into(),
                stderr: String::new(),
            });
        }
        let (action, binding) = action.into_parts();
        if let Some(at) = action.point() {
            let now = self
                .find(at)
                .map(|target| aurore_policy::BoundTarget::of(&target));
            let difference = match (&binding.target, &now) {
                (Some(bound), Some(now)) => bound.difference(now),
                (None, None) => None,
                _ => Some("something else stands there".into()),
            };
            if let Some(difference) = difference {
                return Err(ScreenError::TargetChanged {
                    difference,
                    done: None,
                });
            }
            self.pressed
                .push(now.map(|target| target.label).unwrap_or_default());
        }
        if let Action::Type { text } = action {
            self.typed.push_str(&text);
        }
        if let Some(kill) = &self.kill {
            kill.store(true, Ordering::SeqCst);
        }
        Ok(Effect::default())
    }

    fn settle(&mut self) -> Result<(), ScreenError> {
        Ok(())
    }

    fn questioned(&mut self, stands: bool) {
        self.questioned.push(stands);
    }

    fn close(&mut self) {}
}

struct Site {
    folder: tempfile::TempDir,
    journal: Journal,
    stop: Arc<AtomicBool>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::in_folder(folder.path()).unwrap();
        Self {
            folder,
            journal,
            stop: Arc::default(),
        }
    }

    fn options<'a>(
        &'a self,
        screen: &'a mut FakeScreen,
        brain: &'a mut dyn Brain,
        approver: &'a mut dyn Approver,
    ) -> RunOptions<'a, FakeScreen> {
        RunOptions {
            goal: "press the right thing".into(),
            name: "test".into(),
            screen,
            brain,
            rules: Rules::builtin(),
            approver,
            budgets: Budgets::default(),
            journal: &self.journal,
            stop: Arc::clone(&self.stop),
            watch: Hub::default(),
            known_origins: vec![SITE.into()],
            controls: Vec::new(),
            check: None,
        }
    }

    fn events(&self) -> Vec<Event> {
        let run = self.journal.find("").unwrap();
        let found = self.journal.verify(&run).unwrap();
        assert!(found.is_whole(), "{found:?}");
        self.journal
            .records(&run)
            .unwrap()
            .into_iter()
            .map(|record| record.event)
            .collect()
    }
}

/// A script that clicks the rows.
fn clicks(rows: &[u32]) -> ScriptedBrain {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{{\"thinking\": \"row {row}\", \"intent\": \"press it\", \"expect\": \"a change\", \
                 \"arguments\": {{\"action\": \"left_click\", \"coordinate\": [500, {}]}}}}\n",
                row * 200 + 100
            )
        })
        .collect();
    ScriptedBrain::parse("clicks", &lines.concat()).unwrap()
}

fn all<S: Screen>(run: &mut Run<'_, S>) -> (Vec<StepReport>, EndKind) {
    let mut reports = Vec::new();
    let end = run.to_end(&mut |report| reports.push(report.clone())).unwrap();
    (reports, end.kind)
}

#[test]
fn a_goal_is_reached_and_written_down_before_each_deed() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let (mut brain, mut approver) = (clicks(&[0, 1]), DenyAll);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.check = Some(Box::new(|screen| match screen.pressed.len() {
        2 => GoalState::Reached,
        _ => GoalState::Open,
    }));
    let (reports, end) = all(&mut Run::start(options).unwrap());
    assert_eq!(end, EndKind::Reached);
    assert_eq!(screen.pressed, ["One", "Two"]);
    assert_eq!(reports[0].words, "click button 'One'");
    assert_eq!(reports[0].outcome, StepOutcome::Done);
    assert_eq!(reports[0].verdict.as_ref().unwrap().rule.name, "tier-1-free");
    let kinds: Vec<&str> = site
        .events()
        .iter()
        .map(|event| match event {
            Event::Start(_) => "start",
            Event::Resume(_) => "resume",
            Event::UpFront(_) => "up front",
            Event::Decision(_) => "decision",
            Event::Result(_) => "result",
            Event::Order(_) => "order",
            Event::Hand(_) => "hand",
            Event::HandResult(_) => "hand result",
            Event::End(_) => "end",
        })
        .collect();
    assert_eq!(
        kinds,
        ["start", "decision", "result", "decision", "result", "end"]
    );
}

#[test]
fn a_refusal_goes_back_as_a_result_and_the_same_again_ends_the_run() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Pay now", "Cancel"]);
    let (mut brain, mut approver) = (clicks(&[0, 0, 1]), DenyAll);
    let (reports, end) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!(end, EndKind::Refused);
    assert!(screen.pressed.is_empty());
    assert_eq!(reports[0].outcome, StepOutcome::Refused);
    assert!(reports[0].result.contains("tier-3-ask"), "{}", reports[0].result);
    assert_eq!(reports.len(), 2);
    assert!(
        site.events()
            .iter()
            .all(|event| !matches!(event, Event::Decision(decision) if decision.perform))
    );
}

#[test]
fn after_a_refusal_the_model_may_go_another_way() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Pay now", "Cancel"]);
    let (mut brain, mut approver) = (clicks(&[0, 1]), CountingApprover::no());
    let (_, end) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!(end, EndKind::GaveUp, "the script is at its end");
    assert_eq!((screen.pressed.join(" "), approver.asked), ("Cancel".into(), 1));
}

#[test]
fn a_yes_is_for_once_and_for_what_was_shown() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Pay now", "Cancel"]);
    let (mut brain, mut approver) = (clicks(&[0, 0]), CountingApprover::yes());
    all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!((screen.pressed.len(), approver.asked), (2, 2));
    assert_eq!(
        screen.questioned,
        [true, false, true, false],
        "no key of the person's goes there meanwhile"
    );

    let mut screen = FakeScreen::new(&["Pay now", "Cancel"]);
    screen.swaps = true;
    let (mut brain, mut approver) = (clicks(&[0]), CountingApprover::yes());
    let (reports, _) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert!(screen.pressed.is_empty(), "the label changed after the question");
    assert!(
        reports[0].result.contains("changed after the approval"),
        "{}",
        reports[0].result
    );
    assert_eq!(reports[0].outcome, StepOutcome::Failed);
}

/// Takes the first offer of the first question.
struct FromNowOn(Vec<Question>);

impl Approver for FromNowOn {
    fn name(&self) -> String {
        "bob".into()
    }

    fn ask(&mut self, question: &Question) -> Answer {
        self.0.push(question.clone());
        Answer::FromNowOn(0)
    }
}

#[test]
fn allowing_from_now_on_asks_no_second_time_for_the_same_thing() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Log in", "Upload", "Two"]);
    let (mut brain, mut approver) = (clicks(&[2, 0, 0, 1]), FromNowOn(Vec::new()));
    all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!(screen.pressed, ["Two", "Log in", "Log in", "Upload"]);
    let words: Vec<&str> = approver
        .0
        .iter()
        .map(|question| question.words.as_str())
        .collect();
    assert_eq!(words, ["click button 'Log in'", "click button 'Upload'"]);
    let wide = approver.0[0].scopes.last().unwrap();
    assert_eq!(wide.earlier, ["click button 'Two'"], "{}", wide.words);
    assert!(approver.0[0].grants.contains(SITE));
}

#[test]
fn the_kill_switch_stops_before_the_next_input_and_leaves_the_journal_whole() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    screen.kill = Some(Arc::clone(&site.stop));
    let (mut brain, mut approver) = (clicks(&[0, 1]), DenyAll);
    let (_, end) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!(end, EndKind::Stopped);
    assert_eq!(screen.pressed, ["One"]);
    assert!(matches!(site.events().last(), Some(Event::End(_))));
}

#[test]
fn a_circle_is_told_to_the_model_and_then_ended() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One"]);
    screen.dead = true;
    let (mut brain, mut approver) = (clicks(&[0; 20]), DenyAll);
    let (reports, end) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!(end, EndKind::Looping);
    assert_eq!(reports.len(), 6);
    assert_eq!(reports[0].outcome, StepOutcome::NoEffect);
}

#[test]
fn budgets_end_a_run_with_their_name() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Pay now", "Delete", "Two"]);
    let (mut brain, mut approver) = (clicks(&[2, 2, 2]), DenyAll);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.budgets.steps = 2;
    let mut run = Run::start(options).unwrap();
    let (_, end) = all(&mut run);
    assert_eq!(end, EndKind::Steps);
    assert!(run.end().unwrap().message.contains("2 steps"));
    assert!(run.step().is_err(), "a run that is over stays over");
    drop(run);

    let (mut brain, mut approver) = (clicks(&[0, 1]), CountingApprover::no());
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.budgets.questions = 1;
    let (reports, end) = all(&mut Run::start(options).unwrap());
    assert_eq!((end, reports.len(), approver.asked), (EndKind::Questions, 2, 1));

    let (mut brain, mut approver) = (clicks(&[2]), DenyAll);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.budgets.time = Duration::ZERO;
    assert_eq!(all(&mut Run::start(options).unwrap()).1, EndKind::Time);
}

#[test]
fn what_is_no_action_is_told_and_three_in_a_row_end_the_run() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One"]);
    let text = "{\"name\": \"computer_use\", \"arguments\": {\"action\": \"dance\"}}\n".repeat(5);
    let mut brain = ScriptedBrain::parse("nonsense", &text).unwrap();
    let mut approver = DenyAll;
    let (reports, end) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!((end, reports.len()), (EndKind::Unusable, 3));
    assert!(reports[0].result.contains("dance"), "{}", reports[0].result);
    assert!(
        ScriptedBrain::parse("bad", "\n{oops")
            .unwrap_err()
            .to_string()
            .starts_with("bad:2:")
    );
}

#[test]
fn a_screen_that_dies_ends_the_run_in_words() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One"]);
    screen.dies = true;
    let (mut brain, mut approver) = (clicks(&[0]), DenyAll);
    let (_, end) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!(end, EndKind::Failed);
    assert_eq!(site.events().len(), 4, "start, decision, result, end");
}

#[test]
fn answering_and_ending_need_no_screen() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One"]);
    let script = "{\"arguments\": {\"action\": \"answer\", \"text\": \"42\"}}";
    let mut brain = ScriptedBrain::parse("s", script).unwrap();
    let mut approver = DenyAll;
    let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
    let end = run.to_end(&mut |_| ()).unwrap();
    assert_eq!((end.kind, end.message.as_str()), (EndKind::Answered, "42"));
    assert!(end.is_success());
}

#[test]
fn nothing_is_done_that_the_journal_cannot_hold() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions {
        folder: folder.path().to_owned(),
        key: None,
        max_pages: Some(16),
    };
    let full = Journal::open(&options).unwrap();
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let script = "{\"arguments\": {\"action\": \"type\", \"text\": \"x\"}}\n".repeat(200);
    let mut brain = ScriptedBrain::parse("s", &script).unwrap();
    let mut approver = DenyAll;
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.journal = &full;
    options.budgets.steps = 200;
    let mut run = Run::start(options).unwrap();
    let mut steps = 0;
    let error = loop {
        match run.step() {
            Ok(_) => steps += 1,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("the disk is full"), "{error}");
    let id = run.id().clone();
    drop(run);
    let written = full
        .records(&id)
        .unwrap()
        .into_iter()
        .filter(|record| matches!(&record.event, Event::Decision(decision) if decision.perform))
        .count();
    assert_eq!(
        screen.typed.len(),
        written,
        "every deed stands in the journal, after {steps} steps"
    );
    assert!(full.verify(&id).unwrap().is_whole());
}

#[test]
fn a_resumed_run_knows_what_was_done_and_repeats_nothing_blindly() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let id = {
        let (mut brain, mut approver) = (clicks(&[0]), DenyAll);
        let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
        run.step().unwrap();
        // The next decision is written, and then the power goes.
        let record = crate::DecisionRecord {
            perform: true,
            step: 2,
            ..match &site.journal.records(run.id()).unwrap()[1].event {
                Event::Decision(decision) => (**decision).clone(),
                other => panic!("{other:?}"),
            }
        };
        let frame = run.frame().clone();
        site.journal
            .append(run.id(), &Event::Decision(Box::new(record)), &[&frame])
            .unwrap();
        run.id().clone()
    };
    assert_eq!(screen.pressed, ["One"]);

    // Nobody is there: the same action again is refused, another one is done.
    let (mut brain, mut approver) = (clicks(&[0, 1]), DenyAll);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.goal = String::new();
    let mut run = Run::resume(options, id.clone()).unwrap();
    let first = run.step().unwrap();
    assert_eq!((first.number, first.outcome), (3, StepOutcome::Refused));
    assert!(
        first.result.contains("nobody knows whether it took effect"),
        "{}",
        first.result
    );
    assert_eq!(run.step().unwrap().outcome, StepOutcome::Done);
    drop(run);
    assert_eq!(screen.pressed, ["One", "Two"]);
    assert!(
        matches!(site.events().iter().find(|event| matches!(event, Event::Resume(_))),
        Some(Event::Resume(start)) if start.goal == "press the right thing")
    );
}

#[test]
fn a_journal_replays_without_a_model() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let (mut brain, mut approver) = (clicks(&[1, 0]), DenyAll);
    let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
    all(&mut run);
    let id = run.id().clone();
    drop(run);

    let mut again = FakeScreen::new(&["One", "Two"]);
    let mut brain = RecordedBrain::open(&site.journal, &id).unwrap();
    brain.same_frames = true;
    let mut approver = DenyAll;
    let (_, end) = all(&mut Run::start(site.options(&mut again, &mut brain, &mut approver)).unwrap());
    assert_eq!((end, &again.pressed), (EndKind::GaveUp, &screen.pressed));

    let mut other = FakeScreen::new(&["One", "Delete"]);
    let mut brain = RecordedBrain::open(&site.journal, &id).unwrap();
    let mut approver = DenyAll;
    let mut run = Run::start(site.options(&mut other, &mut brain, &mut approver)).unwrap();
    let (_, end) = all(&mut run);
    assert_eq!(end, EndKind::Failed);
    assert!(
        run.end().unwrap().message.contains("another way at step 2"),
        "{:?}",
        run.end()
    );
}

#[test]
fn the_rules_of_a_run_are_in_force() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One"]);
    let (mut brain, mut approver) = (clicks(&[0]), CountingApprover::yes());
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    let rule = "[[rule]]\nname = \"never-one\"\ndecision = \"deny\"\nlabel = \"One\"\nreason = \"a test\"\n";
    options.rules = Rules::builtin().with(Layer::User, "t.toml", rule).unwrap();
    let (reports, _) = all(&mut Run::start(options).unwrap());
    let verdict = reports[0].verdict.as_ref().unwrap();
    assert_eq!(
        (verdict.decision, verdict.rule.name.as_str()),
        (Ruling::Deny, "never-one")
    );
    assert_eq!(approver.asked, 0);
}

/// Output that a test can read.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Input that a test feeds.
struct Fed(mpsc::Receiver<Vec<u8>>, mpsc::Sender<()>);

impl std::io::Read for Fed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // Whoever comes for more has dealt with what it got before.
        let _ = self.1.send(());
        let Ok(bytes) = self.0.recv() else { return Ok(0) };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

#[test]
fn the_terminal_shows_everything_and_takes_no_answer_that_came_too_soon() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Pay now\u{202e}", "Cancel"]);
    let (feed, fed) = mpsc::channel();
    let (take, taken) = mpsc::channel();
    let shown = Shown::default();
    // Typed ahead: it is read before the question is shown.
    feed.send(b"yes\n".to_vec()).unwrap();
    let mut approver =
        TerminalApprover::new(Box::new(Fed(fed, take)), Box::new(shown.clone()), Duration::ZERO);
    taken.recv().unwrap();
    taken.recv().unwrap();
    let answers = std::thread::spawn({
        let shown = shown.clone();
        move || {
            while !String::from_utf8_lossy(&shown.0.lock().unwrap()).contains("└─") {
                std::thread::yield_now();
            }
            // The answers that count: a stray key, then a no.
            std::thread::sleep(Duration::from_millis(100));
            feed.send(b"y\nno not today\n".to_vec()).unwrap();
            feed
        }
    });
    let mut brain = clicks(&[0]);
    let (reports, _) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    drop(answers.join().unwrap());
    assert!(screen.pressed.is_empty());
    let approval = reports[0].approval.as_ref().unwrap();
    assert!(!approval.allowed && approval.note == "not today", "{approval:?}");
    let text = String::from_utf8(shown.0.lock().unwrap().clone()).unwrap();
    for part in [
        "press the right thing",
        "row 0",
        "press it",
        "Pay now⟨U+202E⟩",
        "tier-3-ask",
        "yes   allows",
        "please type",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn a_terminal_without_an_answer_is_a_no() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Pay now"]);
    let (_feed, fed) = mpsc::channel();
    let mut approver = TerminalApprover::new(
        Box::new(Fed(fed, mpsc::channel().0)),
        Box::new(Shown::default()),
        Duration::ZERO,
    );
    let mut brain = clicks(&[0]);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.budgets.answer_time = Duration::from_millis(20);
    let (reports, _) = all(&mut Run::start(options).unwrap());
    assert!(
        reports[0].result.contains("nobody answered in time"),
        "{}",
        reports[0].result
    );
}

#[cfg(unix)]
#[test]
fn a_program_answers_and_everything_but_a_clean_yes_is_a_no() {
    let site = Site::new();
    let pressed = |command: &str| {
        let mut screen = FakeScreen::new(&["Pay now"]);
        let (mut brain, mut approver) = (clicks(&[0]), ProgramApprover::new(command));
        all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
        screen.pressed.len()
    };
    let copy = site.folder.path().join("question.json");
    assert_eq!(
        pressed(&format!(
            "cat > {}; echo '{{\"answer\": \"yes\"}}'",
            copy.display()
        )),
        1
    );
    let question: serde_json::Value = serde_json::from_slice(&std::fs::read(copy).unwrap()).unwrap();
    assert_eq!(question["words"], "click button 'Pay now'");
    assert!(
        question["frame_png_base64"]
            .as_str()
            .unwrap()
            .starts_with("iVBOR")
    );
    for refusing in [
        "echo '{\"answer\": \"no\", \"reason\": \"x\"}'",
        "echo '{\"answer\": \"yes\"}'; exit 1",
        "echo yes",
        "echo '{\"answer\": \"yes\", \"scope\": 7}'",
        "true",
        "/nonexistent/program",
    ] {
        assert_eq!(pressed(refusing), 0, "{refusing}");
    }
}

/// Holds everything for what it is told to.
struct Doubt {
    decision: Ruling,
    heard: Vec<String>,
}

impl crate::SecondOpinion for Doubt {
    fn opinion(&mut self, judged: &crate::Judged<'_>) -> Option<aurore_policy::Opinion> {
        self.heard.push(judged.words.to_owned());
        Some(aurore_policy::Opinion {
            by: "another model".into(),
            decision: self.decision,
            reason: "it looks odd".into(),
        })
    }
}

#[test]
fn a_second_opinion_tightens_what_a_rule_lets_pass_and_sees_nothing_that_is_free() {
    let site = Site::new();
    let rule = "[[rule]]\nname = \"all\"\ndecision = \"allow\"\nreason = \"a test\"\n";
    let pressed = |decision: Ruling, approver: &mut dyn Approver| {
        let mut screen = FakeScreen::new(&["Pay now", "Two"]);
        let mut brain = clicks(&[1, 0]);
        let mut doubt = Doubt {
            decision,
            heard: Vec::new(),
        };
        let mut options = site.options(&mut screen, &mut brain, approver);
        options.rules = Rules::builtin().with(Layer::User, "t.toml", rule).unwrap();
        let mut run = Run::start(options).unwrap().with_second_opinion(&mut doubt);
        let (reports, _) = all(&mut run);
        drop(run);
        assert_eq!(doubt.heard, ["click button 'Pay now'"]);
        (screen.pressed, reports[1].verdict.clone().unwrap())
    };
    assert_eq!(pressed(Ruling::Allow, &mut DenyAll).0, ["Two", "Pay now"]);
    let (done, verdict) = pressed(Ruling::Ask, &mut DenyAll);
    assert_eq!(
        (done, verdict.rule.name.as_str()),
        (vec!["Two".to_owned()], "second-opinion")
    );
    assert!(
        verdict.asks() && verdict.why.contains("it looks odd"),
        "{verdict:?}"
    );
    let mut yes = CountingApprover::yes();
    assert_eq!(pressed(Ruling::Ask, &mut yes).0.len(), 2);
    assert_eq!(yes.asked, 1);
    assert_eq!(pressed(Ruling::Deny, &mut yes).0, ["Two"]);
    assert_eq!(yes.asked, 1);
}

#[cfg(unix)]
#[test]
fn a_program_has_an_opinion_and_whatever_goes_wrong_is_a_question() {
    use crate::SecondOpinion;
    let action = Action::Back;
    let verdict = aurore_policy::VerdictRecord {
        decision: Ruling::Allow,
        rule: aurore_policy::RuleRef {
            layer: Layer::User,
            name: "all".into(),
            reason: "a test".into(),
        },
        tier: aurore_policy::Tier::Always,
        why: "it pays".into(),
    };
    let judged = crate::Judged {
        goal: "look around",
        intent: "pay",
        words: "go back",
        action: &action,
        target: None,
        url: None,
        verdict: &verdict,
    };
    let said = |command: &str| {
        let opinion = crate::ProgramOpinion::new(command).opinion(&judged).unwrap();
        (opinion.decision, opinion.reason)
    };
    assert_eq!(
        said("grep -q '\"goal\":\"look around\"' && echo '{\"decision\": \"deny\", \"reason\": \"no\"}'"),
        (Ruling::Deny, "no".into())
    );
    for broken in [
        "true",
        "echo allow",
        "echo '{\"decision\": \"allow\"}'; exit 3",
        "/nonexistent/program",
    ] {
        assert_eq!(said(broken).0, Ruling::Ask, "{broken}");
    }
}

#[test]
fn what_the_goal_calls_for_is_asked_once_before_the_first_step() {
    let site = Site::new();
    let run = |approver: &mut dyn Approver| {
        let mut screen = FakeScreen::new(&["One"]);
        let (mut brain, places) = (
            clicks(&[0]),
            vec![SITE.to_owned(), "https://other.test".to_owned()],
        );
        let mut options = site.options(&mut screen, &mut brain, approver);
        options.known_origins = places;
        let mut run = Run::start(options).unwrap();
        all(&mut run);
        run.questions()
    };
    let mut approver = CountingApprover::yes();
    assert_eq!((run(&mut approver), approver.up_front, approver.asked), (1, 1, 0));
    let asked: Vec<Event> = site
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::UpFront(_)))
        .collect();
    let [Event::UpFront(asked)] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert!(
        asked.approval.allowed && asked.items[0].contains("carry text between"),
        "{asked:?}"
    );
    assert_eq!(run(&mut DenyAll), 0, "nobody is asked where nobody is");
}
