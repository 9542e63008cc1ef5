//! Asking, and asking again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use ureq::tls::{RootCerts, TlsConfig};

use crate::{
    Address, Answer, Patience, Piece, RemoteError, Request, Served,
    answer::{Chunk, Coming},
    exchange::{Came, Post, run},
    models::List,
};

/// How often it is looked whether the caller still wants an answer.
const GLANCE: Duration = Duration::from_millis(50);

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A connection.
    pub connect: Duration,
    /// The first word: a long prompt takes its time.
    pub first: Duration,
    /// The next word after one.
    pub next: Duration,
    /// A whole answer.
    pub whole: Duration,
}

impl Default for Limits {
    /// 10 s, 10 min, 2 min and 30 min.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first: Duration::from_mins(10),
            next: Duration::from_mins(2),
            whole: Duration::from_mins(30),
        }
    }
}

/// A failed attempt, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What went wrong.
    pub what: String,
    /// How many attempts have failed.
    pub failed: u32,
    /// The pause before the next one.
    pub pause: Duration,
}

/// A server and how it is asked.
pub struct Server {
    address: Address,
    key: Option<String>,
    limits: Limits,
    patience: Patience,
    stop: Arc<AtomicBool>,
    agent: ureq::Agent,
    on_trouble: Box<dyn FnMut(&Trouble) + Send>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the key.
        formatter
            .debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// How an attempt failed.
enum Failed {
    /// For good.
    Final(RemoteError),
    /// Another one may do better, after what the server wishes.
    Passing(String, Option<Duration>),
}

impl Server {
    /// A server that is asked with this key, if it wants one, until `stop` is set.
    pub fn new(
        address: Address,
        key: Option<String>,
        limits: Limits,
        patience: Patience,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls)
            .user_agent(concat!("aurore/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(limits.connect))
            .timeout_recv_response(Some(limits.first))
            .timeout_global(Some(limits.whole))
            .build()
            .into();
        Self {
            address,
            key,
            limits,
            patience,
            stop,
            agent,
            on_trouble: Box::new(|trouble| {
                tracing::warn!(
                    what = trouble.what,
                    failed = trouble.failed,
                    "the model server is asked again"
                );
            }),
        }
    }

    /// Who is told when an attempt fails and another one follows.
    pub fn on_trouble(&mut self, listener: impl FnMut(&Trouble) + Send + 'static) {
        self.on_trouble = Box::new(listener);
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What it serves.
    pub fn models(&mut self) -> Result<Vec<Served>, RemoteError> {
        self.persist(|server| {
            let mut text = String::new();
            server.exchange("models", None, &mut |data| {
                text = data;
                Ok(false)
            })?;
            let list: List = serde_json::from_str(&text).map_err(|error| {
                Failed::Final(server.not_the_protocol(format!("its list of models: {error}")))
            })?;
            Ok(list.data)
        })
    }

    /// The model of this name, or the only one if none is named.
    pub fn find(&mut self, name: Option<&str>) -> Result<Served, RemoteError> {
        let mut served = self.models()?;
        let place = match name {
            Some(name) => served.iter().position(|model| model.id == name),
            None => (served.len() == 1).then_some(0),
        };
        match (place, name) {
            (Some(place), _) => Ok(served.swap_remove(place)),
            // Some servers answer to more names than they list.
            (None, Some(name)) => Ok(Served {
                id: name.to_owned(),
                max_model_len: None,
            }),
            (None, None) => Err(RemoteError::WhichModel {
                address: self.address.to_string(),
                served: served.into_iter().map(|model| model.id).collect(),
            }),
        }
    }

    /// One whole answer of a model. `watch` sees it come.
    pub fn ask(
        &mut self,
        model: &str,
        request: &Request,
        watch: &mut dyn FnMut(&Piece),
    ) -> Result<Answer, RemoteError> {
        let body = serde_json::to_vec(&request.body(model)).unwrap_or_default();
        let mut began = false;
        self.persist(|server| {
            if std::mem::replace(&mut began, true) {
                watch(&Piece::Again);
            }
            server.attempt(&body, request, watch)
        })
    }

    fn attempt(
        &self,
        body: &[u8],
        request: &Request,
        watch: &mut dyn FnMut(&Piece),
    ) -> Result<Answer, Failed> {
        let mut coming = Coming::default();
        let ended = self.exchange("chat/completions", Some(body.to_vec()), &mut |data| {
            if data == "[DONE]" {
                return Ok(false);
            }
            let chunk: Chunk = serde_json::from_str(&data)
                .map_err(|error| Failed::Final(self.not_the_protocol(error.to_string())))?;
            match chunk.trouble() {
                // The head of the answer said 200 before the request was understood.
                Some((Some(status @ 400..500), words)) => {
                    return Err(self.refused(status as u16, words, None));
                }
                Some((_, words)) => {
                    return Err(Failed::Passing(
                        format!("the server failed while it answered: {words}"),
                        None,
                    ));
                }
                None => {}
            }
            let pieces = coming
                .push(chunk)
                .map_err(|why| Failed::Final(self.not_the_protocol(why)))?;
            pieces.iter().for_each(&mut *watch);
            Ok(true)
        });
        match ended {
            // What breaks after the end breaks nothing.
            Err(Failed::Passing(..)) if coming.is_finished() => {}
            Err(failed) => return Err(failed),
            Ok(()) if !coming.is_finished() => {
                return Err(Failed::Passing(
                    "the answer ended before its end".to_owned(),
                    None,
                ));
            }
            Ok(()) => {}
        }
        if let Some(reason) = coming.broken_off() {
            return Err(Failed::Passing(
                format!("the server broke the answer off: {reason:?}"),
                None,
            ));
        }
        Ok(coming.finish(&request.tools))
    }

    /// One request. `take` gets each piece of the body, and says whether more is wanted.
    fn exchange(
        &self,
        route: &str,
        body: Option<Vec<u8>>,
        take: &mut dyn FnMut(String) -> Result<bool, Failed>,
    ) -> Result<(), Failed> {
        let post = Post {
            agent: self.agent.clone(),
            url: self.address.route(route),
            key: self.key.clone(),
            body,
        };
        // Small: a server that floods waits for us.
        let (to, from) = mpsc::sync_channel(16);
        std::thread::spawn(move || run(post, &to));
        let began = Instant::now();
        let mut heard = began;
        let mut limit = self.limits.connect + self.limits.first;
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return Err(Failed::Final(RemoteError::Stopped));
            }
            match from.recv_timeout(GLANCE) {
                Ok(Came::Begun) => heard = Instant::now(),
                Ok(Came::Data(data)) => {
                    (heard, limit) = (Instant::now(), self.limits.next);
                    if !take(data)? {
                        return Ok(());
                    }
                }
                Ok(Came::End) => return Ok(()),
                Ok(Came::Status(status, message, wait)) => return Err(self.refused(status, message, wait)),
                Ok(Came::Broken(why, true)) => return Err(Failed::Passing(why, None)),
                Ok(Came::Broken(why, false)) => return Err(Failed::Final(self.not_the_protocol(why))),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failed::Passing("the connection was lost".to_owned(), None));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let (silent, lasted) = (heard.elapsed(), began.elapsed());
            if silent >= limit || lasted >= self.limits.whole {
                return Err(Failed::Passing(
                    format!(
                        "it was silent for {:.1} s (of {:.1} s altogether)",
                        silent.as_secs_f32(),
                        lasted.as_secs_f32()
                    ),
                    None,
                ));
            }
        }
    }

