//! Weights in 4 bits.

use super::{BLOCK, GROUP, GROUPS, bf16_above, bf16_value};

/// A rounded block: `w = scale · factors[group] · (nibble - 8)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// bf16
    pub(crate) scale: u16,
    /// -15..=15
    pub(crate) factors: [i8; GROUPS],
    /// 0..=15
    pub(crate) nibbles: [u8; BLOCK],
}

/// Rounds a block of at most 256 weights, each group by its greatest weight, which becomes -8 steps.
/// Weights that are not finite give a scale that is not.
pub(crate) fn round(weights: &[f32]) -> Block {
    let mut steps = [0.0_f32; GROUPS];
    let mut finite = true;
    for (step, group) in steps.iter_mut().zip(weights.chunks(GROUP)) {
        let most = group
            .iter()
            .fold(0.0_f32, |most, &w| if w.abs() > most.abs() { w } else { most });
        finite &= group.iter().all(|w| w.is_finite());
        *step = most / -8.0;
    }
    let largest = steps.iter().fold(0.0_f32, |most, step| most.max(step.abs()));
    let scale = bf16_above(if finite { largest / 15.0 } else { f32::NAN });
    let mut block = Block {
        scale,
        factors: [0; GROUPS],
        nibbles: [8; BLOCK],
    };
    let unit = bf16_value(scale);
    if !finite || unit == 0.0 {
        return block;
    }
    let nibbles = block.nibbles.chunks_exact_mut(GROUP);
    for (((factor, step), group), nibbles) in block
        .factors
        .iter_mut()
        .zip(steps)
        .zip(weights.chunks(GROUP))
        .zip(nibbles)
    {
        *factor = (step / unit).round_ties_even().clamp(-15.0, 15.0) as i8;
        let step = unit * f32::from(*factor);
        if step != 0.0 {
            for (nibble, weight) in nibbles.iter_mut().zip(group) {
                *nibble = ((weight / step).round_ties_even() + 8.0).clamp(0.0, 15.0) as u8;
            }
        }
    }
    block
}
