//! What the matrices' inputs are like, collected while a network runs on samples.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aurore_kernels::{Matrix, Moments};

/// Second moments of each matrix's inputs, by key.
pub struct Calibration {
    widest: usize,
    moments: Mutex<HashMap<String, Arc<Moments>>>,
}

/// Fewer inputs than this say little about a matrix (an expert that the samples hardly met).
const FEWEST: u64 = 32;

impl Calibration {
    /// Keeps moments of pairs, which take `columns²` numbers, for matrices of up to `widest` columns, and
    /// of single inputs for wider ones.
    pub fn new(widest: usize) -> Self {
        Self {
            widest,
            moments: Mutex::default(),
        }
    }

    /// Widest matrices whose inputs' pairs are kept.
    pub fn widest(&self) -> usize {
        self.widest
    }

    pub(crate) fn watch(&self, key: &str, matrix: &mut Matrix) {
        let columns = matrix.columns();
        let moments = Arc::new(Moments::new(columns, columns <= self.widest));
        matrix.watch(Arc::clone(&moments));
        if let Ok(mut all) = self.moments.lock() {
            all.insert(key.to_owned(), moments);
        }
    }

    /// A matrix's, if the samples met it often enough.
    pub(crate) fn of(&self, key: &str) -> Option<Arc<Moments>> {
        let moments = Arc::clone(self.moments.lock().ok()?.get(key)?);
        (moments.rows() >= FEWEST).then_some(moments)
    }
}
