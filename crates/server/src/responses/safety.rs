//! `pending_safety_checks`: what a person should look at before the client does what the model wants.
//!
//! The client operates the screen, so this server sees no page: it judges an action by the rules of `policy` on what the
//! items tell, which is the person's words, the address that the client last was at, and what is pressed or typed. What
//! the rules would ask or refuse becomes a check. The model's next turn waits until the client acknowledges it.

use aurore_action::Action;
use aurore_policy::{Context, Decision, Principal, Request, Rules, Tier, Verdict, judge, origin_of};
use serde_json::{Value, json};

use super::request::{Check, Item};
use crate::ids;
use crate::problem::Problem;

/// What is known of a screen and of what was asked about it.
#[derive(Debug, Default)]
pub(super) struct Safety {
    /// The person's words.
    goal: String,
    /// Where the client said it was first.
    start: Option<String>,
    /// Where it said it was last.
    current: Option<String>,
    /// Calls whose checks were not acknowledged yet.
    open: Vec<(Option<String>, Vec<Check>)>,
    /// What was acknowledged so far.
    acknowledged: Vec<Check>,
}

impl Safety {
    /// A person said something.
    pub(super) fn say(&mut self, text: &str) {
        self.goal += text;
        self.goal.push('\n');
    }

    /// The model called for something.
    pub(super) fn called(&mut self, item: &Item) {
        let checks = item.pending_safety_checks.clone().unwrap_or_default();
        if !checks.is_empty() {
            self.open.push((item.call_id.clone(), checks));
        }
    }

    /// The client did it, and tells what came of it.
    ///
    /// # Errors
    /// When there were checks that it does not acknowledge.
    pub(super) fn seen(&mut self, param: &str, item: &Item) -> Result<(), Problem> {
        let is_own = |call: &(Option<String>, _)| call.0 == item.call_id;
        // A result of an unknown call gets nobody past the checks of a known one.
        let due = match self.open.iter().position(is_own) {
            Some(place) => self.open.remove(place).1,
            None => std::mem::take(&mut self.open)
                .into_iter()
                .flat_map(|(_, checks)| checks)
                .collect(),
        };
        let acknowledged = item.acknowledged_safety_checks.iter().flatten();
        let missing = due
            .iter()
            .find(|check| !acknowledged.clone().any(|other| other.id == check.id));
        if let Some(check) = missing {
            let message = format!(
                "the call had a safety check that is not acknowledged ({}: {}): let a person look at it, and send it \
                 back here if they agree",
                check.id,
                check.message.as_deref().unwrap_or_default()
            );
            let param = format!("{param}.acknowledged_safety_checks");
            return Err(Problem::invalid(param, message).coded("safety_check_not_acknowledged"));
        }
        self.acknowledged.extend(due);
        if let Some(url) = &item.current_url {
            self.start.get_or_insert_with(|| url.clone());
            self.current = Some(url.clone());
        }
        Ok(())
    }

    /// What a person should look at before this is done.
    pub(super) fn checks(&self, action: &Action, model: &str, rules: &Rules) -> Vec<Check> {
        let origin = |url: &Option<String>| url.as_deref().map(origin_of);
        let context = Context {
            goal: self.goal.clone(),
            origin: origin(&self.current).unwrap_or_default(),
            url: self.current.clone(),
            known_origins: origin(&self.start).into_iter().collect(),
            attended: true,
            ..Context::default()
        };
        let verdict = judge(
            &Request {
                principal: &Principal::model(model),
                action,
                target: None,
                also: &[],
                context: &context,
            },
            rules,
        );
        let check = Check::of(&verdict);
        // What is asked once was answered for good.
        let again = verdict.tier() == Tier::Once
            && verdict.decision() == Decision::Ask
            && self.acknowledged.iter().any(|old| old.is_same(&check));
        if verdict.decision() == Decision::Allow || again {
            return Vec::new();
        }
        vec![check]
    }
}

impl Check {
    fn of(verdict: &Verdict) -> Self {
        let rule = verdict.rule();
        Self {
            id: ids::fresh("cu_sc_"),
            code: Some(rule.name.clone()),
            message: Some(format!("{}: {}", verdict.why(), rule.reason)),
        }
    }

