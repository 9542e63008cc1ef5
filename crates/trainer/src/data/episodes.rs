//! Recorded steps: JSON Lines beside PNG files (docs/training.md).
//!
//! Files are read once for where their lines begin, and checked; lines and pictures are read again when they are drawn.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurore_chat::computer_use::{self, TOOL};
use aurore_chat::{
    Chat, ChatError, Content, DecodedImage, Memory, Message, PromptOptions, Role, ToolCall, image, step,
};
use aurore_model::ImagePatches;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::looks::{self, Cells};
use super::moved::{Move, OnGrid};
use super::readings::{self, Word};
use super::{DataError, Sample, Samples};
use crate::stream::Look;

/// The longest line that is read.
const LONGEST_LINE: usize = 1 << 20;
/// The largest picture file that is read.
const LARGEST_PICTURE: u64 = 64 << 20;

/// Steps in files.
pub struct Episodes {
    chat: Arc<Chat>,
    files: Vec<PathBuf>,
    steps: Vec<Place>,
    /// What the digits of a coordinate count, from the first to the fourth; empty: like all else.
    digits: Vec<f32>,
    /// Whether questions that stand beside a step are taught with it.
    questions: bool,
    /// Whether what pictures can be read as is told with them.
    words: bool,
}

struct Place {
    file: u32,
    /// From 1.
    line: u32,
    offset: u64,
    length: u32,
}

/// One step. What else a line holds (task, seed, target box, …) is for other readers.
#[derive(Debug, Deserialize)]
struct Step {
    goal: String,
    /// Names of the actions done before.
    #[serde(default)]
    done: Vec<String>,
    /// What was meant by them.
    #[serde(default)]
    did: Vec<String>,
    /// The picture's file, beside this one.
    frame: String,
    thinking: String,
    intent: String,
    expect: String,
    /// Arguments of `computer_use`, coordinates on the grid of 0 to 1000.
    action: Map<String, Value>,
    /// Whether text was left out of the action.
    #[serde(default)]
    masked: bool,
    /// What else is asked about the picture, in turns of their own after the step.
    #[serde(default)]
    questions: Vec<Question>,
    /// What can be read on the picture.
    #[serde(default)]
    words: Vec<Word>,
}

#[derive(Debug, Deserialize)]
struct Question {
    ask: String,
    answer: String,
    /// The file of an earlier picture that is shown with it.
    before: Option<String>,
}

impl Step {
    fn move_points(&mut self, by: OnGrid) {
        by.action(&mut self.action);
        for question in &mut self.questions {
            question.ask = by.text(&question.ask);
            question.answer = by.text(&question.answer);
        }
    }
}

impl Episodes {
    /// The steps of files and of the files `*.jsonl` in folders.
    ///
    /// # Errors
    /// When one cannot be read, or holds a line that is no step. A last line without its end is what a stopped
    /// recording leaves, and is passed over.
    pub fn open(chat: Arc<Chat>, paths: &[PathBuf], digits: &[f32]) -> Result<Self, DataError> {
        let mut episodes = Self {
            chat,
            files: Vec::new(),
            steps: Vec::new(),
            digits: digits.to_vec(),
            questions: true,
            words: true,
        };
        for path in paths {
            for file in files(path)? {
                episodes.index(&file)?;
            }
        }
        Ok(episodes)
    }

    /// The same with the steps alone: questions that stand beside them are passed over.
    #[must_use]
    pub fn without_questions(mut self) -> Self {
        self.questions = false;
        self
    }

    /// The same without what pictures can be read as, where nothing is learnt from that.
    #[must_use]
    pub fn without_words(mut self) -> Self {
        self.words = false;
        self
    }

