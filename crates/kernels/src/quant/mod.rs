//! 8-bit and 4-bit numbers: how weights and activations are rounded.
//!
//! - `q8`: w = d · v, v in -127..=127, one d (bf16) per output and block of 256 along K.
//! - `q4`: w = d · s · (n - 8), n in 0..=15; s in -15..=15 per output and group of 32 along K, d (bf16)
//!   per block of 256. `s · (n - 8)` fits an int8, so a tile product sees int8 with one scale a block.
//! - activations: x = d · v, v in -127..=127, one d (f32) per row and block of 256 along K. Fewer numbers to a
//!   scale would lose less by a large one among them, but tiles store and scale their sums once for each.

mod activations;
mod correlation;
mod moments;
pub(crate) mod q4;
pub(crate) mod q8;
mod rounding;
mod search;

pub(crate) use activations::{Activations, Rows};
pub use correlation::Correlation;
pub use moments::Moments;
pub use rounding::Rounding;

/// Elements along K that share a scale.
pub(crate) const BLOCK: usize = 256;
/// Elements along K that are multiplied in one go, which K is filled to with zeros.
pub(crate) const SPAN: usize = 64;
/// Elements along K that share a factor of q4.
pub(crate) const GROUP: usize = 32;
/// Spans of a whole block.
pub(crate) const SPANS: usize = BLOCK / SPAN;
/// Groups of a whole block.
pub(crate) const GROUPS: usize = BLOCK / GROUP;

/// K with the zeros that fill its last tile.
#[inline]
pub(crate) const fn padded(k: usize) -> usize {
    k.next_multiple_of(SPAN)
}

/// The least bf16 that is not below a positive `x`; NaN stays NaN.
#[inline]
pub(crate) fn bf16_above(x: f32) -> u16 {
    if x.is_nan() {
        return 0x7fc0;
    }
    (x.to_bits().saturating_add(0xffff) >> 16) as u16
}

/// A bf16's value.
#[inline]
pub(crate) fn bf16_value(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The greatest magnitude; NaN when there is one.
#[inline]
fn greatest(values: &[f32]) -> f32 {
    // Magnitudes compare like their bits, and NaN is above infinity.
    f32::from_bits(values.iter().fold(0, |most, x| most.max(x.abs().to_bits())))
}

#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;
