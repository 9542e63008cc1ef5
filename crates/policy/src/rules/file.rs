//! Rules from TOML, with every mistake named by file and line.

use std::collections::BTreeMap;

use aurore_action::{Chord, FieldKind};
use serde::{Deserialize, de::IntoDeserializer};
use thiserror::Error;
use toml::Spanned;

use super::{
    example::Example,
    pattern::{Kind, Pattern},
    rule::{Conditions, Rule},
    words::Words,
};
use crate::{Decision, Effect, Layer, RuleRef, Tier};

/// Why a rule file is refused. Nothing of a refused file counts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}:{line}: {message}\n  hint: {hint}")]
pub struct RulesError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: String,
    decision: Decision,
    reason: String,
    #[serde(default)]
    locked: bool,
    principal: Option<OneOrMany<String>>,
    action: Option<OneOrMany<String>>,
    tool: Option<OneOrMany<String>>,
    command: Option<Commands>,
    argument: Option<BTreeMap<String, OneOrMany<String>>>,
    origin: Option<OneOrMany<String>>,
    app: Option<OneOrMany<String>>,
    path: Option<OneOrMany<String>>,
    url: Option<OneOrMany<String>>,
    role: Option<OneOrMany<String>>,
    label: Option<OneOrMany<String>>,
    text: Option<OneOrMany<String>>,
    key: Option<OneOrMany<String>>,
    field: Option<OneOrMany<String>>,
    effect: Option<OneOrMany<Effect>>,
    tier: Option<OneOrMany<u8>>,
    taint: Option<bool>,
    source: Option<OneOrMany<String>>,
    controls: Option<bool>,
    #[serde(default, rename = "match")]
    matches: Vec<Spanned<Example>>,
    #[serde(default)]
    not_match: Vec<Spanned<Example>>,
}

