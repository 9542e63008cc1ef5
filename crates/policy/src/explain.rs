//! A verdict in words, with every rule that spoke.

use std::fmt::Write;

use crate::{Facts, Rules, VerdictRecord, judge_facts};

/// Explains how something comes out: what rules see of it, which of them match in all layers, the verdict.
pub fn explain(facts: &[Facts], rules: &Rules, attended: bool) -> (VerdictRecord, String) {
    let verdict = judge_facts(facts, rules, attended);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}: {}", verdict.decision.name(), verdict.rule.reason);
    let _ = writeln!(text, "  rule    {}", verdict.rule);
    let _ = writeln!(text, "  tier    {} ({})", u8::from(verdict.tier), verdict.why);
    for part in facts {
        part_of(part, facts.len() > 1, rules, &mut text);
    }
    (verdict, text)
}

fn part_of(facts: &Facts, several: bool, rules: &Rules, text: &mut String) {
    let _ = writeln!(text, "  action  {}", facts.action);
    if !facts.command.is_empty() {
        let _ = writeln!(text, "  command {:?}", facts.command);
    }
    if !facts.tool.is_empty() {
        let _ = writeln!(text, "  tool    {}", facts.tool);
    }
    match (facts.role.as_str(), facts.label.as_str()) {
        ("", "") => {}
        (role, "") => {
            let _ = writeln!(text, "  target  {role}");
        }
        (role, label) => {
            let _ = writeln!(
                text,
                "  target  {}'{label}'",
                if role.is_empty() {
                    String::new()
                } else {
                    format!("{role} ")
                }
            );
        }
    }
    if several {
        let _ = writeln!(text, "  tier    {} ({})", u8::from(facts.tier), facts.why);
    }
    if !facts.effects.is_empty() {
        let names: Vec<String> = facts.effects.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  effects {}", names.join(", "));
    }
    for place in &facts.places {
        let whole = if place.url.is_empty() {
            &place.path
        } else {
            &place.url
        };
        let _ = writeln!(text, "  place   {}", format!("{} {whole}", place.origin).trim());
    }
    for rule in rules.iter().filter(|rule| rule.matches(facts)) {
        let lock = if rule.locked() { ", locked" } else { "" };
        let _ = writeln!(
            text,
            "  matches {} says {}{lock}: {}",
            rule.reference(),
            rule.decision().name(),
            rule.reference().reason
        );
    }
}
