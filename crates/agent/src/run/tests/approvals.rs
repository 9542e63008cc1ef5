use super::*;

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

/// Output that a test can read.
#[derive(Clone, Default)]
struct Shown(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Shown {
    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits until a question stands.
    fn wait(&self) {
        let prompt = "└─".as_bytes();
        let unasked = |bytes: &mut Vec<u8>| !bytes.windows(prompt.len()).any(|part| part == prompt);
        let waited = self.0.1.wait_while(self.0.0.lock().unwrap(), unasked);
        drop(waited.unwrap());
    }
}

impl std::io::Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.0.0.lock().unwrap().write(bytes);
        self.0.1.notify_all();
        written
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
            shown.wait();
            // The answers that count: a stray key, then a no.
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
    let text = shown.text();
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

#[cfg(unix)]
#[test]
fn an_answer_after_its_time_is_a_no_and_answers_no_later_question() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Pay now", "Delete"]);
    let folder = site.folder.path().join("late");
    // The first question's yes comes when its time is over; the second question's at once.
    let command = format!(
        "cat > /dev/null; if mkdir {} 2> /dev/null; then sleep 2; fi; echo '{{\"answer\": \"yes\"}}'",
        folder.display()
    );
    let (mut brain, mut approver) = (clicks(&[0, 1]), ProgramApprover::new(&command));
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.budgets.answer_time = Duration::from_millis(500);
    let mut run = Run::start(options).unwrap();
    let first = run.step().unwrap();
    assert_eq!(first.outcome, StepOutcome::Refused);
    assert!(
        first.result.contains("nobody answered in time"),
        "{}",
        first.result
    );
    let approval = first.approval.unwrap();
    assert!(!approval.allowed, "{approval:?}");
    drop(run);
    assert!(screen.pressed.is_empty());
}

#[test]
fn a_terminal_answer_after_its_time_is_none_to_the_next_question() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["Pay now", "Delete"]);
    let (feed, fed) = mpsc::channel();
    let (take, taken) = mpsc::channel();
    let mut approver = TerminalApprover::new(
        Box::new(Fed(fed, take)),
        Box::new(Shown::default()),
        Duration::ZERO,
    );
    taken.recv().unwrap();
    let mut brain = clicks(&[0, 1]);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.budgets.answer_time = Duration::from_millis(200);
    let mut run = Run::start(options).unwrap();
    let first = run.step().unwrap();
    assert!(
        first.result.contains("nobody answered in time"),
        "{}",
        first.result
    );
    // The yes to the first question arrives before the second is put.
    feed.send(b"yes\n".to_vec()).unwrap();
    taken.recv().unwrap();
    let second = run.step().unwrap();
    drop(run);
    assert_eq!(second.words, "click button 'Delete'");
    assert!(
        second.result.contains("nobody answered in time"),
        "{}",
        second.result
    );
    assert!(screen.pressed.is_empty());
}