/// One command, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Commands {
    Text(String),
    One(Vec<String>),
    Many(Vec<Vec<String>>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// Names of actions, for the check of `action` patterns.
const ACTIONS: &[&str] = &[
    "left_click",
    "right_click",
    "middle_click",
    "double_click",
    "triple_click",
    "mouse_move",
    "left_click_drag",
    "scroll",
    "hscroll",
    "left_mouse_down",
    "left_mouse_up",
    "cursor_position",
    "type",
    "key",
    "hold_key",
    "open_url",
    "back",
    "forward",
    "switch_tab",
    "close_tab",
    "screenshot",
    "zoom",
    "long_press",
    "swipe",
    "system_button",
    "open",
    "wait",
    "answer",
    "terminate",
    "run_command",
    "read_file",
    "write_file",
    "delete_file",
    "move_file",
    "fetch",
    "mcp_call",
];

pub(crate) fn parse(layer: Layer, file: &str, text: &str) -> Result<Vec<Rule>, RulesError> {
    let raw: RawFile = toml::from_str(text).map_err(|error| RulesError {
        file: file.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().trim().to_owned(),
        hint: "fields of a [[rule]]: name, decision, reason, locked, principal, action, tool, command, argument, origin, app, \
               path, url, role, label, text, key, field, effect, tier, taint, source, controls, match, not_match"
            .to_owned(),
    })?;
    let mut rules: Vec<Rule> = Vec::with_capacity(raw.rule.len());
    for spanned in raw.rule {
        let line = line_of(text, spanned.span().start);
        let refuse = |line: usize, message: String, hint: &str| RulesError {
            file: file.to_owned(),
            line,
            message,
            hint: hint.to_owned(),
        };
        let raw = spanned.into_inner();
        let name = raw.name.trim().to_owned();
        if name.is_empty() || raw.reason.trim().is_empty() {
            return Err(refuse(
                line,
                "a rule needs a name and a reason".to_owned(),
                "the reason is shown to the person and to the model: say in a sentence why",
            ));
        }
        if rules.iter().any(|rule| rule.reference.name == name) {
            return Err(refuse(
                line,
                format!("two rules are named {name:?}"),
                "verdicts name their rule: rename one",
            ));
        }
        if raw.locked && raw.decision == Decision::Allow {
            return Err(refuse(
                line,
                format!("rule {name:?} is locked and allows"),
                "only ask and deny can be locked",
            ));
        }
        if layer == Layer::Project && raw.decision == Decision::Allow {
            return Err(refuse(
                line,
                format!("rule {name:?} of a project's folder allows"),
                "rules that come with a project may only ask or deny; move it to your own rules",
            ));
        }
        if raw.decision != Decision::Allow && raw.taint == Some(false) {
            return Err(refuse(
                line,
                format!("rule {name:?} stops where an argument came off a screen"),
                "what asks or denies may not grow milder by taint: leave `taint = false` out",
            ));
        }
        let examples = [(&raw.matches, true), (&raw.not_match, false)]
            .into_iter()
            .flat_map(|(examples, expected)| {
                examples
                    .iter()
                    .map(move |example| (example.span().start, example.get_ref().facts(), expected))
            })
            .collect::<Vec<_>>();
        let rule = Rule {
            reference: RuleRef {
                layer,
                name,
                reason: raw.reason.trim().to_owned(),
            },
            decision: raw.decision,
            locked: raw.locked,
            conditions: conditions(raw).map_err(|message| {
                refuse(
                    line,
                    message,
                    "globs know * ? [a-z] {a,b}; in origins and paths * stops at a slash",
                )
            })?,
        };
        for (start, facts, expected) in examples {
            if rule.matches(&facts) != expected {
                let (verb, list) = if expected {
                    ("does not match", "match")
                } else {
                    ("matches", "not_match")
                };
                return Err(refuse(
                    line_of(text, start),
                    format!(
                        "rule {:?} {verb} this example of its `{list}` list",
                        rule.reference.name
                    ),
                    "change the rule or the example, so that the file says what it does",
                ));
            }
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn conditions(raw: RawRule) -> Result<Conditions, String> {
    let actions = list("action", raw.action)?;
    for name in actions.iter().flatten() {
        let pattern = Pattern::new(Kind::Name, name)?;
        if !ACTIONS.iter().any(|action| pattern.matches(action)) {
            return Err(format!(
                "no action is called {name:?}; there are: {}",
                ACTIONS.join(", ")
            ));
        }
    }
    let keys = list("key", raw.key)?.map(|keys| keys.iter().map(|key| canonical_key(key)).collect());
    Ok(Conditions {
        principal: patterns(list("principal", raw.principal)?, Kind::Word)?,
        tool: patterns(list("tool", raw.tool)?, Kind::Name)?,
        command: raw.command.map(commands).transpose()?,
        argument: raw.argument.map(arguments).transpose()?,
        effect: list("effect", raw.effect)?,
        source: patterns(list("source", raw.source)?, Kind::Path)?,
        action: patterns(actions, Kind::Name)?,
        origin: patterns(list("origin", raw.origin)?, Kind::Path)?,
        app: patterns(list("app", raw.app)?, Kind::Text)?,
        path: patterns(list("path", raw.path)?, Kind::Path)?,
        url: patterns(list("url", raw.url)?, Kind::Name)?,
        role: patterns(list("role", raw.role)?, Kind::Name)?,
        label: patterns(list("label", raw.label)?, Kind::Text)?,
        text: patterns(list("text", raw.text)?, Kind::Text)?,
        key: patterns(keys, Kind::Name)?,
        field: list("field", raw.field)?
            .map(|kinds| {
                kinds
                    .iter()
                    .map(|kind| field_kind(kind))
                    .collect::<Result<_, _>>()
            })
            .transpose()?,
        tier: list("tier", raw.tier)?
            .map(|tiers| tiers.into_iter().map(Tier::try_from).collect::<Result<_, _>>())
            .transpose()?,
        taint: raw.taint,
        controls: raw.controls,
    })
}

fn commands(commands: Commands) -> Result<Vec<Words>, String> {
    match commands {
        Commands::Text(text) => Err(format!(
            "a command is a list of words and no text to be searched: command = {:?}",
            text.split_whitespace().collect::<Vec<_>>()
        )),
        Commands::One(words) => Ok(vec![Words::new(&words)?]),
        Commands::Many(commands) if commands.is_empty() => {
            Err("an empty list of `command` can never match".to_owned())
        }
        Commands::Many(commands) => commands.iter().map(|words| Words::new(words)).collect(),
    }
}

fn arguments(named: BTreeMap<String, OneOrMany<String>>) -> Result<Vec<(String, Vec<Pattern>)>, String> {
    named
        .into_iter()
        .map(|(name, values)| {
            let values = patterns(list("argument", Some(values))?, Kind::Word)?;
            Ok((name, values.unwrap_or_default()))
        })
        .collect()
}

fn field_kind(name: &str) -> Result<FieldKind, String> {
    FieldKind::deserialize(name.into_deserializer())
        .map_err(|error: serde::de::value::Error| error.to_string())
}

/// A chord in the spelling of `Facts`, whatever dialect it was written in; a glob stays as it is.
pub(super) fn canonical_key(key: &str) -> String {
    Chord::parse(&[key]).map_or_else(|_| key.to_owned(), |chord| chord.to_string())
}

fn list<T>(field: &str, value: Option<OneOrMany<T>>) -> Result<Option<Vec<T>>, String> {
    match value {
        None => Ok(None),
        Some(OneOrMany::One(one)) => Ok(Some(vec![one])),
        Some(OneOrMany::Many(many)) if many.is_empty() => Err(format!(
            "an empty list of `{field}` can never match: leave the field out to match everything"
        )),
        Some(OneOrMany::Many(many)) => Ok(Some(many)),
    }
}

fn patterns(texts: Option<Vec<String>>, kind: Kind) -> Result<Option<Vec<Pattern>>, String> {
    texts
        .map(|texts| texts.iter().map(|text| Pattern::new(kind, text)).collect())
        .transpose()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.char_indices()
        .take_while(|(at, _)| *at < offset)
        .filter(|(_, character)| *character == '\n')
        .count()
        + 1
}
