//! Weights in 8 bits.

use super::{bf16_above, bf16_value, greatest};

/// Rounds a block of weights to the nearest multiples of its scale; returns the scale, bf16.
/// Weights that are not finite give a scale that is not, so that products show them.
pub(crate) fn round(weights: &[f32], values: &mut [i8]) -> u16 {
    let most = greatest(weights);
    let scale = bf16_above(most / 127.0);
    let factor = if most > 0.0 && most.is_finite() {
        1.0 / bf16_value(scale)
    } else {
        0.0
    };
    for (value, weight) in values.iter_mut().zip(weights) {
        *value = (weight * factor).round_ties_even().clamp(-127.0, 127.0) as i8;
    }
    scale
}