    fn index(&mut self, path: &Path) -> Result<(), DataError> {
        let io = |source| DataError::Io {
            file: path.display().to_string(),
            source,
        };
        let number = self.files.len() as u32;
        self.files.push(path.to_owned());
        let mut reader = BufReader::new(File::open(path).map_err(io)?);
        let (mut offset, mut line) = (0u64, 0u32);
        let mut text = Vec::new();
        loop {
            text.clear();
            let mut limited = (&mut reader).take(LONGEST_LINE as u64 + 1);
            let length = limited.read_until(b'\n', &mut text).map_err(io)?;
            line += 1;
            if length == 0 {
                return Ok(());
            }
            let place = Place {
                file: number,
                line,
                offset,
                length: length as u32,
            };
            offset += length as u64;
            if length > LONGEST_LINE {
                let message = format!("more than {LONGEST_LINE} bytes");
                return Err(self.line_error(&place, message));
            }
            if text.last() != Some(&b'\n') {
                return Ok(());
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            // What was left out cannot be learnt, and what stands for it must not be.
            if !self.parse(&place, &text)?.masked {
                self.steps.push(place);
            }
        }
    }

    fn line_error(&self, place: &Place, message: String) -> DataError {
        DataError::Line {
            file: self.name(place),
            line: place.line as usize,
            message,
        }
    }

    fn name(&self, place: &Place) -> String {
        self.files[place.file as usize].display().to_string()
    }

    fn parse(&self, place: &Place, text: &[u8]) -> Result<Step, DataError> {
        let mut step: Step =
            serde_json::from_slice(text).map_err(|error| self.line_error(place, error.to_string()))?;
        if !self.questions {
            step.questions.clear();
        }
        if !self.words {
            step.words.clear();
        }
        Ok(step)
    }

    fn line(&self, place: &Place) -> Result<Step, DataError> {
        let io = |source| DataError::Io {
            file: self.name(place),
            source,
        };
        let mut file = File::open(&self.files[place.file as usize]).map_err(io)?;
        file.seek(SeekFrom::Start(place.offset)).map_err(io)?;
        let mut text = vec![0; place.length as usize];
        file.read_exact(&mut text).map_err(io)?;
        self.parse(place, &text)
    }

    fn picture(&self, place: &Place, name: &str) -> Result<DecodedImage, DataError> {
        let error = |message: String| DataError::Picture {
            file: self.name(place),
            line: place.line as usize,
            picture: name.to_owned(),
            message,
        };
        let relative = Path::new(name);
        let inside = relative
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside {
            return Err(error(
                "it must stand beside its file, or in a folder there".to_owned(),
            ));
        }
        let folder = self.files[place.file as usize].parent().unwrap_or(Path::new("."));
        let file = File::open(folder.join(relative)).map_err(|source| error(source.to_string()))?;
        let mut bytes = Vec::new();
        file.take(LARGEST_PICTURE)
            .read_to_end(&mut bytes)
            .map_err(|source| error(source.to_string()))?;
        image::decode(&bytes, &image::Limits::default()).map_err(|source| error(source.to_string()))
    }

    /// The step as one turn of each side, and a turn of each for every question.
    fn messages(
        &self,
        place: &Place,
        step: Step,
        frame: DecodedImage,
        by: Move,
    ) -> Result<Vec<Message>, DataError> {
        fn borrowed(texts: &[String]) -> Vec<&str> {
            texts.iter().map(String::as_str).collect()
        }
        let text = match self.chat.settings().agent.memory {
            Memory::Intents => step::intents_text(&step.goal, &borrowed(&step.did)),
            Memory::Frame | Memory::Conversation => step::frame_text(&step.goal, &borrowed(&step.done)),
        };
        let call = ToolCall {
            name: TOOL.to_owned(),
            arguments: step.action,
        };
        let mut messages = vec![
            Message {
                content: vec![Content::Image(by.picture(frame)), Content::Text(text)],
                ..Message::text(Role::User, "")
            },
            Message::assistant(
                Some(step.thinking),
                step::answer(None, &[], &step.intent, &step.expect),
                vec![call],
            ),
        ];
        for question in step.questions {
            let mut content = vec![Content::Text(question.ask)];
            if let Some(before) = question.before {
                content.insert(0, Content::Image(by.picture(self.picture(place, &before)?)));
            }
            messages.push(Message {
                content,
                ..Message::text(Role::User, "")
            });
            messages.push(Message::assistant(None, question.answer, Vec::new()));
        }
        Ok(messages)
    }

    /// Where the answers stand, their ends included.
    fn answers(&self, ids: &[u32]) -> Result<Vec<Range<usize>>, String> {
        let control = |name: &str| self.chat.tokenizer().control(name);
        let (turn, end) = (control("<|im_start|>"), control("<|im_end|>"));
        let think = self.chat.tags().think;
        let mut answers = Vec::new();
        // Where the turn began, and where its answer does.
        let (mut begun, mut start) = (None, None);
        for (place, id) in ids.iter().enumerate() {
            if Some(*id) == turn {
                (begun, start) = (Some(place), None);
            } else if *id == think && begun.is_some() && start.is_none() {
                // The opening tag and the end of its line are in the prompt already.
                start = Some(place + 2);
            } else if Some(*id) == end
                && let Some(start) = start.take()
            {
                if start >= place {
                    return Err("the template opens no thinking in the assistant's turn".to_owned());
                }
                answers.push(start..place + 1);
                begun = None;
            }
        }
        if answers.is_empty() {
            return Err("the template makes no turn that thinks and ends".to_owned());
        }
        Ok(answers)
    }

    /// How much each token counts, up to the end of the last answer.
    fn weights(&self, ids: &[u32], answers: &[Range<usize>]) -> Vec<f32> {
        let mut weights = Vec::new();
        for answer in answers {
            weights.resize(answer.start, 0.0);
            self.weigh(&ids[answer.clone()], &mut weights);
        }
        weights
    }

    /// The first picture's tokens.
    fn cells(&self, ids: &[u32], images: &[ImagePatches]) -> Option<Cells> {
        let image_token = self.chat.tokenizer().control("<|image_pad|>")?;
        let [_, rows, columns] = images.first()?.grid;
        Cells::find(ids, image_token, [rows, columns])
    }

    /// Where the answers' rows are taught to look: the first is the step, the others answer `asked`.
    fn looks(&self, ids: &[u32], cells: &Cells, answers: &[Range<usize>], asked: &[String]) -> Vec<Look> {
        let questions = std::iter::once(None).chain(asked.iter().map(|ask| Some(ask.as_str())));
        let mut looks = Vec::new();
        for (answer, asked) in answers.iter().zip(questions) {
            let tokens: Vec<&[u8]> = ids[answer.clone()].iter().map(|id| self.bytes(*id)).collect();
            looks.extend(looks::of_answer(&tokens, answer, asked, cells));
        }
        looks
    }

    fn bytes(&self, id: u32) -> &[u8] {
        let tokens = self.chat.tokenizer().tokens();
        tokens
            .get(id as usize)
            .map_or(&[][..], |token| token.bytes.as_slice())
    }

    /// Weights of the answer's tokens: 1, and what the digits of its coordinate count.
    fn weigh(&self, answer: &[u32], weights: &mut Vec<f32>) {
        let mut digit = None;
        for id in answer {
            let bytes = self.bytes(*id);
            let mut weight = 1.0;
            if bytes.ends_with(b"[") {
                digit = Some(0);
            } else if bytes.starts_with(b"]") {
                digit = None;
            } else if let Some(place) = &mut digit {
                if !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
                    weight = self.digits.get(*place).copied().unwrap_or(1.0);
                    *place += 1;
                } else {
                    *place = 0;
                }
            }
            weights.push(weight);
        }
    }
}

