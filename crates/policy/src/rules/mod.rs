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
    sources: Vec<Source>,
}

/// Where rules came from.
#[derive(Debug, Clone)]
struct Source {
    layer: Layer,
    text: String,
    /// Whether answers wrote it, and not a hand.
    answers: bool,
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
        self.sources.push(Source {
            layer,
            text: text.to_owned(),
            answers: false,
        });
        Ok(self)
    }

    /// The same with a file that answers wrote: what the person allowed from now on, for every run.
    ///
    /// # Errors
    /// As [`Rules::with`].
    pub fn with_answers(mut self, file: &str, text: &str) -> Result<Self, RulesError> {
        self.rules.extend(file::parse(Layer::User, file, text)?);
        self.sources.push(Source {
            layer: Layer::User,
            text: text.to_owned(),
            answers: true,
        });
        Ok(self)
    }

    /// Adds a rule for this run, as an answered question does.
    pub fn push(&mut self, rule: Rule) {
        self.sources.push(Source {
            layer: rule.layer(),
            text: format!("{rule:?}"),
            answers: true,
        });
        self.rules.push(rule);
    }

    /// Puts the text of a rule that an answer made for a run in force again. It reaches no further than answers do:
    /// it allows, up to tier 2, and one principal alone.
    ///
    /// # Errors
    /// [`RulesError`] for anything else.
    pub fn restore(&mut self, text: &str) -> Result<(), RulesError> {
        let rules = file::parse(Layer::Run, "an earlier answer", text)?;
        if let Some(rule) = rules.iter().find(|rule| !rule.is_answer()) {
            return Err(RulesError {
                file: "an earlier answer".to_owned(),
                line: 0,
                message: format!("{} is more than an answer can allow", rule.reference()),
                hint: "it is asked again".to_owned(),
            });
        }
        for rule in rules {
            self.push(rule);
        }
        Ok(())
    }

    /// All rules, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The texts that the rules were loaded from, to be hashed for the journal.
    pub fn sources(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.sources
            .iter()
            .map(|source| (source.layer, source.text.as_str()))
    }

    /// Those of them that somebody wrote by hand: all but what answers made.
    pub fn written(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.sources
            .iter()
            .filter(|source| !source.answers)
            .map(|source| (source.layer, source.text.as_str()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_answer_reaches_no_further_than_an_answer_can() {
        let text = |decision: &str, more: &str| {
            format!("[[rule]]\nname = \"a\"\nreason = \"b\"\ndecision = \"{decision}\"\n{more}\n")
        };
        let mut rules = Rules::builtin();
        let answer = text("allow", "principal = \"model:a\"\ntier = 2\nlabel = \"Log in\"");
        rules.restore(&answer).unwrap();
        assert_eq!(rules.iter().count(), Rules::builtin().iter().count() + 1);
        assert_eq!(rules.written().count(), Rules::builtin().written().count());
        for wider in [
            text("allow", "principal = \"model:a\"\ntier = 3"),
            text("allow", "principal = \"model:a\""),
            text("allow", "tier = 2"),
            text("allow", "principal = [\"model:a\", \"model:b\"]\ntier = 2"),
            text("deny", "principal = \"model:a\"\ntier = 2"),
            text("allow", "principal = \"model:a\"\ntier = 2\nlocked = true"),
            "nonsense".to_owned(),
        ] {
            assert!(rules.restore(&wider).is_err(), "{wider}");
        }
    }
}
