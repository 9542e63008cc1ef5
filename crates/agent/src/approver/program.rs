//! Questions answered by another program.

use std::time::Duration;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Approver, Question, UpFront};
use crate::talk;

/// Runs a command for each question: the question is a JSON object on its standard input, its answer one on its
/// standard output: `{"answer": "yes"}`, `{"answer": "yes", "scope": 0}`, `{"answer": "no", "reason": "…"}` or
/// `{"answer": "stop"}`. A question before the first step has `items` and no `action`, and is also answered by
/// `{"answer": "yes", "items": [0]}`. Anything else, an exit code other than 0, or no answer in time is a no.
#[derive(Debug, Clone)]
pub struct ProgramApprover {
    command: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    answer: String,
    #[serde(default)]
    scope: Option<usize>,
    #[serde(default)]
    items: Option<Vec<usize>>,
    #[serde(default)]
    reason: String,
}

impl ProgramApprover {
    /// Asks through a command line, run by `sh -c` (`cmd /C` on Windows).
    pub fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
        }
    }

    /// `scopes` and `items` are how many there are to choose from.
    fn run(
        &self,
        question: &impl Serialize,
        png: &[u8],
        wait: Duration,
        scopes: usize,
        items: usize,
    ) -> Result<Answer, String> {
        let mut body = serde_json::to_value(question).map_err(|error| error.to_string())?;
        body["frame_png_base64"] = json!(base64::engine::general_purpose::STANDARD.encode(png));
        body["wait_seconds"] = json!(wait.as_secs());
        let answer = talk::ask(&self.command, &body, wait)?;
        let reply: Reply = serde_json::from_str(answer.trim())
            .map_err(|error| format!("{:?} answered what is no answer: {error}", self.command))?;
        match (reply.answer.as_str(), reply.scope, reply.items) {
            ("yes", None, None) => Ok(Answer::Yes),
            ("yes", Some(index), None) if index < scopes => Ok(Answer::FromNowOn(index)),
            ("yes", None, Some(chosen))
                if !chosen.is_empty() && chosen.iter().all(|index| *index < items) =>
            {
                Ok(Answer::Only(chosen))
            }
            ("no", ..) => Ok(Answer::No(reply.reason)),
            ("stop", ..) => Ok(Answer::Stop),
            _ => Err(format!(
                "{:?} answered {:?}, which is no answer",
                self.command, reply.answer
            )),
        }
    }
}

/// Whatever goes wrong is a no.
fn or_no(answer: Result<Answer, String>) -> Answer {
    answer.unwrap_or_else(|error| {
        tracing::warn!("approval: {error}");
        Answer::No(error)
    })
}

impl Approver for ProgramApprover {
    fn name(&self) -> String {
        format!("the program {:?}", self.command)
    }

    fn ask(&mut self, question: &Question) -> Answer {
        or_no(self.run(question, &question.png, question.wait, question.scopes.len(), 0))
    }

    fn ask_up_front(&mut self, question: &UpFront) -> Option<Answer> {
        Some(or_no(self.run(
            question,
            &question.png,
            question.wait,
            0,
            question.items.len(),
        )))
    }
}
