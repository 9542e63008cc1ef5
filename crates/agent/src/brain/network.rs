//! The network decides.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use aurore_chat::{
    Chat, Event, Memory, Mode, PromptOptions, ToolSchema,
    computer_use::{self, StepForm},
};
use aurore_engine::{Control, Engine, Finish, GenerateOptions, Prompt, Sampling};
use aurore_policy::Principal;

use super::heard::Heard;
use super::{Brain, BrainError, Decision, Observation, memory};

/// Tokens of a step where the checkpoint does not say.
const STEP_TOKENS: usize = 2048;

/// How a network is asked for decisions.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// The checkpoint's name, for the rules and the journal.
    pub name: String,
    /// Hash of the checkpoint, for the journal.
    pub fingerprint: String,
    /// How the past is kept; what the checkpoint wishes if absent.
    pub memory: Option<Memory>,
    /// Whether it thinks first; a step without thinking has no reason to show.
    pub thinking: bool,
    /// Whether the form of a step is forced by a grammar.
    pub grammar: bool,
    /// How tokens are chosen; the checkpoint's defaults if absent.
    pub sampling: Option<Sampling>,
    /// Most tokens of a step; what the checkpoint wishes if absent.
    pub max_new_tokens: Option<usize>,
    /// Set to stop in mid-thought.
    pub cancel: Arc<AtomicBool>,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            name: "model".to_owned(),
            fingerprint: String::new(),
            memory: None,
            thinking: true,
            grammar: true,
            sampling: None,
            max_new_tokens: None,
            cancel: Arc::default(),
        }
    }
}

/// A brain over a network.
pub struct NetworkBrain {
    chat: Arc<Chat>,
    engine: Engine,
    options: NetworkOptions,
    window: memory::Window,
}

impl NetworkBrain {
    /// A brain over a checkpoint's conversation and its engine.
    pub fn new(chat: Arc<Chat>, engine: Engine, options: NetworkOptions) -> Self {
        Self {
            chat,
            engine,
            options,
            window: memory::Window::default(),
        }
    }

    /// The prompt; the oldest steps are folded until it leaves room for an answer.
    fn prompt(
        &mut self,
        observation: &Observation<'_>,
        tools: &[ToolSchema],
        answer: usize,
    ) -> Result<Prompt, BrainError> {
        let context = self.engine.context();
        let room = context.saturating_sub(answer.min(context / 2));
        loop {
            let turns = match self.memory() {
                Memory::Frame => memory::frame(observation),
                Memory::Intents => memory::intents(observation),
                Memory::Conversation => memory::conversation(observation, &mut self.window),
            };
            let messages = turns
                .into_iter()
                .map(memory::Turn::into_message)
                .collect::<Result<Vec<_>, _>>()?;
            let options = PromptOptions::thinking(self.options.thinking);
            let prompt = self.chat.prompt(&messages, tools, &options)?;
            // The tokeniser has the last word; what does not fit even so is the engine's to refuse.
            let fits = prompt.ids.len() <= room || self.memory() != Memory::Conversation;
            if fits || !self.window.tighten(observation) {
                return Ok(prompt);
            }
        }
    }

    fn memory(&self) -> Memory {
        self.options.memory.unwrap_or(self.chat.settings().agent.memory)
    }
}

impl Brain for NetworkBrain {
    fn principal(&self) -> Principal {
        Principal::model(&self.options.name)
    }

    fn fingerprint(&self) -> String {
        self.options.fingerprint.clone()
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        let began = Instant::now();
        let tools = [computer_use::schema(false)];
        let agent = &self.chat.settings().agent;
        let max_new_tokens = self
            .options
            .max_new_tokens
            .or(agent.max_new_tokens)
            .unwrap_or(STEP_TOKENS);
        let prompt = self.prompt(observation, &tools, max_new_tokens)?;
        let thinking = self.chat.starts_in_thinking(&prompt);
        let mode = Mode {
            thinking,
            images: true,
        };
        let form = StepForm {
            thinking,
            // A memory of one frame has no place to show a plan.
            plan: self.memory() == Memory::Conversation,
        };
        let generate = GenerateOptions {
            sampling: self.options.sampling.unwrap_or_else(|| self.chat.sampling(mode)),
            max_new_tokens,
            grammar: self
                .options
                .grammar
                .then(|| computer_use::step_grammar(self.chat.tags(), form)),
            // The second half of the budget is for the lines and the call.
            forced_end: (thinking && max_new_tokens >= 512)
                .then(|| self.chat.thinking_budget(max_new_tokens * 3 / 4)),
            cancel: Arc::clone(&self.options.cancel),
            ..GenerateOptions::default()
        };
        let mut parser = self.chat.parser(thinking);
        let mut aloud = |id| {
            // What comes after the thinking is heard with the verdict on it.
            if parser.is_thinking() {
                for event in parser.push(id) {
                    if let Event::Thinking(text) = event {
                        observation.listener.hear(&text);
                    }
                }
            }
            Control::Continue
        };
        let generated = self.engine.generate(&prompt, &generate, &mut aloud)?;
        if generated.finish == Finish::Cancelled {
            return Err(BrainError::Stopped);
        }
        let heard = Heard {
            turn: self
                .chat
                .parse(&generated.ids, thinking, &tools, generated.finish == Finish::Eos),
            said: self.chat.vocabulary().decode(&generated.ids),
            tokens: generated.ids.len() as u32,
            seconds: began.elapsed().as_secs_f64(),
        };
        if generated.finish == Finish::Length && heard.turn.calls.is_empty() {
            let tokens = heard.tokens;
            return Err(heard.unusable(format!(
                "no action after {tokens} tokens: think less and end the step with one call of computer_use"
            )));
        }
        heard.decision(observation.frame.size)
    }
}
