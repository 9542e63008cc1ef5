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

#[test]
fn an_address_on_a_site_that_has_moved_is_opened_where_it_is_now() {
    let site = Site::new();
    let open = |url: &str| format!("{{\"arguments\": {{\"action\": \"open_url\", \"url\": \"{url}\"}}}}\n");
    let script = open("http://hotels.test:1/list")
        + &open("http://calendar.test:1/")
        + &open("http://hotels.test:1/pay");
    let mut brain = ScriptedBrain::parse("s", &script).unwrap();
    let mut screen = FakeScreen::new(&["One"]);
    let mut approver = CountingApprover::yes();
    let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
    all(&mut run);
    let id = run.id().clone();
    drop(run);

    let mut again = RecordedBrain::open(&site.journal, &id).unwrap();
    again.moved = true;
    again.sites = [
        "http://hotels.test:2".to_owned(),
        "http://calendar.test:2".to_owned(),
    ]
    .into();
    let mut screen = FakeScreen::new(&["One"]);
    let mut approver = CountingApprover::yes();
    let (reports, _) = all(&mut Run::start(site.options(&mut screen, &mut again, &mut approver)).unwrap());
    let opened: Vec<String> = reports
        .iter()
        .filter_map(|report| match &report.action {
            Some(Action::OpenUrl { url }) => Some(url.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        opened,
        [
            "http://hotels.test:2/list",
            "http://calendar.test:2/",
            "http://hotels.test:2/pay"
        ]
    );
}
