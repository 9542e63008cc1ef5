use super::*;

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
