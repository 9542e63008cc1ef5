//! One or several answers to a request: collected, or streamed while they come.

use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::body::event_stream;
use crate::problem::Problem;
use crate::reading::{Piece, Reading};

/// Parts of several answers as they come, each with its answer's number. Dropping it cancels all of them.
pub(crate) struct Answers(Source);

enum Source {
    /// Read here: a token then wakes one task less.
    One(Box<Reading>),
    /// Each read by a task of its own.
    Several(mpsc::Receiver<(usize, Piece)>),
}

impl Answers {
    pub(crate) fn new(mut readings: Vec<Reading>) -> Self {
        if readings.len() == 1
            && let Some(reading) = readings.pop()
        {
            return Self(Source::One(Box::new(reading)));
        }
        let (sender, pieces) = mpsc::channel(16);
        for (number, mut reading) in readings.into_iter().enumerate() {
            let sender = sender.clone();
            tokio::spawn(async move {
                loop {
                    let piece = tokio::select! {
                        piece = reading.next() => piece,
                        () = sender.closed() => return,
                    };
                    let Some(piece) = piece else { return };
                    if sender.send((number, piece)).await.is_err() {
                        return;
                    }
                }
            });
        }
        Self(Source::Several(pieces))
    }

    /// Waits for the next part of any answer; nothing after the ends of all.
    pub(crate) async fn next(&mut self) -> Option<(usize, Piece)> {
        match &mut self.0 {
            Source::One(reading) => Some((0, reading.next().await?)),
            Source::Several(pieces) => pieces.recv().await,
        }
    }
}

/// A line that clients of every dialect pass over.
pub(crate) const PULSE: &str = ": working\n\n";

/// Writes a dialect's events.
pub(crate) trait Encoder: Send + 'static {
    /// What comes before any part.
    fn open(&mut self, out: &mut String);

    /// A part of an answer; failures go to [`Encoder::fail`].
    fn piece(&mut self, number: usize, piece: Piece, out: &mut String);

    /// What comes after the ends of all.
    fn close(&mut self, out: &mut String);

    /// An end that is none. Nothing follows it.
    fn fail(&mut self, problem: &Problem, out: &mut String);

    /// What shows that a silent stream lives.
    fn pulse(&mut self, out: &mut String) {
        out.push_str(PULSE);
    }
}

/// Streams answers as a dialect's events.
pub(crate) fn stream(mut answers: Answers, mut encoder: impl Encoder, pulse: Duration) -> Response {
    let (sender, response) = event_stream();
    tokio::spawn(async move {
        let mut out = String::new();
        encoder.open(&mut out);
        loop {
            if !out.is_empty() {
                let bytes = Bytes::from(std::mem::take(&mut out));
                // The client went away: dropping the answers cancels them.
                if sender.send(bytes).await.is_err() {
                    return;
                }
            }
            let next = tokio::select! {
                next = timeout(pulse, answers.next()) => next,
                () = sender.closed() => return,
            };
            match next {
                Err(_) => encoder.pulse(&mut out),
                Ok(Some((_, Piece::Failed(problem)))) => {
                    encoder.fail(&problem, &mut out);
                    break;
                }
                Ok(Some((number, piece))) => encoder.piece(number, piece, &mut out),
                Ok(None) => {
                    encoder.close(&mut out);
                    break;
                }
            }
        }
        let _ = sender.send(Bytes::from(out)).await;
    });
    response
}
