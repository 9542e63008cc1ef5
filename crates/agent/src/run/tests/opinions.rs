use super::*;

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
