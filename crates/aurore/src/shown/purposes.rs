//! What a step is for, in a model's words, where the person who showed it said nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aurore_chat::Message;
use aurore_chat::image::{Limits, decode};
use aurore_engine::Finish;

use crate::adapters::AdapterChoice;
use crate::models::ModelChoice;
use crate::talk::{SamplingChoice, Talker};

/// Most tokens of an answer.
const TOKENS: usize = 128;
/// The longest purpose, characters; a longer answer is none.
const LONGEST: usize = 160;

/// A step that was shown.
pub struct Shown<'a> {
    /// What is to be reached.
    pub goal: &'a str,
    /// What was done before, a line each.
    pub did: &'a [String],
    /// What is done now: `Press the button Save.`
    pub deed: &'a str,
    /// The screen that it is done on, PNG.
    pub frame: &'a [u8],
}

/// Says in a line what a step is for.
pub trait Purposes {
    /// The line; `None` where there is none to be had.
    fn purpose(&self, shown: &Shown<'_>) -> Option<String>;
}

/// A model that looks at the screen and says it.
pub struct ModelPurposes {
    talker: Talker,
    sampling: SamplingChoice,
    cancel: Arc<AtomicBool>,
}

impl ModelPurposes {
    /// Loads the model.
    ///
    /// # Errors
    /// When the checkpoint cannot be opened or does not fit into memory.
    pub fn load(model: &str, cancel: &Arc<AtomicBool>) -> anyhow::Result<Self> {
        let talker = Talker::load(&ModelChoice::named(model), &AdapterChoice::default(), None)?;
        Ok(Self {
            talker,
            sampling: SamplingChoice::certain(TOKENS),
            cancel: Arc::clone(cancel),
        })
    }

    fn ask(&self, shown: &Shown<'_>) -> anyhow::Result<Option<String>> {
        let image = decode(shown.frame, &Limits::default())?;
        let message = Message::user_with_image(image, question(shown));
        let answered = self
            .talker
            .answer(&[message], &self.sampling, &self.cancel, |_| Ok(()))?;
        // Half a sentence is none.
        let whole = answered.generated.finish == Finish::Eos;
        Ok(whole.then(|| line(&answered.turn.answer)).flatten())
    }
}

impl Purposes for ModelPurposes {
    fn purpose(&self, shown: &Shown<'_>) -> Option<String> {
        // What was shown is worth more than its words: it is kept without them.
        self.ask(shown).unwrap_or_else(|error| {
            tracing::warn!("no purpose from {}: {error:#}", self.talker.name);
            None
        })
    }
}

fn question(shown: &Shown<'_>) -> String {
    let before = match shown.did {
        [] => String::new(),
        did => format!("Done before: {}\n", did.join(" ")),
    };
    format!(
        "A person works on this screen towards a goal.\nGoal: {}\n{before}Their next step: {}\nWhat is this step for? \
         Answer with one short sentence in the imperative, in the language of the goal, and nothing else.",
        shown.goal, shown.deed
    )
}

/// The sentence of an answer, if it is one.
fn line(answer: &str) -> Option<String> {
    let line = answer.lines().map(str::trim).find(|line| !line.is_empty())?;
    let label = ["Purpose:", "Intent:", "Step:"];
    let line = label
        .iter()
        .find_map(|label| line.strip_prefix(label))
        .unwrap_or(line);
    let line = line.trim().trim_matches(['"', '“', '”', '`', '*']).trim();
    let is_sentence = line.chars().any(char::is_alphabetic)
        && line.chars().count() <= LONGEST
        && !line
            .chars()
            .any(|character| character.is_control() || matches!(character, '<' | '>' | '{' | '}'));
    is_sentence.then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_tells_goal_past_and_deed() {
        let did = ["Press the button Oslo.".to_owned()];
        let mut shown = Shown {
            goal: "Send the parcel to Oslo.",
            did: &[],
            deed: "Press the button Seal.",
            frame: &[],
        };
        let first = question(&shown);
        assert!(
            first.contains("Goal: Send the parcel to Oslo.\nTheir next step: Press the button Seal.\n"),
            "{first}"
        );
        shown.did = &did;
        assert!(question(&shown).contains("Done before: Press the button Oslo.\n"));
    }

    #[test]
    fn an_answer_is_one_sentence_or_none() {
        let some = |answer: &str| line(answer).unwrap_or_default();
        assert_eq!(
            some("Close the parcel so that it can be sent."),
            "Close the parcel so that it can be sent."
        );
        assert_eq!(
            some("\n Purpose: \"Close the parcel.\"\nIt is ready."),
            "Close the parcel."
        );
        assert_eq!(some("**封上包裹**"), "封上包裹");
        for none in [
            "",
            "\n\n",
            "...",
            "<tool_call>",
            "{\"purpose\": \"x\"}",
            &"long ".repeat(40),
        ] {
            assert_eq!(line(none), None, "{none}");
        }
    }
}
