//! Scales found by search: the least weighted squared error instead of the nearest to the greatest weight.
//!
//! Sums run in eight lanes that are added in a fixed order, so every instruction set finds the same.

use super::q4::Block;
use super::{BLOCK, GROUP, GROUPS, bf16_value, q4, q8};
use crate::simd::{Kernel, Simd};

/// Weights of one output and block, and how much each one's error counts; zeros beyond its end.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub(crate) weights: &'a [f32; BLOCK],
    pub(crate) importance: &'a [f32; BLOCK],
}

/// A block in 8 bits: its scale, bf16, with the numbers in `values`.
pub(crate) struct Search8<'a> {
    pub(crate) problem: Problem<'a>,
    pub(crate) count: usize,
    pub(crate) values: &'a mut [i8; BLOCK],
}

/// A block in 4 bits.
pub(crate) struct Search4<'a> {
    pub(crate) problem: Problem<'a>,
    pub(crate) count: usize,
}

/// One group's factor beside a scale that stands.
pub(crate) struct Factor4<'a> {
    pub(crate) weights: &'a [f32; GROUP],
    pub(crate) importance: &'a [f32; GROUP],
    pub(crate) unit: f32,
}

/// What rounding to multiples of a step does to some weights.
#[derive(Clone, Copy, Default)]
struct Fit {
    /// Σ h (w - step · n)²
    error: f32,
    /// Σ h w n
    cross: f32,
    /// Σ h n²
    square: f32,
}

impl Fit {
    /// The step that suits the chosen multiples best.
    #[inline(always)]
    fn step(self) -> Option<f32> {
        (self.square > 0.0)
            .then(|| self.cross / self.square)
            .filter(|step| step.is_finite())
    }
}

/// Adds eight lanes in pairs.
#[inline(always)]
fn sum(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[inline(always)]
fn multiple(weight: f32, inverse: f32, least: f32, most: f32) -> f32 {
    let n = (weight * inverse).round_ties_even();
    let n = if n > least { n } else { least };
    if n < most { n } else { most }
}

#[inline(always)]
fn fit(weights: &[f32], importance: &[f32], step: f32, least: f32, most: f32) -> Fit {
    let inverse = if step == 0.0 { 0.0 } else { 1.0 / step };
    let (mut error, mut cross, mut square) = ([0.0; 8], [0.0; 8], [0.0; 8]);
    let pairs = weights
        .as_chunks::<8>()
        .0
        .iter()
        .zip(importance.as_chunks::<8>().0);
    for (w, h) in pairs {
        for lane in 0..8 {
            let n = multiple(w[lane], inverse, least, most);
            let e = w[lane] - n * step;
            error[lane] += h[lane] * (e * e);
            cross[lane] += h[lane] * (w[lane] * n);
            square[lane] += h[lane] * (n * n);
        }
    }
    Fit {
        error: sum(error),
        cross: sum(cross),
        square: sum(square),
    }
}

/// The nearest bf16 of a finite number.
#[inline(always)]
fn bf16_near(x: f32) -> u16 {
    half::bf16::from_f32(x).to_bits()
}

impl Kernel for Search8<'_> {
    type Output = u16;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> u16 {
        let Problem { weights, importance } = self.problem;
        let plain = q8::round(&weights[..self.count], &mut self.values[..self.count]);
        let start = bf16_value(plain);
        if !(start > 0.0 && start.is_finite()) {
            return plain;
        }
        let (mut best, mut scale) = (fit(weights, importance, start, -127.0, 127.0), plain);
        for shrink in [1.0, 0.996, 0.992, 0.984, 0.97, 0.95] {
            let mut candidate = bf16_near(start * shrink);
            for _ in 0..2 {
                let found = fit(weights, importance, bf16_value(candidate), -127.0, 127.0);
                if found.error < best.error {
                    (best, scale) = (found, candidate);
                }
                match found.step() {
                    Some(step) => candidate = bf16_near(step),
                    None => break,
                }
            }
        }
        let inverse = 1.0 / bf16_value(scale);
        for (value, weight) in self.values.iter_mut().zip(weights) {
            *value = multiple(*weight, inverse, -127.0, 127.0) as i8;
        }
        scale
    }
}

/// A group's greatest weight becomes this many steps: -8 one way round, 7 the other.
const PEAKS: [f32; 16] = [
    -6.2, -6.6, -7.0, -7.3, -7.6, -7.8, -8.0, -8.2, -8.5, -9.0, 6.0, 6.4, 6.7, 7.0, 7.3, 7.8,
];
/// The block's greatest step becomes this many units.
const TOPS: [f32; 9] = [15.0, 14.0, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0];

