//! What was read before and need not be read again.
//!
//! A radix tree whose letters are blocks of 64 tokens, the places where a state can be kept. A node may hold a snapshot:
//! the recurrent states there, and the pages of keys and values up to there, which nodes on one path share. Only states
//! that a prefill of given tokens made are kept, cut at the same places as ever, so that an answer after a hit is, to the
//! bit, the answer after none. Generated tokens come in when a prefill reads them. What memory keeps may be kept on disk
//! too, where it outlives memory's limit and the process.

mod disk;
mod key;
mod places;
mod tree;
mod whole;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use disk::Disk;
pub use disk::{DiskLimits, DiskStatistics};
pub(crate) use key::{BlockKey, Digest, block_keys, digest, under};
pub(crate) use places::{Place, last_place, places};
#[cfg(test)]
pub(crate) use tree::PrefixCache;
pub(crate) use whole::Cache;
