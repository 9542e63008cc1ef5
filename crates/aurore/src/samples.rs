//! Samples that a network runs on for calibration and for judging its quality: text, pictures, and turns.

use std::path::{Path, PathBuf};

use anyhow::Context;
use aurore_chat::{Chat, Message, PromptOptions};
use aurore_engine::Prompt;
use aurore_model::Input;
use serde::Deserialize;

use crate::failure::{WithHint, hinted};
use crate::talk::read_image;

/// Tokens of a piece of plain text: few enough that logits of all positions fit into memory.
const PIECE: usize = 256;
/// What is said of a picture that comes alone.
const LOOK: &str = "Describe what is shown.";
/// What sample files may be.
pub const KINDS: &str = "samples are .txt and .md files (text), .png, .jpg, .webp and .gif files (pictures), and \
    .jsonl files (a turn a line: {\"prompt\": \"…\", \"image\": \"file beside it\", \"answer\": \"…\"})";

/// One sample.
pub struct Sample {
    prompt: Prompt,
    /// The first position whose next token is part of the sample, not of the question.
    pub from: usize,
}

impl Sample {
    /// What a network is given.
    pub fn input(&self) -> Input<'_> {
        Input {
            ids: &self.prompt.ids,
            positions: &self.prompt.positions,
            images: &self.prompt.images,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    #[serde(default)]
    prompt: String,
    image: Option<PathBuf>,
    #[serde(default)]
    answer: String,
}

/// Reads samples from files.
///
/// # Errors
/// When a file cannot be read, is of no known kind, or there is nothing in any.
pub fn read(paths: &[PathBuf], chat: &Chat) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for path in paths {
        let extension = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        match extension.as_str() {
            "txt" | "md" => text(path, chat, &mut samples)?,
            "jsonl" => turns(path, chat, &mut samples)?,
            "png" | "jpg" | "jpeg" | "webp" | "gif" => {
                let turn = Turn {
                    prompt: LOOK.to_owned(),
                    image: path.file_name().map(PathBuf::from),
                    answer: String::new(),
                };
                samples.push(self::turn(path, &turn, chat)?);
            }
            _ => {
                return Err(hinted(format!("{} is no sample file", path.display()), KINDS));
            }
        }
    }
    samples.retain(|sample| !sample.prompt.ids.is_empty());
    if samples.is_empty() {
        return Err(hinted("the sample files hold nothing", KINDS));
    }
    Ok(samples)
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_hint(&format!("cannot read {}", path.display()), KINDS)
}

fn text(path: &Path, chat: &Chat, samples: &mut Vec<Sample>) -> anyhow::Result<()> {
    let prompt = chat.plain_prompt(&read_text(path)?)?;
    for ids in prompt.ids.chunks(PIECE) {
        samples.push(Sample {
            prompt: Prompt::text(ids.to_vec()),
            from: 0,
        });
    }
    Ok(())
}

fn turns(path: &Path, chat: &Chat, samples: &mut Vec<Sample>) -> anyhow::Result<()> {
    for (index, line) in read_text(path)?.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("{}, line {}", path.display(), index + 1);
        let parsed: Turn = serde_json::from_str(line).with_hint(&place(), KINDS)?;
        samples.push(turn(path, &parsed, chat).with_context(place)?);
    }
    Ok(())
}

fn turn(path: &Path, turn: &Turn, chat: &Chat) -> anyhow::Result<Sample> {
    let message = match &turn.image {
        Some(name) => Message::user_with_image(read_image(&path.with_file_name(name))?, turn.prompt.as_str()),
        None => Message::user(turn.prompt.as_str()),
    };
    // Answers that begin in thinking end it themselves.
    let options = PromptOptions::thinking(turn.answer.contains("</think>"));
    let mut prompt = chat.prompt(&[message], &[], &options)?;
    let from = if turn.answer.is_empty() {
        0
    } else {
        prompt.ids.len().saturating_sub(1)
    };
    let next = prompt.positions.iter().flatten().max().map_or(0, |last| last + 1);
    let answer = tokens(&turn.answer, chat)?;
    prompt
        .positions
        .extend((0..answer.len() as u32).map(|index| [next + index; 3]));
    prompt.ids.extend(answer);
    Ok(Sample { prompt, from })
}

/// An answer's tokens, in which control tokens are spelled out.
fn tokens(answer: &str, chat: &Chat) -> anyhow::Result<Vec<u32>> {
    let tokenizer = chat.tokenizer();
    let (mut ids, mut rest) = (Vec::new(), answer);
    while !rest.is_empty() {
        let found = tokenizer
            .controls()
            .iter()
            .filter_map(|(spelling, id)| Some((rest.find(spelling.as_str())?, spelling.len(), *id)))
            .min_by_key(|(place, length, _)| (*place, std::cmp::Reverse(*length)));
        let Some((place, length, id)) = found else { break };
        ids.extend(tokenizer.encode(&rest[..place])?);
        ids.push(id);
        rest = &rest[place + length..];
    }
    ids.extend(tokenizer.encode(rest)?);
    Ok(ids)
}