    fn refused(&self, status: u16, message: String, wait: Option<Duration>) -> Failed {
        let address = self.address.to_string();
        let hint = match status {
            408 | 409 | 425 | 429 | 500..=599 => {
                return Failed::Passing(format!("the server answers {status}: {message}"), wait);
            }
            400 | 413 | 422 if is_about_length(&message) && !takes_no_pictures(&message) => {
                return Failed::Final(RemoteError::TooLong { address, message });
            }
            400 | 422 if message.contains("tool-call-parser") => {
                "Start that server so that it reads calls itself: vllm serve … --enable-auto-tool-choice --tool-call-parser qwen3_coder --reasoning-parser qwen3"
            }
            400 | 413 | 422 if takes_no_pictures(&message) => {
                "Its model reads no pictures, and the agent works by screenshots: serve one that does, with pictures allowed (vLLM: --limit-mm-per-prompt)"
            }
            401 | 403 => "It wants a key: name the environment variable that holds it, --model-key-env VAR",
            404 => "Check the model's name (--model-name) and the address, which usually ends in /v1",
            300..=399 => {
                "It points elsewhere, and prompts go to no other address than the one named: name that one"
            }
            400 | 413 | 422 => {
                "It does not take this request: does its model read pictures, and does the server know tools?"
            }
            _ => "See the server's log",
        };
        Failed::Final(RemoteError::Refused {
            address,
            status,
            message,
            hint,
        })
    }

    fn not_the_protocol(&self, reason: String) -> RemoteError {
        RemoteError::NotTheProtocol {
            address: self.address.to_string(),
            reason,
        }
    }

    /// Attempts until one succeeds, fails for good, or patience is at its end.
    fn persist<T>(&mut self, mut attempt: impl FnMut(&Self) -> Result<T, Failed>) -> Result<T, RemoteError> {
        let mut failed = 0;
        loop {
            match attempt(self) {
                Ok(done) => return Ok(done),
                Err(Failed::Final(error)) => return Err(error),
                Err(Failed::Passing(what, wished)) => {
                    failed += 1;
                    let Some(pause) = self.patience.pause(failed, wished) else {
                        return Err(RemoteError::Unreachable {
                            address: self.address.to_string(),
                            attempts: failed,
                            last: what,
                        });
                    };
                    (self.on_trouble)(&Trouble { what, failed, pause });
                    self.rest(pause)?;
                }
            }
        }
    }

    fn rest(&self, pause: Duration) -> Result<(), RemoteError> {
        let end = Instant::now() + pause;
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return Err(RemoteError::Stopped);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(GLANCE));
        }
    }
}

/// Whether a refusal says that no picture at all is taken.
fn takes_no_pictures(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("at most 0 image") || message.contains("not a multimodal model")
}

/// Whether a refusal speaks of the context's length, or of more pictures than may be in it, in the words of the servers
/// that are known: with older steps folded there is less of both.
fn is_about_length(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "context length",
        "context size",
        "too long",
        "maximum context",
        "max_model_len",
        "context window",
        "context ends",
        "image(s) may be provided",
    ]
    .iter()
    .any(|words| message.contains(words))
}
