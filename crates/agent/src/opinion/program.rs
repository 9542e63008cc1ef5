//! The opinion of another program.

use std::time::Duration;

use aurore_policy::{Decision, Opinion};
use serde::Deserialize;

use super::unheard;
use crate::{Judged, SecondOpinion, talk};

/// How long a program may take.
const WAIT: Duration = Duration::from_mins(1);

/// Runs a command for each verdict that it is to look at: the goal, the action and the verdict are a JSON object on its
/// standard input, its opinion one on its standard output: `{"decision": "allow"}`, or `"ask"` or `"deny"` with a
/// `reason`. Anything else, an exit code other than 0, or no answer in a minute is `ask`.
#[derive(Debug, Clone)]
pub struct ProgramOpinion {
    command: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    decision: Decision,
    #[serde(default)]
    reason: String,
}

impl ProgramOpinion {
    /// Asks through a command line, run by `sh -c` (`cmd /C` on Windows).
    pub fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
        }
    }

    fn ask(&self, judged: &Judged<'_>) -> Result<Reply, String> {
        let question = serde_json::to_value(judged).map_err(|error| error.to_string())?;
        let answer = talk::ask(&self.command, &question, WAIT)?;
        serde_json::from_str(answer.trim())
            .map_err(|error| format!("{:?} said what is no opinion: {error}", self.command))
    }
}

impl SecondOpinion for ProgramOpinion {
    fn opinion(&mut self, judged: &Judged<'_>) -> Option<Opinion> {
        let by = format!("the program {:?}", self.command);
        Some(match self.ask(judged) {
            Ok(reply) => Opinion {
                by,
                decision: reply.decision,
                reason: reply.reason,
            },
            Err(why) => unheard(by, &why),
        })
    }
}
