//! Rules that an answer makes: as text for a file, and in force.

use toml::{Table, Value};

use crate::{
    Effect, Layer, Principal, Rule, RulesError, Tier,
    rules::{Kind, exact, parse},
};

/// A rule that allows something to one principal, before it has a name and a reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowance(Table);

impl Allowance {
    /// Allows something to this principal and nobody else, up to tier 2.
    pub(crate) fn to(principal: &Principal) -> Self {
        let mut table = Table::new();
        table.insert("decision".to_owned(), Value::from("allow"));
        table.insert("tier".to_owned(), Value::from(i64::from(u8::from(Tier::Once))));
        Self(table).exactly("principal", Kind::Word, [principal.0.as_str()])
    }

    /// One of these texts, taken literally.
    pub(crate) fn exactly<'a>(
        mut self,
        field: &str,
        kind: Kind,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let texts: Vec<Value> = texts
            .into_iter()
            .map(|text| Value::from(exact(kind, text)))
            .collect();
        self.0.insert(field.to_owned(), Value::Array(texts));
        self
    }

    /// Only what causes nothing but these.
    pub(crate) fn causing(mut self, effects: &[Effect]) -> Self {
        let names = effects.iter().map(|effect| Value::from(effect.name())).collect();
        self.0.insert("effect".to_owned(), Value::Array(names));
        self
    }

    /// This command, and with `open` whatever follows it.
    pub(crate) fn command(mut self, words: &[String], open: bool) -> Self {
        let words = words.iter().map(|word| exact(Kind::Word, word));
        let words = words
            .chain(open.then(|| "**".to_owned()))
            .map(Value::from)
            .collect();
        self.0.insert("command".to_owned(), Value::Array(words));
        self
    }

    /// With exactly these values of a call's arguments.
    pub(crate) fn arguments(mut self, arguments: &[(String, String)]) -> Self {
        let table = arguments
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.clone(), Value::from(exact(Kind::Word, value))))
            .collect();
        self.0.insert("argument".to_owned(), Value::Table(table));
        self
    }

    /// Also for arguments that came off these places.
    pub(crate) fn carrying_from<'a>(self, sources: impl IntoIterator<Item = &'a str>) -> Self {
        let mut carrying = self.exactly("source", Kind::Path, sources);
        carrying.0.insert("taint".to_owned(), Value::from(true));
        carrying
    }

    /// The text of the rule, as it stands in a file.
    pub fn text(&self, name: &str, reason: &str) -> String {
        let mut rule = Table::new();
        rule.insert("name".to_owned(), Value::from(name));
        rule.insert("reason".to_owned(), Value::from(reason));
        rule.extend(self.0.clone());
        let mut file = Table::new();
        file.insert("rule".to_owned(), Value::Array(vec![Value::Table(rule)]));
        toml::to_string(&file).unwrap_or_default()
    }

    /// The rule in force in a layer.
    ///
    /// # Errors
    /// When what it speaks of is too long for a pattern.
    pub fn rule(&self, layer: Layer, name: &str, reason: &str) -> Result<Rule, RulesError> {
        let mut rules = parse(layer, name, &self.text(name, reason))?;
        rules.pop().ok_or_else(|| RulesError {
            file: name.to_owned(),
            line: 0,
            message: "there is no rule in it".to_owned(),
            hint: "answer for this once".to_owned(),
        })
    }
}
