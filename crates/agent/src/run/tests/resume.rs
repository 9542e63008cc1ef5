use super::*;
use crate::{RunId, UpFront};

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

/// Answers the first question from now on, and the one up front with a yes to its first item.
#[derive(Default)]
struct Generous {
    asked: u32,
    up_front: u32,
}

impl Approver for Generous {
    fn name(&self) -> String {
        "ann".into()
    }

    fn ask(&mut self, _: &Question) -> Answer {
        self.asked += 1;
        Answer::FromNowOn(0)
    }

    fn ask_up_front(&mut self, question: &UpFront) -> Option<Answer> {
        self.up_front += 1;
        assert!(!question.items.is_empty());
        Some(Answer::Only(vec![0]))
    }
}

const OTHER: &str = "https://other.test";

/// A run that is asked up front and about "Log in", and then left as a crash leaves it.
fn interrupted(site: &Site) -> RunId {
    let mut screen = FakeScreen::new(&["Log in", "Upload"]);
    let (mut brain, mut approver) = (clicks(&[0]), Generous::default());
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.known_origins.push(OTHER.into());
    let mut run = Run::start(options).unwrap();
    run.step().unwrap();
    let id = run.id().clone();
    drop(run);
    assert_eq!((approver.up_front, approver.asked), (1, 1));
    id
}

/// Goes on under what `change` makes of the options; the verdicts of "Log in", "Upload", and what was asked.
fn go_on(
    site: &Site,
    id: &RunId,
    change: impl FnOnce(&mut RunOptions<'_, FakeScreen>),
) -> (Vec<Ruling>, u32, u32) {
    let mut screen = FakeScreen::new(&["Log in", "Upload"]);
    let (mut script, mut approver) = (clicks(&[0, 1]), Generous::default());
    let mut brain = Same(&mut script);
    let mut options = site.options(&mut screen, &mut brain, &mut approver);
    options.goal = String::new();
    change(&mut options);
    let mut run = Run::resume(options, id.clone()).unwrap();
    let verdicts = (0..2)
        .map(|_| run.step().unwrap().verdict.unwrap().decision)
        .collect();
    drop(run);
    (verdicts, approver.up_front, approver.asked)
}

/// The brain of [`interrupted`], as far as anybody can tell.
struct Same<'a>(&'a mut ScriptedBrain);

impl Brain for Same<'_> {
    fn principal(&self) -> Principal {
        clicks(&[0]).principal()
    }

    fn fingerprint(&self) -> String {
        clicks(&[0]).fingerprint()
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        self.0.decide(observation)
    }
}

#[test]
fn answers_hold_after_an_interruption_exactly_as_narrow_as_they_were() {
    use Ruling::{Allow, Ask};
    let site = Site::new();
    let id = interrupted(&site);
    // The same thing is not asked about again, another one is; nor is what was asked up front, of which one item was
    // allowed.
    assert_eq!(go_on(&site, &id, |_| ()), (vec![Allow, Ask], 0, 1));
    let Some(Event::Resume(again)) = site
        .events()
        .into_iter()
        .rfind(|event| matches!(event, Event::Resume(_)))
    else {
        panic!("no record of going on");
    };
    assert_eq!(again.still_allowed.len(), 2, "{again:?}");
    assert!(again.still_allowed[0].contains("carry text between"), "{again:?}");
    assert!(again.still_allowed[1].contains("'Log in'"), "{again:?}");
    assert_eq!(
        again.known_origins,
        [SITE, OTHER],
        "what was named is still known"
    );
    // And once more: what was answered after the first interruption holds too.
    assert_eq!(go_on(&site, &id, |_| ()), (vec![Allow, Allow], 0, 0));
}

#[test]
fn answers_are_void_under_other_rules_for_another_goal_and_for_somebody_else() {
    use Ruling::Ask;
    type Change = fn(&mut RunOptions<'_, FakeScreen>);
    let written: Change = |options| {
        let text = "[[rule]]\nname = \"r\"\ndecision = \"ask\"\nlabel = \"nothing\"\nreason = \"a test\"\n";
        options.rules = Rules::builtin().with(Layer::Run, "r.toml", text).unwrap();
    };
    let goal: Change = |options| options.goal = "press another thing".into();
    for change in [written, goal] {
        let site = Site::new();
        let id = interrupted(&site);
        let (verdicts, up_front, asked) = go_on(&site, &id, change);
        assert_eq!((verdicts[0], asked), (Ask, 2));
        assert!(up_front <= 1, "asked anew, if there is anything to ask");
        // Void for good: the first terms do not bring back what other ones ended. What was allowed under the other
        // terms is void as well.
        assert_eq!(go_on(&site, &id, |_| ()).0[0], Ask);
    }
    // Answers that were kept for every run are not the run's: their file has them, or has them no more.
    let site = Site::new();
    let id = interrupted(&site);
    let kept: Change = |options| {
        let text = "[[rule]]\nname = \"k\"\ndecision = \"allow\"\nlabel = \"nothing\"\nreason = \"a test\"\n";
        options.rules = Rules::builtin().with_answers("allowances.toml", text).unwrap();
    };
    assert_eq!(go_on(&site, &id, kept).0[0], Ruling::Allow);
}
