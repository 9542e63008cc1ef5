//! What is served, and how.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aurore_chat::Chat;
use aurore_engine::{LoadedAdapter, Scheduler};
use aurore_policy::Rules;

use crate::Keys;
use crate::fetch::{Fetcher, PictureHosts};
use crate::page::Doors;
use crate::problem::{Kind, Problem};
use crate::responses::{Background, Responses, Retention};

/// How a model is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// What clients call the model.
    pub name: String,
    /// Other names that lead to it.
    pub aliases: Vec<String>,
    /// Who may ask.
    pub keys: Keys,
    /// Values of `Host` beside this machine's names for itself, without ports.
    pub hosts: Vec<String>,
    /// Values of `Origin` whose pages may ask.
    pub origins: Vec<String>,
    /// Most tokens of an answer for which a request names no limit.
    pub max_tokens: usize,
    /// Bytes of a request's body that are read.
    pub body_bytes: usize,
    /// Connections at once; more wait to be taken.
    pub connections: usize,
    /// How long a request's head, and then its body, may take to arrive.
    pub arrival: Duration,
    /// How long a client may leave waiting what it is sent; then its connection is closed and its answers end.
    pub departure: Duration,
    /// How long answers may go on after the server was told to end.
    pub patience: Duration,
    /// How often a silent stream shows that it lives.
    pub pulse: Duration,
    /// Where responses are kept; in memory if `None`.
    pub responses: Option<Responses>,
    /// Where pictures that requests name by address are fetched from; nothing is fetched if `None`.
    pub pictures: Option<PictureHosts>,
    /// Adapters over the model: each is a model of its own to clients.
    pub adapters: Vec<NamedAdapter>,
}

/// An adapter and what clients call the model with it.
#[derive(Debug, Clone)]
pub struct NamedAdapter {
    /// What clients call it.
    pub name: String,
    /// Loaded for the network that is served.
    pub adapter: Arc<LoadedAdapter>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "aurore".to_owned(),
            aliases: Vec::new(),
            keys: Keys::none(),
            hosts: Vec::new(),
            origins: Vec::new(),
            max_tokens: 8192,
            body_bytes: 64 << 20,
            connections: 1024,
            arrival: Duration::from_secs(30),
            departure: Duration::from_secs(30),
            patience: Duration::from_secs(30),
            pulse: Duration::from_secs(10),
            responses: None,
            pictures: None,
            adapters: Vec::new(),
        }
    }
}

/// A model with its conversation and its options. Cheap to clone.
#[derive(Clone)]
pub struct Served {
    pub(crate) app: App,
}

/// What every handler is given: the parts, and the adapter that a request has chosen by its name.
#[derive(Clone)]
pub(crate) struct App {
    parts: Arc<Parts>,
    chosen: Option<NamedAdapter>,
}

/// The parts of [`Served`].
pub(crate) struct Parts {
    pub(crate) chat: Arc<Chat>,
    pub(crate) scheduler: Scheduler,
    pub(crate) options: Options,
    /// Seconds since 1970.
    pub(crate) since: u64,
    pub(crate) responses: Responses,
    pub(crate) background: Background,
    pub(crate) doors: Doors,
    pub(crate) fetcher: Option<Fetcher>,
    /// What calls of the client's screen are judged by.
    pub(crate) rules: Arc<Rules>,
}

impl Served {
    /// Joins them; the scheduler's engine must have the chat's vocabulary.
    pub fn new(chat: Arc<Chat>, scheduler: Scheduler, options: Options) -> Self {
        let kept = options.responses.clone();
        let responses = kept.unwrap_or_else(|| Responses::memory(Retention::default()));
        let fetcher = options.pictures.clone().map(Fetcher::new);
        let parts = Parts {
            chat,
            scheduler,
            options,
            since: now(),
            responses,
            background: Background::default(),
            doors: Doors::default(),
            fetcher,
            rules: Arc::new(Rules::builtin()),
        };
        let app = App {
            parts: Arc::new(parts),
            chosen: None,
        };
        Self { app }
    }

    /// A path below the server's address that lets one browser see the page, once.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn link(&self) -> Result<String, getrandom::Error> {
        self.app.doors.link()
    }
}

impl Parts {
    /// All names of the model, its own first, then those of its adapters.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let aliases = self.options.aliases.iter();
        let adapters = self.options.adapters.iter().map(|adapter| &adapter.name);
        std::iter::once(&self.options.name)
            .chain(aliases)
            .chain(adapters)
            .map(String::as_str)
    }
}

impl App {
    /// The same for a request that names a model, or none.
    ///
    /// # Errors
    /// When it names one that is not served.
    pub(crate) fn of_model(&self, name: Option<&str>) -> Result<Self, Problem> {
        let Some(name) = name else { return Ok(self.clone()) };
        if !self.names().any(|known| known == name) {
            let names: Vec<&str> = self.names().collect();
            let message = format!("there is no model {name:?} here, but: {}", names.join(", "));
            let problem = Problem {
                param: Some("model".to_owned()),
                ..Problem::new(Kind::NotFound, message)
            };
            return Err(problem.coded("model_not_found"));
        }
        let mut adapters = self.options.adapters.iter();
        Ok(Self {
            parts: Arc::clone(&self.parts),
            chosen: adapters.find(|adapter| adapter.name == name).cloned(),
        })
    }

    /// What answers.
    pub(crate) fn name(&self) -> &str {
        self.chosen
            .as_ref()
            .map_or(self.options.name.as_str(), |chosen| &chosen.name)
    }

    /// What prompts are read with beside the model's weights.
    pub(crate) fn adapter(&self) -> Option<Arc<LoadedAdapter>> {
        self.chosen.as_ref().map(|chosen| Arc::clone(&chosen.adapter))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl std::fmt::Debug for Served {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Served")
            .field("options", &self.app.options)
            .finish_non_exhaustive()
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