impl Samples for Episodes {
    fn count(&self) -> usize {
        self.steps.len()
    }

    fn read(&self, index: usize, by: Move) -> Result<Sample, DataError> {
        let place = &self.steps[index];
        let mut step = self.line(place)?;
        let frame = self.picture(place, &step.frame)?;
        if by != Move::default() {
            step.move_points(by.on_grid(&frame));
        }
        let error = |message: String| DataError::Text {
            file: self.name(place),
            line: place.line as usize,
            message,
        };
        let options = PromptOptions {
            open_answer: false,
            ..PromptOptions::thinking(true)
        };
        let tools = [computer_use::schema(false)];
        let asked: Vec<String> = step
            .questions
            .iter()
            .map(|question| question.ask.clone())
            .collect();
        let size = [frame.width, frame.height];
        let words = std::mem::take(&mut step.words);
        let prompt = self
            .chat
            .prompt(&self.messages(place, step, frame, by)?, &tools, &options)
            .map_err(|source| error(source.to_string()))?;
        let answers = self.answers(&prompt.ids).map_err(error)?;
        let weights = self.weights(&prompt.ids, &answers);
        let cells = self.cells(&prompt.ids, &prompt.images);
        let mut looks = Vec::new();
        let mut readings = Vec::new();
        if let Some(cells) = &cells {
            looks = self.looks(&prompt.ids, cells, &answers, &asked);
            let encode = |text: &str| {
                let ids = self.chat.tokenizer().encode(text)?;
                Ok(ids.into_iter().map(|id| (id, self.bytes(id).len())).collect())
            };
            readings = readings::of_words(&words, by, size, cells, encode)
                .map_err(|source: ChatError| error(source.to_string()))?;
        }
        let ids = prompt.ids[..weights.len()].to_vec();
        Ok(Sample {
            name: format!("{}, line {}", self.name(place), place.line),
            ids,
            images: prompt.images,
            weights,
            looks,
            readings,
        })
    }
}

/// A file, or the files of steps in a folder, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io {
        file: path.display().to_string(),
        source,
    };
    if !std::fs::metadata(path).map_err(io)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(DataError::None {
            folder: path.display().to_string(),
        });
    }
    Ok(found)
}
