//! From a request to a verdict.

use aurore_action::Target;

use crate::{
    Binding, Context, Decision, Facts, Layer, Request, RuleRef, Rules, Tier, Verdict, VerdictRecord,
    classify::{Classified, classify},
    origin,
};

/// Judges one action. Total: every request gets a verdict that names its rule, its reason and its tier.
///
/// Each thing that the action hits is judged for itself, and the strictest verdict counts. No rule matching,
/// the tier's default stands; tier 2 passes where the goal itself asks for it. Where the hit test and the
/// accessibility node disagree, the verdict is at least ask. With nobody to ask, ask is deny.
pub fn judge(request: &Request<'_>, rules: &Rules) -> Verdict {
    let mut strictest = judge_one(request, request.target, rules);
    for target in request.also {
        let other = judge_one(request, Some(target), rules);
        if (other.decision, other.tier) > (strictest.decision, strictest.tier) {
            strictest = other;
        }
    }
    Verdict::new(strictest, request.action.clone(), Binding::of(request))
}

/// What rules see of the request's main target: for "allow from now on" and for explanations.
pub fn facts(request: &Request<'_>) -> Facts {
    let (tier, _) = tier(request, &classify(request, request.target));
    Facts::of(request, request.target, tier)
}

fn judge_one(request: &Request<'_>, target: Option<&Target>, rules: &Rules) -> VerdictRecord {
    let context = request.context;
    let classified = classify(request, target);
    let (tier, mut why) = tier(request, &classified);
    let facts = Facts::of(request, target, tier);

    let (mut decision, mut rule) = match rules.decide(&facts) {
        Some(rule) => (rule.decision(), rule.reference().clone()),
        None => default(tier, &classified),
    };
    if decision == Decision::Allow && target.is_some_and(|target| !target.agrees) {
        decision = Decision::Ask;
        rule = RuleRef {
            layer: Layer::Builtin,
            name: "target-uncertain".to_owned(),
            reason: "what the page shows there and what the browser says is there are not the same thing"
                .to_owned(),
        };
    }
    if decision == Decision::Ask && !context.attended {
        decision = Decision::Deny;
        why.push_str("; it would be asked, but nobody is there to answer");
    }
    VerdictRecord {
        decision,
        rule,
        tier,
        why,
    }
}

/// The tier after what can raise it, and the words for it.
fn tier(request: &Request<'_>, classified: &Classified) -> (Tier, String) {
    let context = request.context;
    let mut tier = classified.tier;
    let mut why = format!("it {}", classified.what);
    if let Some(covered) = &classified.covered {
        why.push_str("; ");
        why.push_str(covered);
    }
    if let Some(tainted) = context
        .tainted
        .iter()
        .find(|tainted| !excused(&tainted.source, context))
    {
        tier = tier.raised();
        why.push_str("; an argument was taken from ");
        why.push_str(if tainted.source.is_empty() {
            "the screen"
        } else {
            &tainted.source
        });
        why.push_str(" and not from the goal");
    }
    if let Some(raised) = context.raised.filter(|raised| *raised > tier) {
        tier = raised;
        why.push_str("; the model itself holds it for more serious");
    }
    (tier, why)
}

/// Text from one named place to another named place is what the goal is about.
fn excused(source: &str, context: &Context) -> bool {
    origin::is_named(source, &context.goal) && origin::is_named(&context.origin, &context.goal)
}

fn default(tier: Tier, classified: &Classified) -> (Decision, RuleRef) {
    let builtin = |name: &str, reason: &str| RuleRef {
        layer: Layer::Builtin,
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    if tier == Tier::Once && classified.tier == tier && classified.covered.is_some() {
        return (
            Decision::Allow,
            builtin("goal-covers-it", "the goal itself asks for this"),
        );
    }
    let rule = match tier {
        Tier::Free => builtin("tier-1-free", "looking and plain choices on known pages are free"),
        Tier::Once => builtin(
            "tier-2-ask",
            "this is asked once unless the goal or a rule covers it",
        ),
        Tier::Always => builtin(
            "tier-3-ask",
            "this has consequences outside the run and is asked right before",
        ),
        Tier::Hands => builtin("tier-4-hands", "this is left to the person's own hands"),
    };
    (tier.default_decision(), rule)
}

#[cfg(test)]
mod tests;
