//! What a goal calls for, to be asked once, before the first step.

use crate::{
    Allowance, Context, Effect, Layer, Principal, Rule, classify::goal_asks, fold::fold, origin, rules::Kind,
};

/// Something of tier 2 that a goal calls for, and the rule for the run that a yes makes.
#[derive(Debug, Clone)]
pub struct Beforehand {
    /// All of it in words.
    pub words: String,
    /// What would be done, in words.
    pub what: String,
    /// With what: addresses that the goal holds, names of secrets.
    pub with: Vec<String>,
    /// The origins that it is bound to.
    pub places: Vec<String>,
    /// The rule for the run's layer.
    pub rule: Rule,
    /// The text of that rule.
    pub text: String,
}

/// The same before there is a rule.
struct Wish {
    words: String,
    what: &'static str,
    with: Vec<String>,
    places: Vec<String>,
    allowance: Allowance,
}

/// What will be asked at tier 2 as far as the goal and the places of a run tell: carrying text between several
/// places, submitting the personal data that the goal holds, logging in with named secrets. Nothing where the goal
/// itself covers it. `context` is that of the run before its first step; `secrets` are names and the origins that
/// each is bound to.
pub fn called_for(
    principal: &Principal,
    context: &Context,
    secrets: &[(String, Vec<String>)],
) -> Vec<Beforehand> {
    let places: Vec<&str> = context
        .known_origins
        .iter()
        .map(String::as_str)
        .filter(|place| !place.is_empty() && !place.starts_with("about:"))
        .collect();
    let base = Allowance::to(principal).exactly("origin", Kind::Path, places.iter().copied());
    let mut found = Vec::new();
    let all_named = places.iter().all(|place| origin::is_named(place, &context.goal));
    if places.len() > 1 && !all_named {
        found.push(Wish {
            words: format!("carry text between {}", places.join(", ")),
            what: "carry text between places",
            with: Vec::new(),
            places: owned(&places),
            allowance: base
                .clone()
                .carrying_from(places.iter().copied())
                .causing(&[Effect::Carry]),
        });
    }
    let addresses = addresses(&context.goal);
    let calls_for_forms = [Effect::Pay, Effect::Send, Effect::Account]
        .iter()
        .any(|effect| goal_asks(context, *effect));
    if !places.is_empty() && (calls_for_forms || !addresses.is_empty()) {
        found.push(Wish {
            words: format!(
                "fill in and submit forms with personal data on {}",
                places.join(", ")
            ),
            what: "fill in and submit forms with personal data",
            with: addresses,
            places: owned(&places),
            allowance: base.clone().causing(&[Effect::PersonalData]),
        });
    }
    let used: Vec<&(String, Vec<String>)> = secrets
        .iter()
        .filter(|(_, origins)| {
            origins
                .iter()
                .any(|bound| places.iter().any(|place| origin::same(bound, place)))
        })
        .collect();
    if !used.is_empty() {
        let names: Vec<&str> = used.iter().map(|(name, _)| name.as_str()).collect();
        let origins: Vec<&str> = used
            .iter()
            .flat_map(|(_, origins)| origins.iter().map(String::as_str))
            .filter(|bound| places.iter().any(|place| origin::same(bound, place)))
            .collect();
        found.push(Wish {
            words: format!(
                "log in with the secrets {} on {}",
                names.join(", "),
                origins.join(", ")
            ),
            what: "log in with secrets by name",
            with: owned(&names),
            places: owned(&origins),
            allowance: Allowance::to(principal)
                .exactly("origin", Kind::Path, origins.iter().copied())
                .causing(&[Effect::Secret, Effect::LogIn]),
        });
    }
    found
        .into_iter()
        .enumerate()
        .filter_map(|(index, wish)| {
            const REASON: &str = "you allowed it before the first step";
            let name = format!("up-front-{}", index + 1);
            let rule = wish.allowance.rule(Layer::Run, &name, REASON).ok()?;
            Some(Beforehand {
                words: wish.words,
                what: wish.what.to_owned(),
                with: wish.with,
                places: wish.places,
                rule,
                text: wish.allowance.text(&name, REASON),
            })
        })
        .collect()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// E-mail addresses that a goal holds, and a telephone number, if it seems to hold one.
fn addresses(goal: &str) -> Vec<String> {
    let goal = fold(goal);
    let mut found: Vec<String> = goal
        .split_whitespace()
        .filter(|word| {
            word.split_once('@')
                .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        })
        .map(|word| {
            word.trim_matches(|at_the_edge: char| !at_the_edge.is_alphanumeric())
                .to_owned()
        })
        .collect();
    let digits = goal.chars().filter(char::is_ascii_digit).count();
    if digits >= 7 && goal.contains('+') {
        found.push("a telephone number".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_named_without_what_stands_around_them() {
        let found = |goal| addresses(goal);
        assert_eq!(found("Subscribe Ann (ann@post.example)."), ["ann@post.example"]);
        assert_eq!(found("call +49 30 1234567"), ["a telephone number"]);
        assert!(found("order 12345678 at @home").is_empty());
    }
}
