//! A request in no dialect: what every one of them comes down to.

use aurore_chat::constrain::{Form, calls};
use aurore_chat::{Message, Mode, PromptOptions, Role, ToolSchema};
use aurore_engine::{Choosing, Event, Grammar, Listener, Priority, Prompt, Request, Sampling, Section};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::app::App;
use crate::caller;
use crate::conversation::arranged;
use crate::later::Later;
use crate::problem::{Kind, Problem};
use crate::reading::Reading;

/// Whether and what the model calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// As it likes.
    #[default]
    Auto,
    /// Nothing, though the tools are shown.
    Never,
    /// Some tool.
    Required,
    /// This one.
    Named(String),
}

/// The form of an answer that calls nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Format {
    /// Any text.
    #[default]
    Text,
    /// JSON of a schema.
    Json(Value),
    /// Whatever a grammar says.
    Grammar(Grammar),
}

/// How tokens are chosen, where the client says so; elsewhere as the model's makers recommend.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Wishes {
    pub(crate) temperature: Option<f32>,
    pub(crate) top_k: Option<usize>,
    pub(crate) top_p: Option<f32>,
    pub(crate) min_p: Option<f32>,
    pub(crate) presence_penalty: Option<f32>,
    pub(crate) frequency_penalty: Option<f32>,
    pub(crate) repetition_penalty: Option<f32>,
    pub(crate) seed: Option<u64>,
}

impl Wishes {
    fn over(self, own: Sampling) -> Result<Sampling, Problem> {
        let seed = match self.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| Problem::new(Kind::Defect, error.to_string()))?,
        };
        Ok(Sampling {
            temperature: self.temperature.unwrap_or(own.temperature),
            top_k: self.top_k.unwrap_or(own.top_k),
            top_p: self.top_p.unwrap_or(own.top_p),
            min_p: self.min_p.unwrap_or(own.min_p),
            presence_penalty: self.presence_penalty.unwrap_or(own.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(own.frequency_penalty),
            repetition_penalty: self.repetition_penalty.unwrap_or(own.repetition_penalty),
            seed,
        })
    }
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) messages: Vec<Message>,
    /// Tokens to go on from, instead of a conversation.
    pub(crate) plain: Option<Vec<u32>>,
    pub(crate) tools: Vec<ToolSchema>,
    pub(crate) choice: Choice,
    /// Only one tool may be called.
    pub(crate) single: bool,
    pub(crate) format: Format,
    /// Whether to think first; the template decides if absent.
    pub(crate) thinking: Option<bool>,
    /// Most tokens of thinking.
    pub(crate) budget: Option<usize>,
    pub(crate) wishes: Wishes,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) stops: Vec<String>,
    pub(crate) logprobs: Option<usize>,
    pub(crate) bias: Vec<(u32, f32)>,
    /// What the answer will be for the most part.
    pub(crate) prediction: Option<String>,
    /// The answer goes on to its limit: for measuring.
    pub(crate) endless: bool,
    /// More variables for the template.
    pub(crate) variables: Map<String, Value>,
    pub(crate) priority: Priority,
    /// Clients of this dialect send thinking back.
    pub(crate) thinking_returns: bool,
}

/// Most texts that end an answer.
pub(crate) const MOST_STOPS: usize = 16;

impl Ask {
    /// The conversation as tokens. Takes a while where there are pictures: not for a thread that others wait for.
    pub(crate) fn prompt(&self, served: &App) -> Result<Prompt, Problem> {
        if let Some(ids) = &self.plain {
            return Ok(Prompt {
                adapter: served.adapter(),
                ..Prompt::text(ids.clone())
            });
        }
        let options = PromptOptions {
            thinking: self.thinking,
            variables: self.variables.clone(),
            ..PromptOptions::default()
        };
        if self.messages.is_empty() {
            return Err(Problem::invalid(
                "messages",
                "there is no message: send at least one",
            ));
        }
        let prompt = served
            .chat
            .prompt(&arranged(&self.messages), &self.tools, &options)?;
        Ok(Prompt {
            adapter: served.adapter(),
            ..prompt
        })
    }

    /// Tokens of the prompt of a request that could be answered.
    pub(crate) fn count(&self, served: &App) -> Result<usize, Problem> {
        self.check()?;
        let mode = Mode {
            thinking: false,
            images: false,
        };
        self.wishes.over(served.chat.sampling(mode))?.check()?;
        Ok(self.prompt(served)?.len())
    }

    /// Whether the client is likely to send the answer's thinking back: as it did before, or as its dialect has it.
    pub(crate) fn returns_thinking(&self) -> bool {
        let mut earlier = self
            .messages
            .iter()
            .filter(|message| message.role == Role::Assistant);
        let had_some = earlier.clone().any(|message| message.reasoning.is_some());
        had_some || (self.thinking_returns && earlier.next().is_none())
    }

