//! Rules in layers.

mod example;
mod file;
mod pattern;
mod rule;
mod words;

use std::sync::LazyLock;

pub use file::RulesError;
pub(crate) use file::parse;
pub(crate) use pattern::{Kind, exact};
pub use rule::Rule;

use crate::{Decision, Facts, Layer};

/// The rules of all layers. Built-in ones are always there.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Vec<Rule>,
    sources: Vec<(Layer, String)>,
}

const BUILTIN: &str = include_str!("builtin.toml");

static BUILTIN_RULES: LazyLock<Rules> = LazyLock::new(|| {
    let empty = Rules {
        rules: Vec::new(),
        sources: Vec::new(),
    };
    // The file is part of the program and a test loads it. Should it ever not load, everything is denied.
    empty
        .with(Layer::Builtin, "builtin.toml", BUILTIN)
        .unwrap_or_else(|error| Rules {
            rules: vec![Rule::deny_everything(&error.to_string())],
            sources: Vec::new(),
        })
});

impl Rules {
    /// Only what is compiled in.
    pub fn builtin() -> Self {
        BUILTIN_RULES.clone()
    }

    /// These rules and those of a TOML text in a layer. `file` is named in messages.
    ///
    /// # Errors
    /// [`RulesError`] with file and line for an unknown field, a rule without a reason, a pattern that is none,
    /// an example that does not come out as it says, or a project rule that loosens.
    pub fn with(mut self, layer: Layer, file: &str, text: &str) -> Result<Self, RulesError> {
        self.rules.extend(file::parse(layer, file, text)?);
        self.sources.push((layer, text.to_owned()));
        Ok(self)
    }

    /// Adds a rule for this run, as an answered question does.
    pub fn push(&mut self, rule: Rule) {
        self.sources.push((rule.layer(), format!("{rule:?}")));
        self.rules.push(rule);
    }

    /// All rules, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The texts that the rules were loaded from, to be hashed for the journal.
    pub fn sources(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.sources.iter().map(|(layer, text)| (*layer, text.as_str()))
    }

    /// The rule that decides, if any matches: of the most particular layer with a match the strictest, a project's
    /// rules apart.
    pub(crate) fn decide(&self, facts: &Facts) -> Option<&Rule> {
        let matching = || {
            self.rules
                .iter()
                .filter(|rule| rule.layer() != Layer::Project && rule.matches(facts))
        };
        let layer = matching().map(Rule::layer).max()?;
        let of_the_layer = || matching().filter(|rule| rule.layer() == layer);
        let strictest = of_the_layer().map(Rule::decision).max()?;
        // The first of equals, so that a verdict does not depend on how often a rule was added.
        of_the_layer().find(|rule| rule.decision() == strictest)
    }

    /// The rule that holds against what was decided so far, if any does: a locked one of whatever layer, or a
    /// project's, that is stricter.
    pub(crate) fn tighten(&self, facts: &Facts, decided: Decision) -> Option<&Rule> {
        self.rules
            .iter()
            .filter(|rule| rule.locked() || rule.layer() == Layer::Project)
            .filter(|rule| rule.decision() > decided && rule.matches(facts))
            // The first of equals again.
            .fold(None, |strictest: Option<&Rule>, rule| match strictest {
                Some(strictest) if strictest.decision() >= rule.decision() => Some(strictest),
                _ => Some(rule),
            })
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::builtin()
    }
}
