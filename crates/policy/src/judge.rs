//! From a request to a verdict.

use aurore_action::{Action, ToolCall};

use crate::{
    Binding, Decision, Facts, Layer, Request, RuleRef, Rules, Tier, ToolRequest, Verdict, VerdictRecord,
    classify::{classify, parts},
    verdict::NOBODY,
};

/// Judges one action. Total: every request gets a verdict that names its rule, its reason and its tier.
///
/// Each thing that the action hits is judged for itself, and the strictest verdict counts. No rule matching,
/// the tier's default stands; tier 2 passes where the goal itself asks for it. Where the hit test and the
/// accessibility node disagree, the verdict is at least ask. With nobody to ask, ask is deny.
pub fn judge(request: &Request<'_>, rules: &Rules) -> Verdict<Action> {
    let record = judge_facts(&facts(request), rules, request.context.attended);
    Verdict::new(record, request.action.clone(), Binding::of(request))
}

/// Judges one use of a tool. Everything that it does is judged for itself (each program of a script, both ends of
/// a move), and the strictest verdict counts.
pub fn judge_tool(request: &ToolRequest<'_>, rules: &Rules) -> Verdict<ToolCall> {
    let record = judge_facts(&tool_facts(request), rules, request.context.attended);
    Verdict::new(record, request.call.clone(), Binding::of_tool(request))
}

/// What rules see of an action: one entry for each thing that it hits, the main one first.
pub fn facts(request: &Request<'_>) -> Vec<Facts> {
    let main = Facts::of(request, request.target, classify(request, request.target));
    let also = request
        .also
        .iter()
        .map(|target| Facts::of(request, Some(target), classify(request, Some(target))));
    std::iter::once(main).chain(also).collect()
}

/// What rules see of the use of a tool: one entry for each thing that it does.
pub fn tool_facts(request: &ToolRequest<'_>) -> Vec<Facts> {
    parts(request)
        .into_iter()
        .map(|part| Facts::of_tool(request, part))
        .collect()
}

/// Judges what rules see: the same facts come out the same, whenever they were gathered. The strictest verdict of
/// all counts; of equals the first. Facts about nothing are denied.
pub fn judge_facts(facts: &[Facts], rules: &Rules, attended: bool) -> VerdictRecord {
    let mut strictest: Option<VerdictRecord> = None;
    for facts in facts {
        let record = judge_one(facts, rules, attended);
        if strictest
            .as_ref()
            .is_none_or(|strictest| (record.decision, record.tier) > (strictest.decision, strictest.tier))
        {
            strictest = Some(record);
        }
    }
    strictest.unwrap_or_else(|| VerdictRecord {
        decision: Decision::Deny,
        rule: builtin("nothing-to-judge", "what cannot be named is not done"),
        tier: Tier::Hands,
        why: "nothing was said of what it does".to_owned(),
    })
}

fn judge_one(facts: &Facts, rules: &Rules, attended: bool) -> VerdictRecord {
    let (mut decision, mut rule) = ruling(facts, rules);
    // What raises a tier can bring another rule to bear, but never a milder verdict.
    if facts.taint || facts.own_tier.is_some_and(|own| own < facts.tier) {
        let (by_itself, its_rule) = ruling(&facts.by_itself(), rules);
        if by_itself > decision {
            (decision, rule) = (by_itself, its_rule);
        }
    }
    let mut why = facts.why.clone();
    if decision == Decision::Ask && !attended {
        decision = Decision::Deny;
        why.push_str(NOBODY);
    }
    VerdictRecord {
        decision,
        rule,
        tier: facts.tier,
        why,
    }
}

fn ruling(facts: &Facts, rules: &Rules) -> (Decision, RuleRef) {
    let (decision, rule) = match rules.decide(facts) {
        Some(rule) => (rule.decision(), rule.reference().clone()),
        None => default(facts),
    };
    let (decision, rule) = match rules.tighten(facts, decision) {
        Some(rule) => (rule.decision(), rule.reference().clone()),
        None => (decision, rule),
    };
    if decision == Decision::Allow && facts.uncertain {
        let reason = "what the page shows there and what the browser says is there are not the same thing";
        return (Decision::Ask, builtin("target-uncertain", reason));
    }
    (decision, rule)
}

fn default(facts: &Facts) -> (Decision, RuleRef) {
    let tier = facts.tier;
    if tier == Tier::Once && facts.covered && facts.own_tier.is_none_or(|own| own == tier) {
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

fn builtin(name: &str, reason: &str) -> RuleRef {
    RuleRef {
        layer: Layer::Builtin,
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
