//! Products on matrix tiles.

mod integer;
mod paired;

pub(super) use integer::{FROM_ROWS, TiledInteger};
pub(super) use paired::{PairRows, TiledPairs};

/// Rows of a task: of bf16 and of integers as many.
pub(super) const ROW_BLOCK: usize = integer::ROW_BLOCK;
const _: () = assert!(ROW_BLOCK == paired::ROW_BLOCK);
