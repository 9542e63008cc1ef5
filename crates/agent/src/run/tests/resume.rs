use super::*;

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
