//! A loaded model that answers: what `run` and `chat` share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use aurore_chat::image::{Limits, decode};
use aurore_chat::{Chat, DecodedImage, Event, Message, Mode, PromptOptions, Turn};
use aurore_engine::{Control, Engine, Finish, GenerateOptions, Generated, Sampling};
use aurore_model::LoadOptions;

use crate::adapters::{self, AdapterChoice};
use crate::failure::WithHint;
use crate::memory;
use crate::models::{self, Kv, ModelChoice};

/// Options for choosing tokens, the same in `run` and `chat`.
#[derive(Debug, Clone, clap::Args)]
pub struct SamplingChoice {
    /// Most tokens of an answer.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    pub max_tokens: usize,
    /// Always take the likeliest token.
    #[arg(long, conflicts_with = "temperature")]
    greedy: bool,
    /// Flatter (above 1) or sharper (below 1) choice; 0 is greedy. The model's own value if absent, as for all below.
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Choose among this many likeliest tokens; 0 means all.
    #[arg(long, value_name = "N")]
    top_k: Option<usize>,
    /// Choose among the likeliest tokens that together reach this probability.
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// Choose among tokens of at least this share of the likeliest one's probability.
    #[arg(long, value_name = "P")]
    min_p: Option<f32>,
    /// Subtracted from the logits of tokens that the answer already has.
    #[arg(long, value_name = "X")]
    presence_penalty: Option<f32>,
    /// Divides the logits of tokens that were already seen.
    #[arg(long, value_name = "X")]
    repetition_penalty: Option<f32>,
    /// The same seed gives the same answer.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Let the model think first.
    #[arg(long, overrides_with = "no_thinking")]
    thinking: bool,
    /// Let the model answer at once.
    #[arg(long)]
    no_thinking: bool,
    /// Threads that compute; as many as the machine has if absent.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl SamplingChoice {
    /// Always the likeliest token, at once, and at most so many.
    pub fn certain(max_tokens: usize) -> Self {
        Self {
            max_tokens,
            greedy: true,
            temperature: None,
            top_k: None,
            top_p: None,
            min_p: None,
            presence_penalty: None,
            repetition_penalty: None,
            seed: 0,
            thinking: false,
            no_thinking: true,
            threads: None,
        }
    }

    /// Threads that compute, if the person chose.
    pub fn threads(&self) -> Option<usize> {
        self.threads
    }

    fn thinking(&self) -> Option<bool> {
        match (self.thinking, self.no_thinking) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    fn over(&self, own: Sampling) -> Sampling {
        let base = if self.greedy { Sampling::greedy() } else { own };
        Sampling {
            temperature: self.temperature.unwrap_or(base.temperature),
            top_k: self.top_k.unwrap_or(base.top_k),
            top_p: self.top_p.unwrap_or(base.top_p),
            min_p: self.min_p.unwrap_or(base.min_p),
            presence_penalty: self.presence_penalty.unwrap_or(base.presence_penalty),
            frequency_penalty: base.frequency_penalty,
            repetition_penalty: self.repetition_penalty.unwrap_or(base.repetition_penalty),
            seed: self.seed,
        }
    }
}

/// A loaded model with its text side.
pub struct Talker {
    /// Name or folder that it was loaded from.
    pub name: String,
    chat: Arc<Chat>,
    engine: Engine,
    fingerprint: String,
    parameters: u64,
}

/// An answer.
pub struct Answered {
    /// Thinking, answer and calls.
    pub turn: Turn,
    /// Tokens and times.
    pub generated: Generated,
}

impl Talker {
    /// Loads a model.
    ///
    /// # Errors
    /// When the checkpoint cannot be opened or does not fit together.
    pub fn load(
        choice: &ModelChoice,
        adapter: &AdapterChoice,
        threads: Option<usize>,
    ) -> anyhow::Result<Self> {
        let checkpoint = models::open(&choice.model)?;
        let chat = Chat::open(&checkpoint)?;
        let options = LoadOptions {
            threads: threads.unwrap_or(0),
            kv: choice.kv.map(Kv::format),
            ..LoadOptions::default()
        };
        let model = memory::load(&checkpoint, &options, choice.context, &choice.experts)
            .with_context(|| format!("the model `{}` cannot be loaded", choice.model))?;
        let mut engine = Engine::new(Arc::new(model), chat.vocabulary())?;
        let mut fingerprint = checkpoint.fingerprint();
        if let Some(folder) = &adapter.adapter {
            let adapter = adapters::load(folder, engine.model())?;
            fingerprint = format!("{fingerprint}+{}", adapters::short(&adapter));
            engine = engine.under(adapter);
        }
        Ok(Self {
            name: choice.model.clone(),
            chat: Arc::new(chat),
            engine,
            fingerprint,
            parameters: checkpoint.total_parameters(),
        })
    }

    /// The text side.
    pub fn chat(&self) -> &Arc<Chat> {
        &self.chat
    }

    /// The network.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What identifies the weights.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Numbers in the checkpoint.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Answers a conversation, handing out events as they come.
    ///
    /// # Errors
    /// When the conversation cannot be rendered, does not fit, or the sampling makes no sense.
    pub fn answer(
        &self,
        messages: &[Message],
        choice: &SamplingChoice,
        cancel: &Arc<AtomicBool>,
        mut on_event: impl FnMut(&Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<Answered> {
        let options = PromptOptions {
            thinking: choice.thinking(),
            ..PromptOptions::default()
        };
        let prompt = self.chat.prompt(messages, &[], &options)?;
        let thinking = self.chat.starts_in_thinking(&prompt);
        let mode = Mode {
            thinking,
            images: !prompt.images.is_empty(),
        };
        let options = GenerateOptions {
            sampling: choice.over(self.chat.sampling(mode)),
            max_new_tokens: choice.max_tokens,
            cancel: Arc::clone(cancel),
            ..GenerateOptions::default()
        };
        let mut parser = self.chat.parser(thinking);
        let mut turn = Turn::default();
        let mut failed = None;
        let mut take = |events: Vec<Event>| -> Control {
            for event in &events {
                if let Err(error) = on_event(event) {
                    failed = Some(error);
                    return Control::Stop;
                }
            }
            turn.extend(events);
            Control::Continue
        };
        let generated = self
            .engine
            .generate(&prompt, &options, &mut |id| take(parser.push(id)))?;
        take(if generated.finish == Finish::Eos {
            parser.finish()
        } else {
            parser.cut()
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(Answered { turn, generated }),
        }
    }
}

/// Reads a picture.
///
/// # Errors
/// When the file cannot be read or is no picture within the limits.
pub fn read_image(path: &Path) -> anyhow::Result<DecodedImage> {
    let bytes = std::fs::read(path).with_hint(
        &format!("cannot read the picture {}", path.display()),
        "PNG, JPEG, WebP and GIF files are understood",
    )?;
    decode(&bytes, &Limits::default()).with_hint(
        &format!("{} is no usable picture", path.display()),
        "PNG, JPEG, WebP and GIF files are understood",
    )
}
