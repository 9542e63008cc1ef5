//! Texts in OpenAI's older words: whole, and as chunks of a stream.

use serde_json::{Map, Value, json};

use crate::answers::Encoder;
use crate::openai::encode::{DONE, Head, usage_object, write_data, write_failure};
use crate::problem::Problem;
use crate::reading::{End, Piece, TokenFacts, Usage};

/// One answer, collected.
#[derive(Debug, Default)]
pub(super) struct Collected {
    text: String,
    logprobs: Option<Logprobs>,
    end: Option<End>,
    usage: Usage,
}

impl Collected {
    pub(super) fn new(has_logprobs: bool) -> Self {
        Self {
            logprobs: has_logprobs.then(Logprobs::default),
            ..Self::default()
        }
    }

    /// # Errors
    /// The problem that ended the answer.
    pub(super) fn take(&mut self, piece: Piece) -> Result<(), Problem> {
        match piece {
            Piece::Answer(text, facts) => {
                self.text += &text;
                if let Some(logprobs) = &mut self.logprobs {
                    logprobs.add(&facts);
                }
            }
            Piece::End(end, usage) => (self.end, self.usage) = (Some(end), usage),
            Piece::Failed(problem) => return Err(problem),
            // Text without turns has neither.
            Piece::Thinking(_) | Piece::Call(_) => {}
        }
        Ok(())
    }
}

/// The whole response; `each` answers belong to one prompt.
pub(super) fn completion(head: &Head, answers: &[Collected], each: usize) -> Value {
    let choices = answers.iter().enumerate().map(|(index, answer)| {
        choice(
            index,
            &answer.text,
            answer.logprobs.as_ref().map(Logprobs::object).as_ref(),
            answer.end.as_ref(),
        )
    });
    let choices: Vec<Value> = choices.collect();
    let usages: Vec<Usage> = answers.iter().map(|answer| answer.usage).collect();
    let mut object = object(head, &Value::from(choices));
    object["usage"] = usage_object(&total(&usages, each));
    object
}

fn object(head: &Head, choices: &Value) -> Value {
    json!({
        "id": head.id,
        "object": "text_completion",
        "created": head.created,
        "model": head.model,
        "choices": choices,
    })
}

fn choice(index: usize, text: &str, logprobs: Option<&Value>, end: Option<&End>) -> Value {
    let reason = end.map(|end| match end {
        End::Length => "length",
        End::Done | End::Calls | End::Stop(_) => "stop",
    });
    json!({"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason})
}

/// Prompts count once for all their answers.
fn total(usages: &[Usage], each: usize) -> Usage {
    let prompts = usages.chunks(each.max(1));
    let prompts = prompts.map(|answers| {
        answers.iter().fold(Usage::default(), |sum, usage| Usage {
            prompt: sum.prompt.max(usage.prompt),
            cached: sum.cached.max(usage.cached),
            answer: sum.answer + usage.answer,
            ..Usage::default()
        })
    });
    prompts.fold(Usage::default(), |sum, usage| Usage {
        prompt: sum.prompt + usage.prompt,
        cached: sum.cached + usage.cached,
        answer: sum.answer + usage.answer,
        ..Usage::default()
    })
}

/// What is known of tokens, as this dialect lists it.
#[derive(Debug, Default)]
struct Logprobs {
    tokens: Vec<String>,
    values: Vec<f32>,
    top: Vec<Value>,
    offsets: Vec<usize>,
    /// Letters so far.
    letters: usize,
}

impl Logprobs {
    fn add(&mut self, facts: &[TokenFacts]) {
        for fact in facts {
            self.tokens.push(spell(&fact.bytes));
            self.values.push(fact.logprob);
            let top = fact
                .top
                .iter()
                .map(|(bytes, logprob)| (spell(bytes), Value::from(*logprob)));
            self.top.push(Value::Object(top.collect::<Map<_, _>>()));
            self.offsets.push(self.letters);
            // Bytes that begin a letter: one letter may be of several tokens.
            let begins = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
            self.letters += fact.bytes.iter().filter(begins).count();
        }
    }

    fn object(&self) -> Value {
        json!({
            "tokens": self.tokens,
            "token_logprobs": self.values,
            "top_logprobs": self.top,
            "text_offset": self.offsets,
        })
    }

    /// What was added since the last time.
    fn take(&mut self) -> Value {
        let object = self.object();
        let letters = self.letters;
        *self = Self {
            letters,
            ..Self::default()
        };
        object
    }
}

fn spell(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Chunks of a stream.
pub(super) struct Chunks {
    head: Head,
    /// Answers to one prompt.
    each: usize,
    include_usage: bool,
    /// Per answer, where asked for.
    logprobs: Option<Vec<Logprobs>>,
    usages: Vec<Usage>,
}

impl Chunks {
    pub(super) fn new(
        head: Head,
        answers: usize,
        each: usize,
        include_usage: bool,
        has_logprobs: bool,
    ) -> Self {
        Self {
            head,
            each,
            include_usage,
            logprobs: has_logprobs.then(|| (0..answers).map(|_| Logprobs::default()).collect()),
            usages: vec![Usage::default(); answers],
        }
    }

    fn chunk(&self, choice: Value, out: &mut String) {
        let mut chunk = object(&self.head, &Value::from(vec![choice]));
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        write_data(&chunk, out);
    }
}

impl Encoder for Chunks {
    fn open(&mut self, _out: &mut String) {}

    fn piece(&mut self, number: usize, piece: Piece, out: &mut String) {
        match piece {
            Piece::Answer(text, facts) => {
                let logprobs = self.logprobs.as_mut().map(|all| {
                    all[number].add(&facts);
                    all[number].take()
                });
                self.chunk(choice(number, &text, logprobs.as_ref(), None), out);
            }
            Piece::End(end, usage) => {
                self.usages[number] = usage;
                self.chunk(choice(number, "", None, Some(&end)), out);
            }
            Piece::Failed(problem) => self.fail(&problem, out),
            Piece::Thinking(_) | Piece::Call(_) => {}
        }
    }

    fn close(&mut self, out: &mut String) {
        if self.include_usage {
            let mut chunk = object(&self.head, &json!([]));
            chunk["usage"] = usage_object(&total(&self.usages, self.each));
            write_data(&chunk, out);
        }
        out.push_str(DONE);
    }

    fn fail(&mut self, problem: &Problem, out: &mut String) {
        write_failure(problem, out);
    }
}
