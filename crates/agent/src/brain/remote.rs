//! A model behind somebody's server decides.

use std::time::Instant;

use aurore_chat::{Memory, computer_use};
use aurore_policy::Principal;
use aurore_remote::{Message, Part, Piece, RemoteError, Request, Server};

use super::heard::Heard;
use super::{Brain, BrainError, Decision, Observation, memory};

/// Tokens of a step where nothing else is known.
const STEP_TOKENS: usize = 4096;
/// The least that a context is taken for: below it no step fits.
const LEAST_CONTEXT: usize = 2048;

/// How a server's model is asked for decisions.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// The model's name on the server.
    pub model: String,
    /// Its context in tokens, if known: older steps are folded to stay within it.
    pub context: Option<usize>,
    /// How the past is kept.
    pub memory: Memory,
    /// Most tokens of a step.
    pub max_new_tokens: Option<usize>,
}

/// A brain over a server.
pub struct RemoteBrain {
    server: Server,
    options: RemoteOptions,
    window: memory::Window,
}

impl RemoteBrain {
    /// A brain over a model of a server.
    pub fn new(server: Server, options: RemoteOptions) -> Self {
        let step = options.max_new_tokens.unwrap_or(STEP_TOKENS);
        let room = options
            .context
            .map(|context| context.max(LEAST_CONTEXT).saturating_sub(step.min(context / 2)));
        Self {
            server,
            options,
            window: memory::Window::new(room),
        }
    }

    fn request(&mut self, observation: &Observation<'_>) -> Request {
        let turns = match self.options.memory {
            Memory::Frame => memory::frame(observation),
            Memory::Intents => memory::intents(observation),
            Memory::Conversation => memory::conversation(observation, &mut self.window),
        };
        let step = self.options.max_new_tokens.unwrap_or(STEP_TOKENS);
        let most = self
            .options
            .context
            .map_or(usize::MAX, |context| (context / 2).max(1));
        Request {
            messages: turns.into_iter().map(message).collect(),
            tools: vec![computer_use::schema(false)],
            max_tokens: step.min(most),
        }
    }
}

impl Brain for RemoteBrain {
    fn principal(&self) -> Principal {
        Principal::model(&self.options.model)
    }

    /// The server's address: what identifies the weights behind it is not known.
    fn fingerprint(&self) -> String {
        self.server.address().to_string()
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Result<Decision, BrainError> {
        let began = Instant::now();
        let mut shown = 0;
        let mut watch = |piece: &Piece| match piece {
            Piece::Thinking(text) | Piece::Text(text) => {
                shown += text.len();
                observation.listener.hear(text);
            }
            Piece::Again => {
                shown = 0;
                observation
                    .listener
                    .hear("\n[The server failed; the step begins anew.]\n");
            }
        };
        let answer = loop {
            let request = self.request(observation);
            match self.server.ask(&self.options.model, &request, &mut watch) {
                // The estimate was too low, or the context is shorter than was said.
                Err(RemoteError::TooLong { .. }) if self.window.tighten(observation) => {}
                Err(RemoteError::Stopped) => return Err(BrainError::Stopped),
                other => break other?,
            }
        };
        let seconds = began.elapsed().as_secs_f64();
        let heard = Heard {
            said: answer.turn.answer.clone(),
            turn: answer.turn,
            // A server that does not count tokens: about four bytes each.
            tokens: answer.tokens.unwrap_or((shown / 4) as u32),
            seconds,
        };
        if !answer.whole {
            let tokens = heard.tokens;
            return Err(heard.unusable(if answer.reason == "length" {
                format!(
                    "the answer was cut off after {tokens} tokens and nothing was done: think less and end the step with one call of computer_use"
                )
            } else {
                format!(
                    "the server ended the answer with {:?} before its end and nothing was done: end the step with one call of computer_use",
                    answer.reason
                )
            }));
        }
        heard.decision(observation.frame.size)
    }
}

fn message(turn: memory::Turn) -> Message {
    let parts = turn.parts.into_iter().map(|part| match part {
        memory::Part::Text(text) => Part::Text(text),
        memory::Part::Picture(frame) => Part::Picture(memory::data_url(&frame.png).into()),
    });
    Message {
        role: turn.role,
        parts: parts.collect(),
        calls: turn.calls,
    }
}
