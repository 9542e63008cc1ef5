//! One rule.

use aurore_action::FieldKind;

use super::pattern::{Kind, Pattern};
use crate::{Decision, Facts, Layer, RuleRef, Tier, facts::Place};

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
    pub(super) action: Option<Vec<Pattern>>,
    pub(super) origin: Option<Vec<Pattern>>,
    pub(super) app: Option<Vec<Pattern>>,
    pub(super) path: Option<Vec<Pattern>>,
    pub(super) url: Option<Vec<Pattern>>,
    pub(super) role: Option<Vec<Pattern>>,
    pub(super) label: Option<Vec<Pattern>>,
    pub(super) text: Option<Vec<Pattern>>,
    pub(super) key: Option<Vec<Pattern>>,
    pub(super) field: Option<Vec<FieldKind>>,
    pub(super) tier: Option<Vec<Tier>>,
    pub(super) taint: Option<bool>,
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

    /// Whether it speaks about this.
    ///
    /// A rule that denies or asks matches if *any* place that the action touches or leads to fits; one that
    /// allows only if *all* do, and only covers arguments that came off a screen if it says `taint = true`.
    pub fn matches(&self, facts: &Facts) -> bool {
        let conditions = &self.conditions;
        if self.decision == Decision::Allow && facts.taint && conditions.taint != Some(true) {
            return false;
        }
        let any = |patterns: &Option<Vec<Pattern>>, text: Option<&str>| match patterns {
            None => true,
            Some(patterns) => text.is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text))),
        };
        let place = |place: &Place| {
            let app = (!place.origin.contains(':')).then_some(place.origin.as_str());
            any(&conditions.origin, Some(&place.origin))
                && any(&conditions.app, app)
                && any(&conditions.path, Some(&place.path))
                && any(&conditions.url, Some(&place.url))
        };
        let speaks_of_places = conditions.origin.is_some()
            || conditions.app.is_some()
            || conditions.path.is_some()
            || conditions.url.is_some();
        let places = !speaks_of_places
            || match self.decision {
                Decision::Allow => !facts.places.is_empty() && facts.places.iter().all(place),
                Decision::Ask | Decision::Deny => facts.places.iter().any(place),
            };
        places
            && any(&conditions.action, Some(&facts.action))
            && any(&conditions.role, Some(&facts.role))
            && any(&conditions.label, Some(&facts.label))
            && any(&conditions.text, facts.text.as_deref())
            && any(&conditions.key, facts.key.as_deref())
            && conditions
                .field
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&facts.field))
            && conditions
                .tier
                .as_ref()
                .is_none_or(|tiers| tiers.contains(&facts.tier))
            && conditions.taint.is_none_or(|taint| taint == facts.taint)
            && conditions
                .controls
                .is_none_or(|controls| controls == facts.controls)
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

    /// A rule of this run that a person's answer makes: `action` on `origin`, up to `tier`, and only on this
    /// role and label if given.
    pub(crate) fn answered(
        name: String,
        action: &str,
        origin: &str,
        target: Option<(&str, &str)>,
        tier: Tier,
    ) -> Result<Self, String> {
        let exact = |kind, text: &str| Pattern::exact(kind, text).map(|pattern| Some(vec![pattern]));
        let name_of = |text: &str| -> Result<Option<Vec<Pattern>>, String> {
            if text.is_empty() {
                Ok(None)
            } else {
                exact(Kind::Text, text)
            }
        };
        let (role, label) = match target {
            Some((role, label)) => (name_of(role)?, name_of(label)?),
            None => (None, None),
        };
        Ok(Self {
            reference: RuleRef {
                layer: Layer::Run,
                name,
                reason: "you allowed it for the rest of this run".to_owned(),
            },
            decision: Decision::Allow,
            locked: false,
            conditions: Conditions {
                action: exact(Kind::Name, action)?,
                origin: exact(Kind::Path, origin)?,
                role,
                label,
                tier: Some(
                    [Tier::Free, Tier::Once]
                        .into_iter()
                        .filter(|at| *at <= tier)
                        .collect(),
                ),
                ..Conditions::default()
            },
        })
    }
}
