//! Products on matrix tiles.

mod integer;
mod paired;

use crate::Isa;

pub(super) use integer::TiledInteger;
pub(super) use paired::{PairRows, TiledPairs};

/// Rows of a task: of bf16 and of integers as many.
pub(super) const ROW_BLOCK: usize = integer::ROW_BLOCK;
const _: () = assert!(ROW_BLOCK == paired::ROW_BLOCK);

/// Whether integer products of so many rows are made on tiles.
pub(super) fn take(isa: Isa, rows: usize) -> bool {
    isa.has_tiles() && rows >= integer::FROM_ROWS
}
