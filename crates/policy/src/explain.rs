//! A verdict in words, with every rule that spoke.

use std::fmt::Write;

use crate::{Request, Rules, facts, judge};

/// Explains how a request comes out: facts, matching rules in all layers, verdict.
pub fn explain(request: &Request<'_>, rules: &Rules) -> String {
    let facts = facts(request);
    let verdict = judge(request, rules);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}: {}", verdict.decision().name(), verdict.rule().reason);
    let _ = writeln!(text, "  rule    {}", verdict.rule());
    let _ = writeln!(text, "  tier    {} ({})", u8::from(verdict.tier()), verdict.why());
    let _ = writeln!(text, "  action  {}", facts.action);
    if let Some(target) = request.target {
        let _ = writeln!(text, "  target  {}", target.describe());
    }
    for place in &facts.places {
        let _ = writeln!(text, "  place   {} {}", place.origin, place.url);
    }
    for rule in rules.iter().filter(|rule| rule.matches(&facts)) {
        let lock = if rule.locked() { ", locked" } else { "" };
        let _ = writeln!(
            text,
            "  matches {} says {}{lock}: {}",
            rule.reference(),
            rule.decision().name(),
            rule.reference().reason
        );
    }
    text
}
