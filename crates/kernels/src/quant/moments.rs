//! What the inputs of a matrix are like, collected while a network runs.

use std::sync::Mutex;

use crate::{Correlation, Cpu};

/// Second moments of a matrix's inputs: Σ x² of each one, or Σ x xᵀ of all pairs.
pub struct Moments {
    columns: usize,
    pairs: bool,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    rows: u64,
    /// `[columns]`, or `[columns, columns]` of pairs; empty before the first input
    values: Vec<f32>,
}

impl Moments {
    /// Of inputs of that many columns; with `pairs`, `columns²` numbers are kept.
    pub fn new(columns: usize, pairs: bool) -> Self {
        Self {
            columns,
            pairs,
            sums: Mutex::default(),
        }
    }

    /// Inputs of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows seen so far.
    pub fn rows(&self) -> u64 {
        self.sums.lock().map_or(0, |sums| sums.rows)
    }

    /// Takes rows of inputs in, `[rows, columns]`.
    pub(crate) fn add(&self, cpu: &Cpu, input: &[f32]) {
        let Ok(mut sums) = self.sums.lock() else { return };
        let columns = self.columns;
        sums.rows += (input.len() / columns.max(1)) as u64;
        if !self.pairs {
            sums.values.resize(columns, 0.0);
            for row in input.chunks_exact(columns) {
                for (sum, x) in sums.values.iter_mut().zip(row) {
                    *sum += x * x;
                }
            }
            return;
        }
        sums.values.resize(columns * columns, 0.0);
        let work = input.len() * columns;
        cpu.pieces(&mut sums.values, columns, work, |k, sums| {
            for row in input.chunks_exact(columns) {
                let x = row[k];
                for (sum, y) in sums.iter_mut().zip(row) {
                    *sum += x * y;
                }
            }
        });
    }

    /// The mean square of each input, `[columns]`, never 0: an input that calibration left silent counts
    /// as little, not as nothing. `None` without inputs.
    pub fn importance(&self) -> Option<Vec<f32>> {
        let sums = self.sums.lock().ok()?;
        let rows = sums.rows.max(1) as f32;
        let step = if self.pairs { self.columns + 1 } else { 1 };
        let mut squares: Vec<f32> = sums.values.iter().step_by(step).map(|sum| sum / rows).collect();
        let mean = squares.iter().sum::<f32>() / squares.len().max(1) as f32;
        if !(mean > 0.0 && mean.is_finite()) {
            return None;
        }
        for square in &mut squares {
            *square += SILENT * mean;
        }
        Some(squares)
    }

    /// What feedback needs; `None` without pairs or with too few different inputs.
    pub fn correlation(&self, damping: f64) -> Option<Correlation> {
        let sums = self.sums.lock().ok()?;
        if !self.pairs {
            return None;
        }
        Correlation::new(self.columns, &sums.values, damping)
    }
}

/// Share of the mean that an input counts at least.
const SILENT: f32 = 0.01;
