//! Reading ahead: an answer that ended stands in the next request of its conversation, so its tokens are read in idle time,
//! in the form in which they will come back.

use aurore_chat::{Content, Message, PromptOptions, Turn};
use aurore_engine::Prompt;

use crate::app::App;
use crate::ask::Ask;
use crate::conversation::arranged;
use crate::problem::Problem;

/// A conversation whose answer is under way.
pub(crate) struct Later {
    app: App,
    ask: Ask,
}

impl Later {
    /// For a conversation that is worth it: preparing pictures a second time would cost more than it saves.
    pub(crate) fn new(app: &App, ask: &Ask) -> Option<Self> {
        let is_picture = |part: &Content| matches!(part, Content::Image(_));
        let has_pictures = ask
            .messages
            .iter()
            .flat_map(|message| &message.content)
            .any(is_picture);
        let is_worth_it = ask.plain.is_none() && !has_pictures && app.scheduler.limits().cache;
        is_worth_it.then(|| Self {
            app: app.clone(),
            ask: ask.clone(),
        })
    }

    /// Hands the conversation with its answer to the engine, on a thread of its own.
    pub(crate) fn read(self, turn: Turn) {
        tokio::task::spawn_blocking(move || {
            // Nobody waits for it, and a later request will say what is wrong.
            if let Ok(Some(prompt)) = self.prompt(turn) {
                let _ = self.app.scheduler.warm(prompt);
            }
        });
    }

    /// The conversation up to the end of its answer and the head of the message behind it.
    fn prompt(&self, turn: Turn) -> Result<Option<Prompt>, Problem> {
        let mut messages = arranged(&self.ask.messages).into_owned();
        let is_called = !turn.calls.is_empty();
        let mut answer = turn.into_message();
        if !self.ask.returns_thinking() {
            answer.reasoning = None;
        }
        messages.push(answer);
        // What comes next decides how the template treats the answer's thinking.
        messages.push(if is_called {
            Message::tool("…")
        } else {
            Message::user("…")
        });
        let options = PromptOptions {
            thinking: self.ask.thinking,
            open_answer: false,
            variables: self.ask.variables.clone(),
            ..PromptOptions::default()
        };
        let mut prompt = self.app.chat.prompt(&messages, &self.ask.tools, &options)?;
        prompt.adapter = self.app.adapter();
        let Some([.., end, _]) = prompt.marks.get(..) else {
            return Ok(None);
        };
        let end = *end;
        prompt.ids.truncate(end);
        prompt.positions.truncate(end);
        Ok(Some(prompt))
    }
}
