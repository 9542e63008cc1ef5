//! What a goal calls for, to be asked once, before the first step.

use crate::{
    Allowance, Context, Effect, Layer, Principal, Rule, classify::goal_asks, fold::fold, origin, rules::Kind,
};

/// Something of tier 2 that a goal calls for, and the rule for the run that a yes makes.
#[derive(Debug, Clone)]
pub struct Beforehand {
    /// In words.
    pub words: String,
    /// The rule for the run's layer.
    pub rule: Rule,
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
        found.push((
            format!("carry text between {}", places.join(", ")),
            base.clone()
                .carrying_from(places.iter().copied())
                .causing(&[Effect::Carry]),
        ));
    }
    let calls_for_forms = [Effect::Pay, Effect::Send, Effect::Account]
        .iter()
        .any(|effect| goal_asks(context, *effect));
    if !places.is_empty() && (calls_for_forms || holds_an_address(&context.goal)) {
        found.push((
            format!(
                "fill in and submit forms with personal data on {}",
                places.join(", ")
            ),
            base.clone().causing(&[Effect::PersonalData]),
        ));
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
        found.push((
            format!(
                "log in with the secrets {} on {}",
                names.join(", "),
                origins.join(", ")
            ),
            Allowance::to(principal)
                .exactly("origin", Kind::Path, origins.iter().copied())
                .causing(&[Effect::Secret, Effect::LogIn]),
        ));
    }
    found
        .into_iter()
        .enumerate()
        .filter_map(|(index, (words, allowance))| {
            let name = format!("up-front-{}", index + 1);
            let rule = allowance
                .rule(Layer::Run, &name, "you allowed it before the first step")
                .ok()?;
            Some(Beforehand { words, rule })
        })
        .collect()
}

/// Whether a goal holds an e-mail address or a telephone number.
fn holds_an_address(goal: &str) -> bool {
    let goal = fold(goal);
    let mail = goal.split_whitespace().any(|word| {
        word.split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
    });
    let digits = goal.chars().filter(char::is_ascii_digit).count();
    mail || (digits >= 7 && goal.contains('+'))
}
