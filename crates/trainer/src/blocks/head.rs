//! What is learnt from: final norm, head and cross-entropy, only where a token is taught.
//!
//! Logits are made, judged and turned into their gradients for a few hundred tokens at a time: those of a whole stream
//! would be its largest buffer by far.

use crate::Buffer;
use crate::blocks::rms_norm::RmsNorm;
use crate::ops::functions::{exp, greatest, total};
use crate::ops::vectorised;
use crate::pass::Pass;
use crate::stream::Target;
use crate::weights::Matrix;

/// Rows of logits at a time.
const ROWS: usize = 128;

/// The final norm and `[V, H]`, the embedding where the head is tied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) norm: RmsNorm,
    pub(crate) matrix: Matrix,
}

/// Sums over the targets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judged {
    /// Of weighted cross-entropies, in nats.
    pub(crate) loss: f64,
    /// Of cross-entropies without their weights.
    pub(crate) plain: f64,
    /// Targets that were likeliest.
    pub(crate) right: usize,
}

impl Head {
    /// The loss of the targets. With `learn`, whose second is what a weight of 1 counts: adds to `dx` (first).
    pub(crate) fn judge(
        &self,
        pass: &mut Pass<'_>,
        x: &[f32],
        targets: &[Target],
        mut learn: Option<(&mut [f32], f32)>,
    ) -> Judged {
        let (isa, hidden, vocabulary) = (pass.isa(), self.matrix.inputs(), self.matrix.outputs());
        let mut judged = Judged::default();
        for targets in targets.chunks(ROWS) {
            let mut gathered = pass.take(targets.len() * hidden);
            for (target, row) in targets.iter().zip(gathered.chunks_exact_mut(hidden)) {
                row.copy_from_slice(&x[target.row * hidden..][..hidden]);
            }
            let (normed, saved) = self.norm.forward(pass, &gathered);
            let mut logits = pass.linear(self.matrix, &normed);
            let scale = learn.as_ref().map(|(_, scale)| *scale);
            cross_entropy(isa, &mut logits, vocabulary, targets, scale, &mut judged);
            let Some((dx, _)) = &mut learn else { continue };
            let mut dnormed = pass.take(normed.len());
            pass.backward(self.matrix, &normed, &logits, &mut dnormed, false);
            gathered.fill(0.0);
            self.norm.backward(pass, &saved, &dnormed, &mut gathered);
            for (target, row) in targets.iter().zip(gathered.chunks_exact(hidden)) {
                crate::ops::rows::add(isa, &mut dx[target.row * hidden..][..hidden], row);
            }
        }
        judged
    }

    /// Logits of every row. `[T, H]` → `[T, V]`
    pub(crate) fn logits(&self, pass: &mut Pass<'_>, x: &[f32]) -> Buffer {
        let (normed, _) = self.norm.forward(pass, x);
        pass.linear(self.matrix, &normed)
    }
}

vectorised! {
    /// With `scale`, logits become their gradients: `(p − [is it]) · weight · scale`.
    fn cross_entropy(
        logits: &'a mut [f32],
        vocabulary: usize,
        targets: &'a [Target],
        scale: Option<f32>,
        judged: &'a mut Judged,
    ) {
        for (row, target) in logits.chunks_exact_mut(vocabulary).zip(targets) {
            let own = row[target.id as usize];
            let most = greatest(row);
            for x in row.iter_mut() {
                *x = exp(*x - most);
            }
            let sum = total(row);
            let loss = f64::from(most - own) + f64::from(sum).ln();
            judged.plain += loss;
            judged.loss += loss * f64::from(target.weight);
            judged.right += usize::from(own >= most);
            if let Some(scale) = scale {
                let factor = target.weight * scale / sum;
                for x in row.iter_mut() {
                    *x *= factor;
                }
                row[target.id as usize] -= target.weight * scale;
            }
        }
    }
}
