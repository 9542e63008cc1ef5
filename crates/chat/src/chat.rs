//! A checkpoint's text side, opened.

use std::{sync::Arc, time::SystemTime};

use aurore_checkpoint::{Checkpoint, Config, Files, GenerationConfig, PreprocessorConfig};
use aurore_engine::{ForcedEnd, Lead, Prompt, Sampling, Vocabulary};
use serde_json::{Map, Value, json};

use crate::{
    ChatError, Content, DecodedImage, HuggingFace, Message, Mode, Parser, Role, Run, Settings, Template,
    Tokenizer, ToolSchema, Turn,
    image::Preprocess,
    parser::Tags,
    positions,
    render::{Escaper, Piece},
    settings,
};

/// How to render a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptOptions {
    /// Whether the answer starts with thinking; `None` leaves it to the template (small models: no, others: yes).
    pub thinking: Option<bool>,
    /// Whether the assistant's turn is opened at the end.
    pub open_answer: bool,
    /// More variables for the template (`preserve_thinking`, `reasoning_effort`, `add_vision_id`, …).
    pub variables: Map<String, Value>,
    /// What day a template may tell the model; the system's clock if absent.
    pub now: Option<SystemTime>,
}

impl Default for PromptOptions {
    fn default() -> Self {
        Self {
            thinking: None,
            open_answer: true,
            variables: Map::new(),
            now: None,
        }
    }
}

impl PromptOptions {
    /// With thinking on or off.
    pub fn thinking(thinking: bool) -> Self {
        Self {
            thinking: Some(thinking),
            ..Self::default()
        }
    }
}

/// Tokeniser, template, picture processor and defaults of one checkpoint.
pub struct Chat {
    config: Config,
    tokenizer: Arc<dyn Tokenizer>,
    template: Template,
    escaper: Escaper,
    preprocess: Preprocess,
    generation: GenerationConfig,
    settings: Settings,
    vocabulary: Arc<Vocabulary>,
    tags: Tags,
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Chat")
            .field("template", &self.template)
            .field("vocabulary", &self.vocabulary)
            .finish_non_exhaustive()
    }
}

impl Chat {
    /// Reads everything that a conversation needs beside the weights.
    pub fn open(checkpoint: &Checkpoint) -> Result<Self, ChatError> {
        Self::from_files(checkpoint.files(), checkpoint.config())
    }

    /// The same from the files and the configuration.
    pub fn from_files(files: &Files, config: &Config) -> Result<Self, ChatError> {
        let tokenizer: Arc<dyn Tokenizer> = Arc::new(HuggingFace::open(files, config.text.vocab_size)?);
        let generation = GenerationConfig::read(files)?;
        let eos = match (&generation.eos_token_ids, tokenizer.control("<|im_end|>")) {
            (Some(ids), _) => ids.clone(),
            (None, Some(end)) => vec![end],
            (None, None) => config.text.eos_token_ids.clone(),
        };
        let encoder = Arc::clone(&tokenizer);
        let vocabulary = Vocabulary::new(
            tokenizer.tokens().to_vec(),
            eos,
            Arc::new(move |text| encoder.encode(text).unwrap_or_default()),
        )?;
        Ok(Self {
            tags: Tags::new(tokenizer.as_ref())?,
            escaper: Escaper::new(tokenizer.as_ref())?,
            template: Template::open(files)?,
            preprocess: Preprocess::new(&PreprocessorConfig::read(files)?)?,
            settings: read_settings(files)?,
            config: config.clone(),
            vocabulary: Arc::new(vocabulary),
            tokenizer,
            generation,
        })
    }

    /// Renders a conversation that the model is to continue.
    pub fn prompt(
        &self,
        messages: &[Message],
        tools: &[ToolSchema],
        options: &PromptOptions,
    ) -> Result<Prompt, ChatError> {
        let rendered = self.render(messages, tools, options)?;
        let images = messages
            .iter()
            .flat_map(|message| &message.content)
            .filter_map(|part| match part {
                Content::Image(image) => Some(image),
                Content::Text(_) => None,
            });
        self.assemble(&self.escaper.pieces(&rendered), &images.collect::<Vec<_>>())
    }