#[inline(always)]
fn best_step(weights: &[f32; GROUP], importance: &[f32; GROUP]) -> f32 {
    let peak = weights
        .iter()
        .fold(0.0_f32, |most, &w| if w.abs() > most.abs() { w } else { most });
    if peak == 0.0 {
        return 0.0;
    }
    let mut best = (f32::INFINITY, 0.0, None);
    for steps in PEAKS {
        let step = peak / steps;
        let found = fit(weights, importance, step, -8.0, 7.0);
        if found.error < best.0 {
            best = (found.error, step, found.step());
        }
    }
    for _ in 0..2 {
        let Some(step) = best.2 else { break };
        let found = fit(weights, importance, step, -8.0, 7.0);
        if found.error < best.0 {
            best = (found.error, step, found.step());
        } else {
            break;
        }
    }
    best.1
}

/// The better of the two factors around `step / unit`, with what it does.
#[inline(always)]
fn best_factor(weights: &[f32; GROUP], importance: &[f32; GROUP], step: f32, unit: f32) -> (f32, Fit) {
    let ratio = step / unit;
    let whole = ratio.abs().floor();
    let mut best = (
        0.0,
        Fit {
            error: f32::INFINITY,
            ..Fit::default()
        },
    );
    for magnitude in [whole, whole + 1.0] {
        let magnitude = magnitude.clamp(1.0, 15.0);
        let factor = if ratio < 0.0 { -magnitude } else { magnitude };
        let found = fit(weights, importance, unit * factor, -8.0, 7.0);
        if found.error < best.1.error {
            best = (factor, found);
        }
    }
    best
}

#[inline(always)]
fn group<const N: usize>(values: &[f32; BLOCK], index: usize) -> &[f32; N] {
    &values.as_chunks::<N>().0[index]
}

/// All factors beside a unit: their error, and the unit that would suit them best.
#[inline(always)]
fn best_factors(problem: Problem<'_>, steps: &[f32; GROUPS], unit: f32) -> (f32, [f32; GROUPS], Option<f32>) {
    let mut factors = [0.0; GROUPS];
    let (mut error, mut cross, mut square) = (0.0, 0.0, 0.0);
    for index in 0..GROUPS {
        let (weights, importance) = (group(problem.weights, index), group(problem.importance, index));
        let (factor, found) = if steps[index] == 0.0 {
            (0.0, fit(weights, importance, 0.0, -8.0, 7.0))
        } else {
            best_factor(weights, importance, steps[index], unit)
        };
        factors[index] = factor;
        error += found.error;
        cross += factor * found.cross;
        square += factor * factor * found.square;
    }
    let unit = (square > 0.0).then(|| cross / square);
    (
        error,
        factors,
        unit.filter(|unit| *unit > 0.0 && unit.is_finite()),
    )
}

impl Kernel for Search4<'_> {
    type Output = Block;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Block {
        let mut block = q4::round(&self.problem.weights[..self.count]);
        let start = bf16_value(block.scale);
        if !(start > 0.0 && start.is_finite()) {
            return block;
        }
        let mut steps = [0.0; GROUPS];
        for (index, step) in steps.iter_mut().enumerate() {
            *step = best_step(
                group(self.problem.weights, index),
                group(self.problem.importance, index),
            );
        }
        let top = steps.iter().fold(0.0_f32, |most, step| most.max(step.abs()));
        let mut best = (f32::INFINITY, block.scale, [0.0; GROUPS]);
        for tops in TOPS {
            let mut candidate = bf16_near(top / tops);
            for _ in 0..2 {
                let unit = bf16_value(candidate);
                if !(unit > 0.0 && unit.is_finite()) {
                    break;
                }
                let (error, factors, better) = best_factors(self.problem, &steps, unit);
                if error < best.0 {
                    best = (error, candidate, factors);
                } else if error > 1.1 * best.0 {
                    break;
                }
                match better.map(bf16_near) {
                    Some(next) if next != candidate => candidate = next,
                    _ => break,
                }
            }
        }
        let (error, scale, factors) = best;
        if !error.is_finite() {
            return block;
        }
        block.scale = scale;
        let unit = bf16_value(scale);
        for (index, factor) in factors.iter().enumerate() {
            block.factors[index] = *factor as i8;
            let inverse = if *factor == 0.0 {
                0.0
            } else {
                1.0 / (unit * factor)
            };
            let weights: &[f32; GROUP] = group(self.problem.weights, index);
            let nibbles = &mut block.nibbles[index * GROUP..][..GROUP];
            for (nibble, weight) in nibbles.iter_mut().zip(weights) {
                *nibble = (multiple(*weight, inverse, -8.0, 7.0) + 8.0) as u8;
            }
        }
        block
    }
}

impl Kernel for Factor4<'_> {
    type Output = i8;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> i8 {
        let step = best_step(self.weights, self.importance);
        if step == 0.0 {
            return 0;
        }
        best_factor(self.weights, self.importance, step, self.unit).0 as i8
    }
}
