//! What the person allowed from now on: rules of theirs that answers wrote, in a file of its own beside
//! `rules.toml`. What is written by hand stays untouched.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aurore_agent::Keeper;
use aurore_policy::{Allowance, Layer, Rules};
use serde::Serialize;
use toml::{Table, Value};

use crate::failure::{WithHint, hinted};
use crate::folders;

/// The file of kept allowances.
pub struct Allowances {
    file: PathBuf,
}

/// A kept allowance, as its file has it.
#[derive(Debug, Clone, Serialize)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// When and on what it was allowed.
    pub reason: String,
    rule: Table,
}

impl Kept {
    /// Its conditions, as they stand in the file.
    pub fn conditions(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.rule
            .iter()
            .filter(|(field, _)| !matches!(field.as_str(), "name" | "reason" | "decision"))
    }
}

impl Allowances {
    /// Those of the user.
    ///
    /// # Errors
    /// When there is no home folder.
    pub fn of_the_user() -> anyhow::Result<Self> {
        let folder = folders::config().ok_or_else(|| {
            hinted(
                "there is no home folder to keep allowances in",
                "name one: AURORE_HOME=DIR",
            )
        })?;
        Ok(Self {
            file: folder.join("allowances.toml"),
        })
    }

    /// Where they are.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn kept(&self) -> anyhow::Result<Vec<Kept>> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(self
            .tables()?
            .into_iter()
            .map(|rule| Kept {
                name: text(rule.get("name")),
                reason: text(rule.get("reason")),
                rule,
            })
            .collect())
    }

    /// Takes one out; whether it was there.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn revoke(&self, name: &str) -> anyhow::Result<bool> {
        let mut rules = self.tables()?;
        let before = rules.len();
        rules.retain(|rule| rule.get("name").and_then(Value::as_str) != Some(name));
        let found = rules.len() < before;
        if found {
            self.write(rules)?;
        }
        Ok(found)
    }

    fn tables(&self) -> anyhow::Result<Vec<Table>> {
        if !self.file.exists() {
            return Ok(Vec::new());
        }
        let cannot = format!("cannot read {}", self.file.display());
        let hint = "it is written by answers; move it away to start anew";
        let text = std::fs::read_to_string(&self.file).with_hint(&cannot, hint)?;
        let file: Table = toml::from_str(&text).with_hint(&cannot, hint)?;
        let rules = file
            .get("rule")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        Ok(rules
            .into_iter()
            .filter_map(|rule| match rule {
                Value::Table(table) => Some(table),
                _ => None,
            })
            .collect())
    }

    /// Writes all, by way of a second file, so that a crash leaves the old one or the new one.
    fn write(&self, rules: Vec<Table>) -> anyhow::Result<()> {
        const HEAD: &str = "# What you allowed from now on. `aurore policy allowances` shows it, `aurore policy revoke NAME` takes it back.\n\n";
        let mut file = Table::new();
        file.insert(
            "rule".to_owned(),
            Value::Array(rules.into_iter().map(Value::Table).collect()),
        );
        let text = format!("{HEAD}{}", toml::to_string(&file)?);
        // What cannot be loaded would keep every later run from starting.
        Rules::builtin().with(Layer::User, &self.file.display().to_string(), &text)?;
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = self.file.with_extension("toml.new");
        let mut out = std::fs::File::create(&new)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        drop(out);
        std::fs::rename(&new, &self.file).with_context(|| format!("cannot write {}", self.file.display()))
    }

    fn add(&self, allowance: &Allowance, reason: &str, date: &str) -> anyhow::Result<String> {
        let mut rules = self.tables()?;
        let taken = |name: &str| {
            rules
                .iter()
                .any(|rule| rule.get("name").and_then(Value::as_str) == Some(name))
        };
        let mut number = 1;
        let mut name = format!("allowed-{date}");
        while taken(&name) {
            number += 1;
            name = format!("allowed-{date}-{number}");
        }
        let file: Table = toml::from_str(&allowance.text(&name, reason))?;
        rules.extend(
            file.get("rule")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_table)
                .cloned(),
        );
        self.write(rules)?;
        Ok(name)
    }
}

impl Keeper for Allowances {
    fn keep(&mut self, allowance: &Allowance, reason: &str, date: &str) -> Result<String, String> {
        self.add(allowance, reason, date)
            .map_err(|error| format!("{error:#}"))
    }
}
