//! The server over loopback, with the small model of the repository.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails makes its test fail"
)]
#![expect(
    clippy::needless_pass_by_value,
    clippy::format_push_string,
    reason = "tests write values where they need them"
)]

mod adapters;
mod anthropic;
mod client;
mod clients;
mod completions;
mod computer;
mod contract;
mod conversations;
mod errors;
mod fetch;
mod fuzz;
mod guard;
mod kept;
mod keys;
mod life;
mod openai;
mod page;
mod python;
mod responses;
mod reuse;
mod watch;
