//! From a request to a verdict.

use crate::{Binding, Layer, Request, RuleRef, Rules, Tier, Verdict, VerdictRecord};

/// Judges one action. Total: every request gets a verdict that names its rule.
pub fn judge(request: &Request<'_>, _rules: &Rules) -> Verdict {
    let tier = Tier::Once;
    let record = VerdictRecord {
        decision: tier.default_decision(),
        rule: RuleRef {
            layer: Layer::Builtin,
            name: "not-judged-yet".to_owned(),
            reason: "the classification is still being written".to_owned(),
        },
        tier,
        why: String::new(),
    };
    Verdict::new(record, request.action.clone(), Binding::of(request))
}
