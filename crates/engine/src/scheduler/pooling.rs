//! A text as one vector: the network's rows after its last norm, pooled.

/// Which rows stand for the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// The mean of all tokens.
    Mean,
    /// The last token, which has seen all others.
    Last,
}

/// Pools rows while they come. They are added one by one, so the pieces in which they come change nothing.
pub(super) struct Pool {
    pooling: Pooling,
    /// `[hidden_size]`
    sum: Vec<f64>,
    rows: usize,
}

impl Pool {
    pub(super) fn new(pooling: Pooling, hidden_size: usize) -> Self {
        Self {
            pooling,
            sum: vec![0.0; hidden_size],
            rows: 0,
        }
    }

    /// Takes `[rows, hidden_size]`.
    pub(super) fn add(&mut self, rows: &[f32]) {
        for row in rows.chunks_exact(self.sum.len().max(1)) {
            self.rows += 1;
            for (sum, number) in self.sum.iter_mut().zip(row) {
                match self.pooling {
                    Pooling::Mean => *sum += f64::from(*number),
                    Pooling::Last => *sum = f64::from(*number),
                }
            }
        }
    }

    pub(super) fn vector(&self) -> Vec<f32> {
        let count = match self.pooling {
            Pooling::Mean => self.rows.max(1) as f64,
            Pooling::Last => 1.0,
        };
        self.sum.iter().map(|sum| (sum / count) as f32).collect()
    }
}
