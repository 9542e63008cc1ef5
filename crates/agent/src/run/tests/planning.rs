use super::*;

fn items(lines: &[&str]) -> Vec<PlanItem> {
    lines.iter().map(|line| PlanItem::parse(line).unwrap()).collect()
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.goals.iter().map(|goal| goal.item.to_string()).collect()
}

/// Plans, checks off without and with evidence, and tries to end too soon.
fn planner() -> impl FnMut(&Observation<'_>) -> Decision {
    |observation| match observation.history.len() {
        0 => Decision {
            plan: Some(items(&["- [ ] press One", "- [ ] press Two"])),
            notes: vec!["One costs 12 €".into()],
            ..Decision::new(row(0))
        },
        1 => {
            assert!(observation.notes.is_empty());
            assert_eq!(observation.plan.notes[0].text, "One costs 12 €");
            Decision {
                plan: Some(items(&["- [x] press One", "- [ ] press Two"])),
                ..Decision::new(Action::Screenshot)
            }
        }
        2 => {
            assert!(observation.notes[0].contains("\"press One\" stays open"));
            Decision {
                plan: Some(items(&["- [x] press One | the page changed", "- [ ] press Two"])),
                ..Decision::new(success())
            }
        }
        3 => {
            let told = &observation.history[2].result;
            assert!(told.contains("open sub-goals.\n- [ ] press Two"), "{told}");
            Decision::new(row(1))
        }
        _ => Decision {
            plan: Some(items(&["- [x] press Two | the page changed again"])),
            ..Decision::new(success())
        },
    }
}

#[test]
fn a_plan_is_kept_checked_off_with_evidence_and_shown() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let (mut brain, mut approver) = (Thinker(planner()), DenyAll);
    let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
    let (reports, end) = all(&mut run);
    assert_eq!((end, reports.len()), (EndKind::Finished, 5));
    assert_eq!(
        texts(run.plan()),
        [
            "- [x] press One | the page changed",
            "- [x] press Two | the page changed again"
        ]
    );
    assert_eq!(
        run.plan().goals.iter().map(|goal| goal.step).collect::<Vec<_>>(),
        [Some(3), Some(5)]
    );
    let changed: Vec<bool> = reports.iter().map(|report| report.plan.is_some()).collect();
    assert_eq!(
        changed,
        [true, false, true, false, true],
        "only where a step changed it"
    );
    let id = run.id().clone();
    drop(run);
    assert_eq!(screen.pressed, ["One", "Two"]);
    let page = crate::html(&site.journal, &[id], &crate::ReportOptions::default()).unwrap();
    for part in [
        "Plan, 0 of 2 done",
        "Plan, 2 of 2 done",
        "step 3: the page changed",
        "One costs 12 €",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_resumed_run_still_has_its_plan_and_its_notes() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let (mut brain, mut approver) = (Thinker(planner()), DenyAll);
    let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
    run.step().unwrap();
    let (id, before) = (run.id().clone(), run.plan().clone());
    drop(run);
    let (mut brain, mut approver) = (Thinker(planner()), DenyAll);
    let mut run = Run::resume(site.options(&mut screen, &mut brain, &mut approver), id).unwrap();
    assert_eq!(*run.plan(), before);
    assert_eq!(all(&mut run).1, EndKind::Finished);
    assert_eq!(run.plan().progress(), (2, 2));
}

#[test]
fn a_recording_tells_the_same_plan() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let (mut brain, mut approver) = (Thinker(planner()), DenyAll);
    let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
    all(&mut run);
    let (id, before) = (run.id().clone(), run.plan().clone());
    drop(run);
    let mut screen = FakeScreen::new(&["One", "Two"]);
    let mut brain = RecordedBrain::open(&site.journal, &id).unwrap();
    let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
    assert_eq!(all(&mut run).1, EndKind::Finished);
    assert_eq!(*run.plan(), before);
}

#[test]
fn scripts_carry_plans_too() {
    let line = r#"{"plan": ["[ ] one", "[x] two | seen"], "notes": ["n"], "arguments": {"action": "back"}}"#;
    let mut brain = ScriptedBrain::parse("s", line).unwrap();
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One"]);
    let mut approver = DenyAll;
    let mut run = Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap();
    run.step().unwrap();
    assert_eq!(texts(run.plan()), ["- [ ] one", "- [x] two | seen"]);
    let wrong = ScriptedBrain::parse("s", "{\"plan\": [\"two\"], \"arguments\": {}}").unwrap_err();
    assert!(wrong.to_string().contains("is no sub-goal"), "{wrong}");
}
