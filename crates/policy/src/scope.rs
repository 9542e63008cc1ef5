//! "Allow from now on": what may be allowed beyond this once, from narrow to wide.

use aurore_action::ToolCall;

use crate::{
    Allowance, Effect, Facts, Layer, Principal, Request, Rule, Tier, ToolRequest, VerdictRecord, facts,
    rules::Kind, tool_facts,
};

/// A rule that an answer may add, and what it means.
#[derive(Debug, Clone)]
pub struct ScopeRule {
    /// In words.
    pub words: String,
    /// The rule for the run's layer.
    pub rule: Rule,
    /// The text of that rule.
    pub text: String,
    /// What to write into the person's own rules, if the answer is to outlive the run.
    pub kept: Option<Allowance>,
}

/// What may be allowed besides this once, from narrow to wide: for the run, then for every run. Nothing for tier 3
/// and 4 (those are asked each time), for arguments that came off a screen, for what the agent's own controls are,
/// or where the target is uncertain. All of it is for this principal alone.
pub fn scopes_for(request: &Request<'_>, verdict: &VerdictRecord) -> Vec<ScopeRule> {
    let all = facts(request);
    let Some((main, place)) = offered(&all, verdict).and_then(|main| Some((main, main.places.last()?)))
    else {
        return Vec::new();
    };
    if all.len() > 1 || main.places.iter().any(|other| other.origin != place.origin) {
        return Vec::new();
    }
    let origin = place.origin.as_str();
    let on = |allowance: Allowance| allowance.exactly("origin", Kind::Path, [origin]);
    let action = |allowance: Allowance| on(allowance).exactly("action", Kind::Name, [main.action.as_str()]);
    let base = Allowance::to(request.principal);
    let mut offers = Vec::new();
    if let Some(target) = request.target.filter(|target| !target.label.is_empty()) {
        let mut narrow = action(base.clone()).exactly("label", Kind::Text, [target.label.as_str()]);
        if !target.role.is_empty() {
            narrow = narrow.exactly("role", Kind::Name, [target.role.as_str()]);
        }
        let words = format!("{} on {} on {origin}", main.action, target.describe());
        offers.push((words, narrow, true));
    }
    if !main.effects.is_empty() {
        let effects = named(&main.effects);
        offers.push((
            format!("whatever on {origin} causes no more than: {effects}"),
            on(base.clone()).causing(&main.effects),
            true,
        ));
    }
    offers.push((
        format!("{} on anything on {origin} up to {}", main.action, Tier::Once),
        action(base),
        false,
    ));
    spelled_out(&offers, request.context.step, request.principal)
}

/// The same for the use of a tool: this very call, then the same program and subcommand, tool or folder.
pub fn scopes_for_tool(request: &ToolRequest<'_>, verdict: &VerdictRecord) -> Vec<ScopeRule> {
    let all = tool_facts(request);
    let Some(main) = offered(&all, verdict).filter(|_| all.len() == 1) else {
        return Vec::new();
    };
    let base = Allowance::to(request.principal).exactly("action", Kind::Name, [main.action.as_str()]);
    let mut offers = Vec::new();
    match request.call {
        ToolCall::Command { .. } if main.bare => {
            offers.push((
                format!("run {:?}", main.command),
                base.clone().command(&main.command, false),
                true,
            ));
            let beginning = &main.command[..main.command.len().min(2)];
            if beginning.last().is_some_and(|word| !word.starts_with('-'))
                && main.command.len() > beginning.len()
            {
                offers.push((
                    format!("run {beginning:?} with any further arguments"),
                    base.command(beginning, true),
                    false,
                ));
            }
        }
        ToolCall::Command { .. } => {}
        ToolCall::Mcp { server, tool, .. } => {
            let base = base.exactly("tool", Kind::Name, [main.tool.as_str()]);
            offers.push((
                request.call.describe(),
                base.clone().arguments(&main.arguments),
                true,
            ));
            offers.push((
                format!("call {server}/{tool} with any arguments up to {}", Tier::Once),
                base,
                true,
            ));
        }
        ToolCall::Fetch { .. } => {
            if let Some(place) = main.places.last() {
                let base = base.exactly("origin", Kind::Path, [place.origin.as_str()]);
                offers.push((format!("fetch from {}", place.origin), base, true));
            }
        }
        ToolCall::ReadFile { .. }
        | ToolCall::WriteFile { .. }
        | ToolCall::MoveFile { .. }
        | ToolCall::DeleteFile { .. } => {
            let paths = main.places.iter().map(|place| place.path.as_str());
            offers.push((
                request.call.describe(),
                base.exactly("path", Kind::Path, paths),
                true,
            ));
        }
    }
    spelled_out(&offers, request.context.step, request.principal)
}

/// The main facts, if anything beyond this once is offered.
fn offered<'a>(all: &'a [Facts], verdict: &VerdictRecord) -> Option<&'a Facts> {
    let open =
        |facts: &Facts| facts.tier <= Tier::Once && !facts.taint && !facts.uncertain && !facts.controls;
    all.first()
        .filter(|_| verdict.tier <= Tier::Once && all.iter().all(open))
}

fn named(effects: &[Effect]) -> String {
    effects
        .iter()
        .map(|effect| effect.name())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Each offer for the run; then those that may be kept, for every run.
fn spelled_out(offers: &[(String, Allowance, bool)], step: u32, principal: &Principal) -> Vec<ScopeRule> {
    const REASON: &str = "you allowed it for the rest of this run";
    let run = offers
        .iter()
        .map(|(words, allowance, _)| (format!("{words}, for the rest of this run"), allowance, None));
    let kept = offers
        .iter()
        .filter(|(_, _, keep)| *keep)
        .map(|(words, allowance, _)| {
            (
                format!(
                    "{words}, in every run of {} from now on (kept in your rules)",
                    principal.0
                ),
                allowance,
                Some(allowance.clone()),
            )
        });
    run.chain(kept)
        .enumerate()
        .filter_map(|(index, (words, allowance, kept))| {
            let name = format!("answer-at-step-{step}-{}", index + 1);
            let rule = allowance.rule(Layer::Run, &name, REASON).ok()?;
            Some(ScopeRule {
                words,
                rule,
                text: allowance.text(&name, REASON),
                kept,
            })
        })
        .collect()
}
