//! A script in the network's place: exact and fast.

use std::path::Path;

use aurore_chat::{ToolCall, computer_use, step::Item};
use aurore_policy::{Principal, Tier};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use super::{Brain, BrainError, Decision, Observation};
use crate::journal::sha256;

/// Plays a file of tool calls, one JSON object a line, in the family's form:
///
/// ```json
/// {"thinking": "…", "intent": "…", "expect": "…", "name": "computer_use", "arguments": {"action": "left_click", "coordinate": [512, 300]}}
/// ```
///
/// `plan` (a list of lines such as `[x] Book the flight | "TP 1234 is confirmed"`) and `notes` (a list of lines) may
/// stand beside them. Coordinates are on the grid of 0 to 1000. Empty lines and lines that begin with `#` are skipped. A call that
/// cannot be read as an action is answered as a model's would be.
#[derive(Debug, Clone)]
pub struct ScriptedBrain {
    name: String,
    fingerprint: String,
    steps: Vec<Line>,
    next: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    thinking: String,
    #[serde(default, deserialize_with = "plan")]
    plan: Option<Vec<Item>>,
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    intent: String,
    #[serde(default)]
    expect: String,
    #[serde(default = "tool")]
    name: String,
    arguments: Map<String, Value>,
    #[serde(default)]
    raised: Option<Tier>,
}

/// A plan's lines, as a model writes them: `[x] Book the flight | "TP 1234 is confirmed"`.
fn plan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Item>>, D::Error> {
    let lines: Option<Vec<String>> = Option::deserialize(deserializer)?;
    let item = |line: &String| {
        Item::parse(line).ok_or_else(|| {
            D::Error::custom(format!(
                "{line:?} is no sub-goal: write \"[ ] …\" or \"[x] … | …\""
            ))
        })
    };
    lines.map(|lines| lines.iter().map(item).collect()).transpose()
}

fn tool() -> String {
    computer_use::TOOL.to_owned()
}

impl ScriptedBrain {
    /// Reads a script file.
    pub fn open(path: &Path) -> Result<Self, BrainError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| BrainError::Script {
            file: file.clone(),
            line: 0,
            message: error.to_string(),
        })?;
        Self::parse(&file, &text)
    }

    /// Reads a script; `name` is named in messages and in the journal.
    pub fn parse(name: &str, text: &str) -> Result<Self, BrainError> {
        let steps = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
            .map(|(index, line)| {
                serde_json::from_str(line).map_err(|error| BrainError::Script {
                    file: name.to_owned(),
                    line: index + 1,
                    message: error.to_string(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            fingerprint: sha256(text.as_bytes()),
            steps,
            next: 0,
        })
    }

    /// Goes on after this many steps: for a run that is resumed.
    pub fn skip(&mut self, steps: usize) {
        self.next = steps;
    }
}

impl Brain for ScriptedBrain {
    fn principal(&self) -> Principal {
        Principal::script(&self.name)
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        let Some(line) = self.steps.get(self.next).cloned() else {
            return Err(BrainError::Exhausted {
                steps: self.steps.len(),
            });
        };
        self.next += 1;
        observation.listener.hear(&line.thinking);
        let call = ToolCall {
            name: line.name,
            arguments: line.arguments,
        };
        match computer_use::parse_action(&call, observation.frame.size) {
            Ok(action) => Ok(Decision {
                thinking: line.thinking,
                plan: line.plan,
                notes: line.notes,
                intent: line.intent,
                expect: line.expect,
                raised: line.raised,
                ..Decision::new(action)
            }),
            Err(error) => Err(BrainError::Unusable {
                thinking: line.thinking,
                said: serde_json::to_string(&call).unwrap_or_default(),
                message: error.to_string(),
                tokens: 0,
                seconds: 0.0,
            }),
        }
    }
}