    /// Begins `count` answers to one prompt.
    pub(crate) fn begin(&self, served: &App, count: usize) -> Result<Vec<Reading>, Problem> {
        self.check()?;
        let chat = &served.chat;
        let prompt = self.prompt(served)?;
        let thinking = self.plain.is_none() && chat.starts_in_thinking(&prompt);
        let mode = Mode {
            thinking,
            images: !prompt.images.is_empty(),
        };
        let mut sampling = self.wishes.over(chat.sampling(mode))?;
        let grammar = self.grammar(served)?;
        let section = grammar
            .is_none()
            .then(|| self.section(served, thinking))
            .flatten();
        let prediction = self.prediction.as_deref();
        let prediction = prediction.map_or_else(Vec::new, |text| chat.vocabulary().encode(text));
        let mut bias = self.bias.clone();
        if self.choice == Choice::Never {
            bias.push((chat.tags().call, NEVER));
        }
        let meter = caller::meter();
        if self.endless {
            bias.extend(chat.vocabulary().eos().iter().map(|id| (*id, NEVER)));
        }
        let mut readings = Vec::with_capacity(count);
        for number in 0..count {
            let (sender, events) = mpsc::unbounded_channel();
            let request = Request {
                prompt: prompt.clone(),
                choosing: Choosing {
                    sampling,
                    max_new_tokens: self.max_tokens.unwrap_or(served.options.max_tokens),
                    lead: grammar.as_ref().and_then(|_| chat.lead(thinking)),
                    grammar: grammar.clone(),
                    section: section.clone(),
                    forced_end: self
                        .budget
                        .filter(|_| thinking)
                        .map(|budget| chat.thinking_budget(budget)),
                    bias: bias.clone(),
                    logprobs: self.logprobs,
                    prediction: prediction.clone(),
                    ..Choosing::default()
                },
                priority: self.priority,
            };
            let listener = Box::new(Sender(sender));
            served.scheduler.submit_to(request, listener)?;
            if number == 0 {
                meter.spend(prompt.len());
            }
            let later = (number == 0).then(|| Later::new(served, self)).flatten();
            readings.push(Reading::new(chat, thinking, self, events, prompt.len(), later));
            // Each answer of several throws dice of its own.
            sampling.seed = sampling.seed.wrapping_add(1);
        }
        Ok(readings)
    }

    fn check(&self) -> Result<(), Problem> {
        if let Choice::Named(name) = &self.choice
            && !self.tools.iter().any(|tool| tool.name == *name)
        {
            let message = format!("there is no tool {name:?} among `tools`");
            return Err(Problem::invalid("tool_choice", message));
        }
        if self.choice == Choice::Required && self.tools.is_empty() {
            let message = "a call is required, but there are no `tools`";
            return Err(Problem::invalid("tool_choice", message));
        }
        if self.stops.len() > MOST_STOPS || self.stops.iter().any(String::is_empty) {
            let message = format!("give at most {MOST_STOPS} texts, none of them empty");
            return Err(Problem::invalid("stop", message));
        }
        Ok(())
    }

    /// What calls must look like that need not come.
    fn section(&self, served: &App, thinking: bool) -> Option<Section> {
        if self.choice != Choice::Auto {
            return None;
        }
        let (engine, tags) = (served.scheduler.engine(), served.chat.tags());
        let section = calls(tags, &self.tools, thinking)?;
        let Err(error) = engine.compile(&section.grammar) else {
            return Some(section);
        };
        // Nobody asked for a grammar: a schema that makes none must not be in the way of the others, or of an answer.
        tracing::debug!(%error, "a tool's schema makes no grammar");
        let mut tools = self.tools.clone();
        for tool in &mut tools {
            let alone = calls(tags, std::slice::from_ref(tool), thinking);
            if alone.is_some_and(|section| engine.compile(&section.grammar).is_err()) {
                tool.parameters = json!({"type": "object"});
            }
        }
        calls(tags, &tools, thinking).filter(|section| engine.compile(&section.grammar).is_ok())
    }

    fn grammar(&self, served: &App) -> Result<Option<Grammar>, Problem> {
        let named: Vec<ToolSchema>;
        let tools: &[ToolSchema] = match &self.choice {
            Choice::Required => &self.tools,
            Choice::Named(name) => {
                named = self
                    .tools
                    .iter()
                    .filter(|tool| tool.name == *name)
                    .cloned()
                    .collect();
                &named
            }
            // JSON that is asked for may give way to calls.
            Choice::Auto if self.format != Format::Text => &self.tools,
            Choice::Auto | Choice::Never => &[],
        };
        let must_call = matches!(self.choice, Choice::Required | Choice::Named(_));
        let json = match &self.format {
            Format::Grammar(grammar) if !must_call => {
                if !tools.is_empty() {
                    let message = "a grammar of the answer and tools exclude each other: leave one out, or choose \
                                   `tool_choice`: \"none\"";
                    return Err(Problem::invalid("response_format", message));
                }
                return Ok(Some(grammar.clone()));
            }
            Format::Json(schema) if !must_call => Some(schema),
            _ => None,
        };
        let form = Form {
            json,
            tools,
            several: !self.single,
        };
        Ok(form.grammar(served.chat.tags()))
    }
}

/// A bias that no logit overcomes.
const NEVER: f32 = -1e9;

/// The engine's side of an answer.
pub(crate) struct Sender(pub(crate) mpsc::UnboundedSender<Event>);

impl Listener for Sender {
    fn hear(&mut self, event: Event) {
        // A closed channel is seen by `is_gone`.
        let _ = self.0.send(event);
    }

    fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}
