//! Examples in rule files: an action in a few words, to check a rule against.

use std::collections::BTreeMap;

use aurore_action::FieldKind;
use serde::Deserialize;

use super::file::canonical_key;
use crate::{Effect, Facts, Tier, facts::Place, fold::fold, origin};

/// Everything that is left out is what it is for a plain click on nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Example {
    principal: String,
    action: Option<String>,
    tool: String,
    command: Vec<String>,
    argument: BTreeMap<String, String>,
    origin: String,
    url: String,
    path: String,
    role: String,
    label: String,
    text: Option<String>,
    key: Option<String>,
    field: FieldKind,
    effect: Vec<Effect>,
    tier: Option<Tier>,
    taint: bool,
    source: Vec<String>,
    controls: bool,
}

impl Example {
    pub(super) fn facts(&self) -> Facts {
        let origin = if self.origin.is_empty() {
            origin::of_url(&self.url)
        } else {
            self.origin.clone()
        };
        let place = if self.path.is_empty() {
            Place::new(&origin, &self.url)
        } else {
            Place {
                origin,
                path: self.path.clone(),
                url: self.url.clone(),
            }
        };
        let places = if place == Place::default() {
            vec![]
        } else {
            vec![place]
        };
        let tier = self.tier.unwrap_or(Tier::Free);
        Facts {
            principal: self.principal.clone(),
            action: self
                .action
                .clone()
                .unwrap_or_else(|| self.default_action().to_owned()),
            tool: self.tool.clone(),
            command: self.command.clone(),
            bare: true,
            arguments: self.argument.clone().into_iter().collect(),
            places,
            role: fold(&self.role),
            label: fold(&self.label),
            text: self.text.as_deref().map(fold),
            key: self.key.as_deref().map(canonical_key),
            field: self.field,
            effects: self.effect.clone(),
            tier,
            own_tier: Some(tier),
            taint: self.taint || !self.source.is_empty(),
            sources: self.source.clone(),
            covered: false,
            uncertain: false,
            controls: self.controls,
            why: String::new(),
        }
    }

    fn default_action(&self) -> &'static str {
        if !self.command.is_empty() {
            "run_command"
        } else if !self.tool.is_empty() {
            "mcp_call"
        } else {
            "left_click"
        }
    }
}
