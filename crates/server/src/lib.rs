//! A local model behind the APIs that clients speak.
//!
//! Requests of every dialect come down to one `ask`, which `chat` turns into tokens and the engine's scheduler answers;
//! a `reading` turns the tokens back into thinking, text and calls, and an encoder of the dialect into its events. How
//! tokens are made is not known here.

#![forbid(unsafe_code)]

mod answers;
mod anthropic;
mod app;
mod ask;
mod body;
mod caller;
mod conversation;
mod dialect;
mod fetch;
mod guard;
mod ids;
mod keys;
mod later;
mod listen;
mod log;
mod metrics;
mod openai;
mod openapi;
mod page;
mod pictures;
mod problem;
mod reading;
mod responses;
mod router;
mod screen;
mod shapes;
mod stop;
mod tokens;
mod watch;
mod work;

pub use app::{NamedAdapter, Options, Served};
pub use fetch::{BadHost, PictureHosts};
pub use keys::{KeyRecord, KeyStore, KeyStoreError, Keys, NewKey, Scope, UnknownScope};
pub use listen::Server;
pub use responses::{Responses, Retention, StoreError};
pub use watch::Watch;
