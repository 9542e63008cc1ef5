//! Packed checkpoints: matrices joined, rounded and laid out as the kernels read them, with
//! everything else that a model needs, in one file or in shards.
//!
//! A file begins with a page of 4,096 bytes: magic, version, which shard it is, and (in the first one)
//! where the header stands. Entries follow, each from a multiple of 4,096 on, so that it can be mapped
//! or read straight into memory. The header, JSON after the last entry of the first shard, names
//! every entry with its place and checksum:
//!
//! - `file`: a file of the checkpoint as it was (`config.json`, tokeniser, template, …);
//! - `tensor`: a vector or table in f32 under its official name;
//! - `matrix`: one of [`crate::matrices()`] under its key: elements, then scales, as the kernels'
//!   layout of that version has them. What a format means is the kernels' matter.

mod checksum;
mod header;
mod journal;
mod read;
mod stored;
mod validate;
mod write;

pub use header::{Entry, EntryKind};
pub use read::Packed;
pub use stored::StoredMatrix;
pub use validate::single_tensors;
pub use write::{PackPlan, Writer};

/// The extension of packed files.
pub const EXTENSION: &str = "aurore";

/// First bytes of every packed file. The control character stops a terminal that shows the file.
const MAGIC: [u8; 8] = *b"AURORE\x1a\n";
/// Changes whenever an older program could misread a newer file or the other way round.
pub const VERSION: u32 = 1;
/// Entries and the header begin at multiples of this.
const ALIGN: u64 = 4096;

/// A matrix of a packed file: bytes for the kernels.
#[derive(Clone, Copy, Debug)]
pub struct PackedMatrix<'a> {
    /// The file, for messages.
    pub file: &'a str,
    /// Version of the kernels' layout that the bytes have.
    pub layout: u32,
    /// The format's name, such as `q8`.
    pub format: &'a str,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// The elements in the kernels' layout.
    pub elements: &'a [u8],
    /// Their scales; empty for floating point.
    pub scales: &'a [u8],
}
