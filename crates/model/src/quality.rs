//! How far a rounded network's distributions are from an exact one's.

use crate::verify::{argmax, divergence};
use crate::{Input, Model, ModelError, Want};

/// Sums over the positions of some samples.
#[derive(Clone, Debug, Default)]
pub struct Quality {
    divergences: Vec<f64>,
    same: usize,
}

impl Quality {
    /// Runs both networks over a sample and compares the distributions after its tokens from `from` on.
    ///
    /// # Errors
    /// When either network cannot take it.
    pub fn add(
        &mut self,
        exact: &Model,
        other: &Model,
        input: &Input<'_>,
        from: usize,
    ) -> Result<(), ModelError> {
        let run = |model: &Model| model.prefill(&mut model.new_sequence(), input, Want::All);
        let (expected, found) = (run(exact)?, run(other)?);
        if expected.vocab_size != found.vocab_size {
            return Err(ModelError::Config(format!(
                "vocabularies of {} and {} cannot be compared",
                expected.vocab_size, found.vocab_size
            )));
        }
        let vocab = expected.vocab_size.max(1);
        let rows = expected
            .values
            .chunks_exact(vocab)
            .zip(found.values.chunks_exact(vocab));
        for (expected, found) in rows.skip(from) {
            // What rounding leaves below 0 is 0.
            self.divergences.push(divergence(expected, found).max(0.0));
            self.same += usize::from(argmax(expected) == argmax(found));
        }
        Ok(())
    }

    /// Positions compared.
    pub fn positions(&self) -> usize {
        self.divergences.len()
    }

    /// Mean Kullback-Leibler divergence in nats.
    pub fn mean(&self) -> f64 {
        self.divergences.iter().sum::<f64>() / self.positions().max(1) as f64
    }

    /// The largest one.
    pub fn max(&self) -> f64 {
        self.divergences.iter().copied().fold(0.0, f64::max)
    }

    /// The one that `share` of the positions do not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.divergences.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64).round();
        sorted.get(place as usize).copied().unwrap_or(0.0)
    }

    /// Share of positions with the same likeliest token.
    pub fn top1(&self) -> f64 {
        self.same as f64 / self.positions().max(1) as f64
    }
}
