//! "Allow from now on": rules for the rest of a run, from narrow to wide.

use crate::{Request, Rule, Tier, VerdictRecord, facts};

/// A rule that an answer may add, and what it means.
#[derive(Debug, Clone)]
pub struct ScopeRule {
    /// In words.
    pub words: String,
    /// The rule for the run's layer.
    pub rule: Rule,
}

/// What may be allowed for the rest of the run besides this once, from narrow to wide. Nothing for tier 3 and 4
/// (those are asked each time), for what a locked rule holds, or where the target is uncertain.
pub fn scopes_for(request: &Request<'_>, verdict: &VerdictRecord) -> Vec<ScopeRule> {
    let facts = facts(request);
    let uncertain = request
        .target
        .iter()
        .chain(&request.also.iter().collect::<Vec<_>>())
        .any(|target| !target.agrees);
    let Some(place) = facts.places.last() else {
        return Vec::new();
    };
    let one_place = facts.places.iter().all(|other| other.origin == place.origin);
    if verdict.tier > Tier::Once || facts.tier > Tier::Once || uncertain || !one_place || facts.taint {
        return Vec::new();
    }
    let action = request.action.name();
    let origin = &place.origin;
    let narrow = request
        .target
        .filter(|target| !target.label.is_empty())
        .map(|target| {
            (
                format!(
                    "{action} on {} on {origin}, for the rest of this run",
                    target.describe()
                ),
                Some((target.role.as_str(), target.label.as_str())),
            )
        });
    let wide = (
        format!(
            "{action} on anything on {origin} up to {}, for the rest of this run",
            verdict.tier
        ),
        None,
    );
    narrow
        .into_iter()
        .chain([wide])
        .enumerate()
        .filter_map(|(index, (words, target))| {
            let name = format!("answer-at-step-{}-{}", request.context.step, index + 1);
            let rule = Rule::answered(name, action, origin, target, verdict.tier).ok()?;
            Some(ScopeRule { words, rule })
        })
        .collect()
}
