//! One rule.

use aurore_action::FieldKind;

use super::{pattern::Pattern, words::Words};
use crate::{Decision, Effect, Facts, Layer, RuleRef, Tier, facts::Place};

/// A rule: what it matches, what it decides, and why.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(super) reference: RuleRef,
    pub(super) decision: Decision,
    pub(super) locked: bool,
    pub(super) conditions: Conditions,
}

/// All that are given have to hold; within one, any of its patterns.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    pub(super) principal: Option<Vec<Pattern>>,
    pub(super) action: Option<Vec<Pattern>>,
    pub(super) tool: Option<Vec<Pattern>>,
    pub(super) command: Option<Vec<Words>>,
    pub(super) argument: Option<Vec<(String, Vec<Pattern>)>>,
    pub(super) origin: Option<Vec<Pattern>>,
    pub(super) app: Option<Vec<Pattern>>,
    pub(super) path: Option<Vec<Pattern>>,
    pub(super) url: Option<Vec<Pattern>>,
    pub(super) role: Option<Vec<Pattern>>,
    pub(super) label: Option<Vec<Pattern>>,
    pub(super) text: Option<Vec<Pattern>>,
    pub(super) key: Option<Vec<Pattern>>,
    pub(super) field: Option<Vec<FieldKind>>,
    pub(super) effect: Option<Vec<Effect>>,
    pub(super) tier: Option<Vec<Tier>>,
    pub(super) taint: Option<bool>,
    pub(super) source: Option<Vec<Pattern>>,
    pub(super) controls: Option<bool>,
}

impl Rule {
    /// Where it comes from, its name and its reason.
    pub fn reference(&self) -> &RuleRef {
        &self.reference
    }

    /// Its layer.
    pub fn layer(&self) -> Layer {
        self.reference.layer
    }

    /// What it decides.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// Whether more particular layers cannot loosen it.
    pub fn locked(&self) -> bool {
        self.locked
    }

    /// Whether an answer can have made it: it allows up to tier 2, to one principal, and binds nobody else.
    pub(super) fn is_answer(&self) -> bool {
        let Conditions { principal, tier, .. } = &self.conditions;
        self.decision == Decision::Allow
            && !self.locked
            && principal.as_ref().is_some_and(|names| names.len() == 1)
            && tier
                .as_ref()
                .is_some_and(|tiers| tiers.iter().all(|tier| *tier <= Tier::Once))
    }

    /// Whether it speaks about this.
    ///
    /// A rule that denies or asks matches if *any* place, effect or source fits, from its lowest tier upward; one
    /// that allows only if *all* do, up to its highest tier, and it covers arguments that came off a screen only
    /// if it says `taint = true`, and a command only if that is exactly its words.
    pub fn matches(&self, facts: &Facts) -> bool {
        let conditions = &self.conditions;
        let allows = self.decision == Decision::Allow;
        if allows && facts.taint && conditions.taint != Some(true) {
            return false;
        }
        let taint = match conditions.taint {
            Some(true) => allows || facts.taint,
            Some(false) => !facts.taint,
            None => true,
        };
        taint
            && any(conditions.principal.as_deref(), Some(&facts.principal))
            && any(conditions.action.as_deref(), Some(&facts.action))
            && any(
                conditions.tool.as_deref(),
                Some(&facts.tool).filter(|tool| !tool.is_empty()),
            )
            && any(conditions.role.as_deref(), Some(&facts.role))
            && any(conditions.label.as_deref(), Some(&facts.label))
            && any(conditions.text.as_deref(), facts.text.as_ref())
            && any(conditions.key.as_deref(), facts.key.as_ref())
            && listed(conditions.field.as_deref(), &facts.field)
            && conditions
                .controls
                .is_none_or(|controls| controls == facts.controls)
            && self.tier_fits(facts.tier)
            && self.command_fits(facts)
            && self.arguments_fit(&facts.arguments)
            && self.fit(conditions.effect.as_deref(), &facts.effects, |effects, effect| {
                effects.contains(effect)
            })
            && self.fit(conditions.source.as_deref(), &facts.sources, |sources, source| {
                sources.iter().any(|pattern| pattern.matches(source))
            })
            && self.places_fit(&facts.places)
    }

    /// Of several things: any for a rule that asks or denies, all (and at least one) for a rule that allows.
    fn fit<C: ?Sized, T>(&self, condition: Option<&C>, things: &[T], fits: impl Fn(&C, &T) -> bool) -> bool {
        let Some(condition) = condition else { return true };
        match self.decision {
            Decision::Allow => !things.is_empty() && things.iter().all(|thing| fits(condition, thing)),
            Decision::Ask | Decision::Deny => things.iter().any(|thing| fits(condition, thing)),
        }
    }

    fn places_fit(&self, places: &[Place]) -> bool {
        let Conditions {
            origin,
            app,
            path,
            url,
            ..
        } = &self.conditions;
        let speaks = origin.is_some() || app.is_some() || path.is_some() || url.is_some();
        self.fit(speaks.then_some(&()), places, |(), place| {
            let name = Some(&place.origin).filter(|origin| !origin.contains(':') && !origin.is_empty());
            any(origin.as_deref(), Some(&place.origin))
                && any(app.as_deref(), name)
                && any(path.as_deref(), Some(&place.path))
                && any(url.as_deref(), Some(&place.url))
        })
    }

    fn tier_fits(&self, tier: Tier) -> bool {
        self.conditions
            .tier
            .as_ref()
            .is_none_or(|tiers| match self.decision {
                Decision::Allow => tiers.iter().any(|highest| tier <= *highest),
                Decision::Ask | Decision::Deny => tiers.iter().any(|lowest| tier >= *lowest),
            })
    }

    fn command_fits(&self, facts: &Facts) -> bool {
        let Some(commands) = &self.conditions.command else {
            return true;
        };
        let allows = self.decision == Decision::Allow;
        (facts.bare || !allows)
            && commands
                .iter()
                .any(|words| words.match_all(&facts.command, allows))
    }

    fn arguments_fit(&self, arguments: &[(String, String)]) -> bool {
        self.conditions.argument.iter().flatten().all(|(name, patterns)| {
            arguments
                .iter()
                .any(|(given, value)| given == name && patterns.iter().any(|pattern| pattern.matches(value)))
        })
    }

    /// What stands in when the built-in rules cannot be read.
    pub(super) fn deny_everything(why: &str) -> Self {
        Self {
            reference: RuleRef {
                layer: Layer::Builtin,
                name: "no-rules".to_owned(),
                reason: format!("the built-in rules cannot be read: {why}"),
            },
            decision: Decision::Deny,
            locked: true,
            conditions: Conditions::default(),
        }
    }
}

/// Whether a text fits one of the patterns, if there are any.
fn any(patterns: Option<&[Pattern]>, text: Option<&String>) -> bool {
    patterns
        .is_none_or(|patterns| text.is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text))))
}

fn listed<T: PartialEq>(list: Option<&[T]>, thing: &T) -> bool {
    list.is_none_or(|list| list.contains(thing))
}
