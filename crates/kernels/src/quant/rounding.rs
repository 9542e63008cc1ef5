//! How a row of weights becomes numbers of few bits.

use super::q4::Block;
use super::search::{Factor4, Problem, Search4, Search8};
use super::{BLOCK, Correlation, GROUP, bf16_value, q4, q8};
use crate::Isa;

/// How weights are rounded to 8 or 4 bits; other formats take no notice.
#[derive(Clone, Copy, Default)]
pub enum Rounding<'a> {
    /// To the nearest multiples of scales that the greatest weights set: quick.
    #[default]
    Nearest,
    /// Scales are searched for the least squared error. An input's errors count by its mean square,
    /// `[columns]`, or all the same when there are none.
    Search(&'a [f32]),
    /// As before, and what rounding an input's weight does wrong is made good by the weights of later
    /// inputs that go with it, as far as they can (GPTQ, arXiv 2210.17323).
    Feedback(&'a Correlation),
}

impl Rounding<'_> {
    /// Whether it fits rows of that many inputs.
    pub(crate) fn fits(&self, columns: usize) -> bool {
        match self {
            Self::Nearest | Self::Search([]) => true,
            Self::Search(importance) => importance.len() == columns,
            Self::Feedback(correlation) => correlation.columns() == columns,
        }
    }

    /// Rounds the block from `from` on: its scale, bf16. May change the rest of the row.
    pub(crate) fn q8(&self, isa: Isa, row: &mut [f32], from: usize, values: &mut [i8; BLOCK]) -> u16 {
        let count = BLOCK.min(row.len() - from);
        if matches!(self, Self::Nearest) {
            return q8::round(&row[from..from + count], &mut values[..count]);
        }
        let (weights, importance) = self.problem(row, from, count);
        let problem = Problem {
            weights: &weights,
            importance: &importance,
        };
        let scale = isa.run(Search8 {
            problem,
            count,
            values,
        });
        if let Self::Feedback(correlation) = self {
            let step = bf16_value(scale);
            if step.is_finite() && step > 0.0 {
                for (k, value) in values[..count].iter_mut().enumerate() {
                    let weight = row[from + k];
                    *value = (weight / step).round_ties_even().clamp(-127.0, 127.0) as i8;
                    let error = weight - step * f32::from(*value);
                    correlation.pass_on(isa, row, from + k, error);
                }
            }
        }
        scale
    }

    /// Rounds the block from `from` on. May change the rest of the row.
    pub(crate) fn q4(&self, isa: Isa, row: &mut [f32], from: usize) -> Block {
        let count = BLOCK.min(row.len() - from);
        if matches!(self, Self::Nearest) {
            return q4::round(&row[from..from + count]);
        }
        let (weights, importance) = self.problem(row, from, count);
        let problem = Problem {
            weights: &weights,
            importance: &importance,
        };
        let mut block = isa.run(Search4 { problem, count });
        let unit = bf16_value(block.scale);
        if let Self::Feedback(correlation) = self
            && unit.is_finite()
            && unit > 0.0
        {
            for start in (0..count).step_by(GROUP) {
                let end = count.min(start + GROUP);
                // The group as errors before it have left it.
                let mut weights = [0.0; GROUP];
                weights[..end - start].copy_from_slice(&row[from + start..from + end]);
                let factor = isa.run(Factor4 {
                    weights: &weights,
                    importance: &importance.as_chunks().0[start / GROUP],
                    unit,
                });
                block.factors[start / GROUP] = factor;
                let step = unit * f32::from(factor);
                for k in start..end {
                    let weight = row[from + k];
                    let n = if factor == 0 {
                        0.0
                    } else {
                        (weight / step).round_ties_even().clamp(-8.0, 7.0)
                    };
                    block.nibbles[k] = (n + 8.0) as u8;
                    correlation.pass_on(isa, row, from + k, weight - step * n);
                }
            }
        }
        block
    }

    fn problem(&self, row: &[f32], from: usize, count: usize) -> ([f32; BLOCK], [f32; BLOCK]) {
        let (mut weights, mut importance) = ([0.0; BLOCK], [0.0; BLOCK]);
        weights[..count].copy_from_slice(&row[from..from + count]);
        match self {
            Self::Nearest | Self::Search([]) => importance[..count].fill(1.0),
            Self::Search(given) => importance[..count].copy_from_slice(&given[from..from + count]),
            Self::Feedback(correlation) => {
                importance[..count].copy_from_slice(&correlation.importance()[from..from + count]);
            }
        }
        (weights, importance)
    }
}
