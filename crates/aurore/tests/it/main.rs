//! The program from outside: what it prints, what it returns, what it leaves behind.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails makes its test fail"
)]

mod again;
#[cfg(unix)]
mod answered;
mod bench;
mod checkpoints;
mod crash;
mod demo;
mod errors;
mod export;
#[cfg(all(unix, nano_embedded))]
mod full_disk;
mod help;
#[cfg(nano_embedded)]
mod keys;
#[cfg(nano_embedded)]
mod learning;
mod ledger;
#[cfg(nano_embedded)]
mod nano;
#[cfg(nano_embedded)]
mod page;
mod program;
mod record;
mod remote;
mod rules;
mod rules_docs;
mod rules_kept;
#[cfg(unix)]
mod rules_secrets;
#[cfg(nano_embedded)]
mod serve;
#[cfg(nano_embedded)]
mod soak;
#[cfg(nano_embedded)]
mod teach;
#[cfg(nano_embedded)]
mod train;
#[cfg(nano_embedded)]
mod tune;
mod watch;
mod workflows;
