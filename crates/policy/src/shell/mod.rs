//! What a command really starts: wrappers taken off, shell scripts taken apart.
//!
//! The aim is not to run a shell but to know when one cannot be foreseen: whatever is not understood makes the
//! command [`Started::unread`], and what is unread is never allowed by a rule about commands.

mod lex;
mod unwrap;

pub(crate) use unwrap::{Started, base, started};