    /// A prompt of text without turns, for plain continuation.
    pub fn plain_prompt(&self, text: &str) -> Result<Prompt, ChatError> {
        Ok(Prompt::text(self.tokenizer.encode(text)?))
    }

    /// Ids of text in which control tokens are spelled out on purpose: a prompt that somebody rendered by hand.
    ///
    /// # Errors
    /// When the tokeniser refuses the text.
    pub fn spelled(&self, text: &str) -> Result<Vec<u32>, ChatError> {
        let controls = self.tokenizer.controls();
        let mut ids = Vec::new();
        let (mut start, mut at) = (0, 0);
        while let Some(letter) = text[at..].chars().next() {
            let rest = &text[at..];
            // The longest of those that begin here stands first.
            let found = controls
                .iter()
                .find(|(spelling, _)| rest.starts_with(spelling.as_str()));
            let Some((spelling, id)) = found else {
                at += letter.len_utf8();
                continue;
            };
            ids.extend(self.tokenizer.encode(&text[start..at])?);
            ids.push(*id);
            at += spelling.len();
            start = at;
        }
        ids.extend(self.tokenizer.encode(&text[start..])?);
        Ok(ids)
    }

    /// The conversation as the template writes it, control tokens spelled out. For people to read: text in it that looks
    /// like a control token may be somebody's words.
    pub fn rendered_text(
        &self,
        messages: &[Message],
        tools: &[ToolSchema],
        options: &PromptOptions,
    ) -> Result<String, ChatError> {
        let rendered = self.render(messages, tools, options)?;
        let spelled = self
            .escaper
            .pieces(&rendered)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Control(id) => self.vocabulary.decode(&[id]),
            });
        Ok(spelled.collect())
    }

    fn render(
        &self,
        messages: &[Message],
        tools: &[ToolSchema],
        options: &PromptOptions,
    ) -> Result<String, ChatError> {
        let mut variables = options.variables.clone();
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| self.message_value(message))
            .collect();
        variables.insert("messages".to_owned(), Value::Array(messages));
        if !tools.is_empty() {
            let tools = tools.iter().map(|tool| self.escaper.escape_json(&tool.to_json()));
            variables.insert("tools".to_owned(), tools.collect());
        }
        variables.insert("add_generation_prompt".to_owned(), options.open_answer.into());
        if let Some(thinking) = options.thinking {
            variables.insert("enable_thinking".to_owned(), thinking.into());
        }
        self.template
            .render(&variables, options.now.unwrap_or_else(SystemTime::now))
    }

    fn message_value(&self, message: &Message) -> Value {
        let escape = |text: &str| self.escaper.escape(text);
        let has_images = message
            .content
            .iter()
            .any(|part| matches!(part, Content::Image(_)));
        let content = if has_images {
            let parts = message.content.iter().map(|part| match part {
                Content::Text(text) => json!({"type": "text", "text": escape(text)}),
                Content::Image(_) => json!({"type": "image"}),
            });
            parts.collect()
        } else {
            Value::String(escape(&message.plain_text()))
        };
        let mut value = json!({"role": message.role.name(), "content": content});
        if let (Role::Assistant, Some(reasoning)) = (message.role, &message.reasoning) {
            value["reasoning_content"] = escape(reasoning).into();
        }
        if !message.tool_calls.is_empty() {
            let calls = message.tool_calls.iter().map(|call| {
                let arguments = self.escaper.escape_json(&Value::Object(call.arguments.clone()));
                json!({"type": "function", "function": {"name": escape(&call.name), "arguments": arguments}})
            });
            value["tool_calls"] = calls.collect();
        }
        value
    }

    fn assemble(&self, pieces: &[Piece], images: &[&DecodedImage]) -> Result<Prompt, ChatError> {
        let placeholder = self.config.image_token_id;
        let placeholders = pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Control(id) if *id == placeholder))
            .count();
        if !images.is_empty() && self.config.vision.is_none() {
            return Err(ChatError::NoVision);
        }
        if placeholders != images.len() {
            return Err(ChatError::Placeholders {
                images: images.len(),
                placeholders,
            });
        }
        let mut prompt = Prompt::default();
        let mut runs = Vec::new();
        let mut images = images.iter();
        let start = self.tokenizer.control("<|im_start|>").map(Piece::Control);
        let mut opened = false;
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    if opened {
                        // Messages of one role begin alike: they differ behind the line that says whose they are.
                        let head = text.split_inclusive('\n').next().unwrap_or_default();
                        let head = self.tokenizer.encode(head)?.len();
                        prompt.marks.push(prompt.ids.len() + head);
                    }
                    let ids = self.tokenizer.encode(text)?;
                    runs.push(Run::Text(ids.len()));
                    prompt.ids.extend(ids);
                }
                Piece::Control(id) if *id == placeholder => {
                    let Some(image) = images.next() else { continue };
                    let patches = self.preprocess.patches(image)?;
                    let tokens = self.preprocess.tokens(patches.grid);
                    let [_, rows, columns] = patches.grid;
                    runs.push(Run::Image {
                        rows: rows / self.preprocess.merge,
                        columns: columns / self.preprocess.merge,
                    });
                    prompt.ids.extend(std::iter::repeat_n(placeholder, tokens));
                    prompt.images.push(patches);
                    prompt.marks.push(prompt.ids.len());
                }
                Piece::Control(id) => {
                    runs.push(Run::Text(1));
                    prompt.ids.push(*id);
                    if self.vocabulary.eos().contains(id) {
                        prompt.marks.push(prompt.ids.len());
                    }
                }
            }
            opened = start.as_ref() == Some(piece);
        }
        prompt.positions = positions(&runs);
        Ok(prompt)
    }

    /// Whether the model's next token belongs to its thinking: the last thinking tag of the prompt is an opening one.
    pub fn starts_in_thinking(&self, prompt: &Prompt) -> bool {
        let last = prompt
            .ids
            .iter()
            .rev()
            .find(|id| **id == self.tags.think || **id == self.tags.think_end);
        last == Some(&self.tags.think)
    }

    /// What stands between the start of an answer and the text that a grammar is about: the rest of its thinking and an
    /// empty line. Absent for an answer that does not start in thinking.
    pub fn lead(&self, thinking: bool) -> Option<Lead> {
        thinking.then(|| Lead {
            after: self.tags.think_end,
            ids: self.vocabulary.encode("\n\n"),
        })
    }

    /// A parser for an answer that starts in thinking or not. Arguments are typed by the tools given to
    /// [`Parser::with_tools`].
    pub fn parser(&self, thinking: bool) -> Parser {
        Parser::new(Arc::clone(&self.vocabulary), self.tags.clone(), thinking)
    }

    /// A whole answer at once; `ended` is false for one that was cut off.
    pub fn parse(&self, ids: &[u32], thinking: bool, tools: &[ToolSchema], ended: bool) -> Turn {
        let mut parser = self.parser(thinking).with_tools(tools);
        let mut turn = Turn::default();
        for id in ids {
            turn.extend(parser.push(*id));
        }
        turn.extend(if ended { parser.finish() } else { parser.cut() });
        turn
    }

    /// The vocabulary, for the engine.
    pub fn vocabulary(&self) -> Arc<Vocabulary> {
        Arc::clone(&self.vocabulary)
    }

    /// The tokeniser.
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        self.tokenizer.as_ref()
    }

    /// The family's tags in this vocabulary.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// How pictures become patches.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// What `aurore.json` says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How to sample: `generation_config.json`, and the family's recommendation for what it lacks.
    pub fn sampling(&self, mode: Mode) -> Sampling {
        settings::sampling(&self.config, &self.generation, mode)
    }

    /// Ends thinking that goes on for more than `tokens` tokens.
    pub fn thinking_budget(&self, tokens: usize) -> ForcedEnd {
        let mut ids = self.vocabulary.encode("\n");
        ids.push(self.tags.think_end);
        ForcedEnd { after: tokens, ids }
    }
}

fn read_settings(files: &Files) -> Result<Settings, ChatError> {
    const FILE: &str = "aurore.json";
    let Some(bytes) = files.read(FILE)? else {
        return Ok(Settings::default());
    };
    serde_json::from_slice(&bytes).map_err(|error| ChatError::BadFile {
        file: FILE,
        why: error.to_string(),
    })
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
