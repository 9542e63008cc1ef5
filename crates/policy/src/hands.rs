//! What a person does with their own hands.

use crate::{Decision, Layer, Outcome, Request, RuleRef, Rules, Verdict, judge};

/// The default of tier 4, which is left to the person.
const LEFT_TO_HANDS: &str = "tier-4-hands";

/// Judges what a person does through the same screen. What is left to the person's own hands is theirs; a rule that
/// denies, the locked ones above all, denies it to them as well. What would be asked is still asked: the person who
/// does it is the one who answers.
pub fn judge_hands(request: &Request<'_>, rules: &Rules) -> Verdict {
    let verdict = judge(request, rules);
    let rule = verdict.rule();
    if verdict.decision() != Decision::Deny || rule.layer != Layer::Builtin || rule.name != LEFT_TO_HANDS {
        return verdict;
    }
    verdict.decided(
        Decision::Allow,
        RuleRef {
            layer: Layer::Builtin,
            name: "own-hands".to_owned(),
            reason: "this is left to the person's own hands, and these are they".to_owned(),
        },
    )
}

/// Lets pass what a person does with their own hands, unless it is denied. `by`: who, in words.
pub fn permit_hands(verdict: Verdict, by: &str) -> Outcome {
    match verdict.into_outcome() {
        Outcome::Ask(ask) => Outcome::Allowed(ask.answered_yes(by)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use aurore_action::{Action, Button, FieldKind, Form, Point, Target};

    use super::*;
    use crate::{Context, Principal};

    fn verdict(target: &Target, rules: &Rules) -> (Decision, Decision) {
        let context = Context {
            origin: target.origin.clone(),
            known_origins: vec!["https://a.example".into()],
            controls: vec!["http://127.0.0.1:7777".into()],
            attended: true,
            ..Context::default()
        };
        let action = Action::Click {
            button: Button::Left,
            count: 1,
            at: Point::new(1, 1),
            modifiers: Vec::new(),
        };
        let principal = Principal("person:at the page".into());
        let request = Request {
            principal: &principal,
            action: &action,
            target: Some(target),
            also: &[],
            context: &context,
        };
        (
            judge(&request, rules).decision(),
            judge_hands(&request, rules).decision(),
        )
    }

    fn button(label: &str, origin: &str, fields: &[FieldKind]) -> Target {
        Target {
            role: "button".into(),
            label: label.into(),
            origin: origin.into(),
            agrees: true,
            enabled: true,
            form: Some(Form {
                action: origin.into(),
                method: "post".into(),
                fields: fields.to_vec(),
                submits: !fields.is_empty(),
                ..Form::default()
            }),
            ..Target::default()
        }
    }

    #[test]
    fn what_is_left_to_hands_is_theirs_and_locked_rules_bind_them_too() {
        let rules = Rules::builtin();
        let captcha = button("I am not a robot", "https://a.example", &[]);
        assert_eq!(verdict(&captcha, &rules), (Decision::Deny, Decision::Allow));
        let controls = button("Allow once", "http://localhost:7777", &[]);
        assert_eq!(verdict(&controls, &rules), (Decision::Deny, Decision::Deny));
        let never =
            "[[rule]]\nname = \"never\"\ndecision = \"deny\"\nlabel = \"I am not*\"\nreason = \"a test\"\n";
        let strict = Rules::builtin().with(Layer::User, "t.toml", never).unwrap();
        assert_eq!(verdict(&captcha, &strict), (Decision::Deny, Decision::Deny));
    }

    #[test]
    fn what_would_be_asked_is_answered_by_who_does_it() {
        let pay = button("Pay now", "https://a.example", &[]);
        assert_eq!(verdict(&pay, &Rules::builtin()).1, Decision::Ask);
    }
}
