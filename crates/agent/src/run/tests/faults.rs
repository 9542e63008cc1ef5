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
        clock: None,
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
fn after_a_full_disk_the_run_goes_on_where_it_stopped_and_asks_about_what_it_cannot_know() {
    // Whether the disk is full before the decision, or between the deed and its result, depends on the number of pages.
    let mut unknown = 0;
    for pages in 12..28 {
        let folder = tempfile::tempdir().unwrap();
        let options = |max_pages| JournalOptions {
            folder: folder.path().to_owned(),
            key: None,
            max_pages,
            clock: None,
        };
        let site = Site::new();
        let mut screen = FakeScreen::new(&["One", "Two"]);
        let full = Journal::open(&options(Some(pages))).unwrap();
        let (mut brain, mut approver) = (clicks(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]), DenyAll);
        let mut start = site.options(&mut screen, &mut brain, &mut approver);
        start.journal = &full;
        let Ok(mut run) = Run::start(start) else { continue };
        while run.step().is_ok() && run.end().is_none() {}
        let (id, ended) = (run.id().clone(), run.end().unwrap().clone());
        drop(run);
        if ended.kind != EndKind::Failed {
            continue;
        }
        drop(full);
        // Room was made.
        let journal = Journal::open(&options(None)).unwrap();
        assert!(journal.verify(&id).unwrap().is_whole());
        let last = journal.records(&id).unwrap().pop().unwrap().event;
        let pressed = screen.pressed.len();
        let mut again = match &last {
            Event::Decision(decision) => Thinker({
                let action = decision.action.clone().unwrap();
                move |_: &Observation<'_>| Decision::new(action.clone())
            }),
            _ => continue,
        };
        let mut resume = site.options(&mut screen, &mut again, &mut approver);
        resume.journal = &journal;
        let mut run = Run::resume(resume, id).unwrap();
        let step = run.step().unwrap();
        drop(run);
        assert_eq!(step.outcome, StepOutcome::Refused, "{}", step.result);
        assert_eq!(screen.pressed.len(), pressed);
        unknown += 1;
    }
    assert!(unknown > 0, "no disk was full between a deed and its result");
}

#[test]
fn a_clock_that_jumps_changes_neither_budgets_nor_the_chain() {
    /// A day back, a year on, before 1970, and so on.
    fn jumping() -> i64 {
        static CALLS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        const TIMES: [i64; 5] = [
            1_795_000_000_000,
            1_794_900_000_000,
            1_830_000_000_000,
            -1,
            i64::MAX / 4,
        ];
        TIMES[CALLS.fetch_add(1, Ordering::SeqCst) % TIMES.len()]
    }
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&JournalOptions {
        folder: folder.path().to_owned(),
        key: None,
        max_pages: None,
        clock: Some(jumping),
    })
    .unwrap();
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Pay now", "Two"]);
    let (mut brain, mut approver) = (clicks(&[0, 1, 2]), CountingApprover::yes());
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.journal = &journal;
    let mut run = Run::start(options).unwrap();
    let (reports, end) = all(&mut run);
    assert_eq!(
        (end, reports.len()),
        (EndKind::GaveUp, 4),
        "the script is at its end"
    );
    let id = run.id().clone();
    drop(run);
    assert_eq!(screen.pressed, ["One", "Pay now", "Two"]);
    assert!(journal.verify(&id).unwrap().is_whole());
    assert_eq!(journal.runs().unwrap().len(), 1);
    crate::html(
        &journal,
        std::slice::from_ref(&id),
        &crate::ReportOptions::default(),
    )
    .unwrap();
    let mut again = FakeScreen::new(&["One", "Pay now", "Two"]);
    let mut brain = RecordedBrain::open(&journal, &id).unwrap();
    all(&mut Run::start(site.options(&mut again, &mut brain, &mut approver)).unwrap());
    assert_eq!(again.pressed, screen.pressed);
}

#[test]
fn a_run_keeps_the_rules_whose_hash_it_has_written_down() {
    let site = Site::new();
    let file = site.folder.path().join("rules.toml");
    let rule = |decision: &str| {
        format!("[[rule]]\nname = \"one\"\ndecision = \"{decision}\"\nlabel = \"One\"\nreason = \"a test\"\n")
    };
    let load = || {
        let text = std::fs::read_to_string(&file).unwrap();
        Rules::builtin().with(Layer::User, "rules.toml", &text).unwrap()
    };
    let hash = |site: &Site| match site.events().remove(0) {
        Event::Start(start) => start.rules,
        other => panic!("{other:?}"),
    };
    std::fs::write(&file, rule("deny")).unwrap();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let (mut brain, mut approver) = (clicks(&[1, 0]), DenyAll);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.rules = load();
    let mut run = Run::start(options).unwrap();
    run.step().unwrap();
    std::fs::write(&file, rule("allow")).unwrap();
    assert_eq!(run.step().unwrap().outcome, StepOutcome::Refused);
    drop(run);
    let before = hash(&site);
    // The next run has the new rules, and says so.
    let (mut brain, mut approver) = (clicks(&[0]), DenyAll);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.rules = load();
    let mut run = Run::start(options).unwrap();
    assert_eq!(run.step().unwrap().outcome, StepOutcome::Done);
    drop(run);
    let site_again = site.journal.runs().unwrap();
    let hashes: std::collections::HashSet<String> = site_again
        .into_iter()
        .map(
            |run| match site.journal.records(&run.run).unwrap().remove(0).event {
                Event::Start(start) => start.rules,
                other => panic!("{other:?}"),
            },
        )
        .collect();
    assert!(hashes.len() == 2 && hashes.contains(&before));
}
