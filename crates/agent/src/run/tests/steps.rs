use super::*;

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
            Event::Window(_) => "window",
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

#[test]
fn an_expectation_that_failed_is_told_with_the_next_frame() {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One", "Pay now"]);
    screen.dead = true;
    let mut told = Vec::new();
    let mut brain = Thinker(|observation: &Observation<'_>| {
        told.push(observation.notes.join(" "));
        match observation.history.len() {
            0 => Decision {
                expect: "a list of flights".into(),
                ..Decision::new(row(0))
            },
            // Told no, it goes another way.
            1 => Decision::new(row(1)),
            _ => {
                assert!(observation.history[1].result.contains("tier-3-ask"));
                Decision::new(success())
            }
        }
    });
    let mut approver = DenyAll;
    let (reports, end) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    assert_eq!(
        (end, reports[1].outcome),
        (EndKind::Finished, StepOutcome::Refused)
    );
    assert!(told[1].contains("You expected \"a list of flights\""), "{told:?}");
    assert!(told[2].is_empty(), "{told:?}");
}

#[test]
fn what_files_are_the_agents_own_is_each_runs_own_matter() {
    let site = Site::new();
    let rule = |controls: &[&str]| {
        let mut screen = FakeScreen::new(&["Open"]);
        // A file that a program shows: a place without an origin.
        screen.place = ("", "file:///home/a/.config/aurore/rules.toml".into());
        let (mut brain, mut approver) = (clicks(&[0]), CountingApprover::yes());
        let mut options = site.options(&mut screen, &mut brain, &mut approver);
        options.files = Files {
            controls: controls.iter().map(|path| (*path).to_owned()).collect(),
            home: "/home/a".into(),
            ..Files::default()
        };
        let step = Run::start(options).unwrap().step().unwrap();
        assert_eq!(step.outcome, StepOutcome::Refused);
        step.verdict.unwrap().rule.name
    };
    assert_eq!(rule(&["/home/a/.config/aurore"]), "own-controls");
    assert_eq!(rule(&["/home/b"]), "own-files");
}
