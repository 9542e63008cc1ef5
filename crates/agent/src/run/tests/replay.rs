use super::*;

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