    /// Whether it asks the same, under whatever name.
    fn is_same(&self, other: &Self) -> bool {
        self.code == other.code && self.message == other.message
    }

    /// As items have it.
    pub(super) fn object(&self) -> Value {
        json!({"id": self.id, "code": self.code, "message": self.message})
    }
}

#[cfg(test)]
mod tests {
    use aurore_action::{Button, Point};
    use serde::Deserialize;

    use super::*;

    fn item(value: Value) -> Item {
        Item::deserialize(value).unwrap()
    }

    fn click() -> Action {
        Action::Click {
            button: Button::Left,
            count: 1,
            at: Point::new(3, 4),
            modifiers: Vec::new(),
        }
    }

    fn typing(text: &str) -> Action {
        Action::Type {
            text: text.to_owned(),
        }
    }

    fn codes(safety: &Safety, action: &Action) -> Vec<String> {
        let checks = safety.checks(action, "nano", &Rules::builtin());
        checks.into_iter().map(|check| check.code.unwrap()).collect()
    }

    /// A result of a call at an address, with the checks that a person agreed to.
    fn at(url: &str, checks: &[Check]) -> Item {
        let checks: Vec<Value> = checks.iter().map(Check::object).collect();
        item(
            json!({"type": "computer_call_output", "call_id": "c", "current_url": url,
            "acknowledged_safety_checks": checks}),
        )
    }

    #[test]
    fn what_is_known_decides() {
        let mut safety = Safety::default();
        safety.say("Book a table.");
        // Looking is free anywhere, pressing on an unknown page is not.
        assert_eq!(codes(&safety, &Action::Screenshot), [""; 0]);
        assert_eq!(codes(&safety, &click()), ["tier-2-ask"]);
        safety.seen("x", &at("https://table.example/a", &[])).unwrap();
        assert_eq!(codes(&safety, &click()), [""; 0]);
        assert_eq!(codes(&safety, &typing("two")), [""; 0]);
        assert_eq!(codes(&safety, &typing("4111 1111 1111 1111")), ["tier-3-ask"]);
        // Elsewhere it is asked, unless the person named the place.
        safety.seen("x", &at("https://pay.example/", &[])).unwrap();
        assert_eq!(codes(&safety, &click()), ["tier-2-ask"]);
        safety.say("Use pay.example for it.");
        assert_eq!(codes(&safety, &click()), [""; 0]);
        // What is denied is a check too: this server cannot hold the client's hand back.
        safety.seen("x", &at("chrome://settings/", &[])).unwrap();
        assert_eq!(codes(&safety, &click()), ["browser-internals"]);
    }

    #[test]
    fn checks_are_acknowledged_or_nothing_follows() {
        let mut safety = Safety::default();
        let rules = Rules::builtin();
        let checks = safety.checks(&click(), "nano", &rules);
        let pending: Vec<Value> = checks.iter().map(Check::object).collect();
        let call = item(json!({"type": "computer_call", "call_id": "c", "pending_safety_checks": pending}));
        safety.called(&call);
        for output in [
            at("https://a.example/", &[]),
            item(json!({"type": "computer_call_output", "call_id": "other"})),
            item(json!({"type": "computer_call_output"})),
            item(
                json!({"type": "computer_call_output", "call_id": "c", "acknowledged_safety_checks": [{"id": "x"}]}),
            ),
        ] {
            let mut safety = Safety::default();
            safety.called(&call);
            let problem = safety.seen("input[1]", &output).unwrap_err();
            assert_eq!(
                problem.param.as_deref(),
                Some("input[1].acknowledged_safety_checks")
            );
            assert!(problem.message.contains(&checks[0].id), "{problem}");
        }
        safety
            .seen(
                "x",
                &item(json!({"type": "computer_call_output", "call_id": "c", "acknowledged_safety_checks": pending})),
            )
            .unwrap();
        // The same is not asked again, something else is.
        assert_eq!(codes(&safety, &click()), [""; 0]);
        assert_eq!(codes(&safety, &typing("4111 1111 1111 1111")), ["tier-3-ask"]);
    }
}
