//! A response as an object that grows, is kept, and is told of in events.

use serde_json::{Value, json};

use super::output::Output;
use super::store::Record;
use super::telling::Telling;
use crate::answers::Encoder;
use crate::app::App;
use crate::dialect::Dialect;
use crate::problem::Problem;
use crate::reading::{End, Piece, Usage};

/// A response under way.
pub(super) struct Growing {
    app: App,
    /// The object, its output and status as they were when it began or when it ended.
    pub(super) object: Value,
    /// What to keep it with; absent if it is not to be kept.
    keep: Option<Keep>,
    pub(super) output: Output,
    /// Where its events are told to those who come later.
    pub(super) telling: Option<Telling>,
    /// Why it could not be kept.
    pub(super) refused: Option<Problem>,
}

/// How a response is kept.
pub(super) struct Keep {
    /// The items of its request.
    pub(super) input: Vec<Value>,
    /// Whose it is.
    pub(super) owner: String,
    /// Also when it fails: nobody hears of that otherwise.
    pub(super) always: bool,
}

impl Growing {
    pub(super) fn new(app: &App, object: Value, keep: Option<Keep>) -> Self {
        Self {
            app: app.clone(),
            object,
            keep,
            output: Output::default(),
            telling: None,
            refused: None,
        }
    }

    fn whole(&mut self, kind: &str, out: &mut String) {
        let fields = json!({"response": self.object});
        self.output.event(&format!("response.{kind}"), &fields, out);
    }

    fn end(&mut self, end: &End, usage: &Usage, out: &mut String) {
        let status = if *end == End::Length {
            "incomplete"
        } else {
            "completed"
        };
        self.object["usage"] = json!({
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.answer,
            "output_tokens_details": {"reasoning_tokens": usage.thinking},
            "total_tokens": usage.prompt + usage.answer,
        });
        if *end == End::Length {
            self.object["incomplete_details"] = json!({"reason": "max_output_tokens"});
        }
        self.close(status, status, out);
        let (said, events) = (out.len(), self.output.events);
        self.whole(status, out);
        // Before anybody hears of it.
        if let Err(problem) = self.store(out) {
            out.truncate(said);
            self.output.events = events;
            self.refused = Some(problem.clone());
            self.failed(&problem, out);
        }
    }

    /// Ends its items and says how it ended.
    fn close(&mut self, status: &str, item: &str, out: &mut String) {
        self.output.close(item, out);
        self.object["output"] = self.output.take();
        self.object["status"] = status.into();
    }

    /// Keeps it as it is now, if it is to be kept, with events that were not told yet.
    pub(super) fn store(&self, more: &str) -> Result<(), Problem> {
        let Some(keep) = &self.keep else { return Ok(()) };
        let record = Record {
            previous: self.object["previous_response_id"].as_str().map(str::to_owned),
            input: keep.input.clone(),
            owner: keep.owner.clone(),
            object: self.object.clone(),
            events: self.telling.as_ref().map(|telling| telling.text() + more),
        };
        tokio::task::block_in_place(|| self.app.responses.keep(&record))
    }

    /// Ends it because nobody wants it any more.
    pub(super) fn cancel(&mut self, out: &mut String) {
        self.close("cancelled", "incomplete", out);
        // The dialect has no event for this end; this one says that there is less than there might be.
        self.whole("incomplete", out);
        self.store_whatever_comes(out);
    }

    fn store_whatever_comes(&mut self, out: &str) {
        if let Err(problem) = self.store(out) {
            tracing::warn!(%problem, "the end of a response in the background could not be kept");
            self.refused = Some(problem);
        }
    }

    fn failed(&mut self, problem: &Problem, out: &mut String) {
        self.object["status"] = "failed".into();
        let error = &Dialect::OpenAi.error(problem)["error"];
        self.object["error"] =
            json!({"code": problem.code.unwrap_or("server_error"), "message": error["message"]});
        self.whole("failed", out);
    }

    /// The object as far as it is known now.
    pub(super) fn so_far(&self) -> Value {
        let mut object = self.object.clone();
        if object["status"] == "in_progress" {
            object["output"] = self.output.so_far();
        }
        object
    }
}

impl Encoder for Growing {
    fn open(&mut self, out: &mut String) {
        self.whole("created", out);
        self.whole("in_progress", out);
    }

    fn piece(&mut self, _number: usize, piece: Piece, out: &mut String) {
        match piece {
            Piece::Thinking(text) => self.output.text(true, &text, out),
            Piece::Answer(text, _) => self.output.text(false, &text, out),
            Piece::Call(call) => self.output.call(&call, out),
            Piece::End(end, usage) => self.end(&end, &usage, out),
            Piece::Failed(problem) => self.fail(&problem, out),
        }
    }

    fn close(&mut self, _out: &mut String) {}

    fn fail(&mut self, problem: &Problem, out: &mut String) {
        self.close("failed", "incomplete", out);
        self.failed(problem, out);
        if self.keep.as_ref().is_some_and(|keep| keep.always) {
            self.store_whatever_comes(out);
        }
    }
}
