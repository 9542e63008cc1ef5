//! Tokens to rows of the embedding, with an image's features in the places of its placeholders.

use crate::Buffer;
use crate::ops::rows;
use crate::parameters::ParameterId;
use crate::pass::Pass;

/// `[V, H]`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Embedding {
    pub(crate) weight: ParameterId,
    pub(crate) hidden: usize,
    pub(crate) image_token: u32,
}

impl Embedding {
    /// `features`: `[image tokens, H]`, in the order of the placeholders. Gives `[T, H]`.
    pub(crate) fn forward(&self, pass: &mut Pass<'_>, ids: &[u32], features: &[f32]) -> Buffer {
        let mut x = pass.take(ids.len() * self.hidden);
        let mut features = features.chunks_exact(self.hidden);
        for (id, row) in ids.iter().zip(x.chunks_exact_mut(self.hidden)) {
            let feature = (*id == self.image_token).then(|| features.next()).flatten();
            match feature {
                Some(feature) => row.copy_from_slice(feature),
                None => pass.row(self.weight, *id as usize, row),
            }
        }
        x
    }

    /// Sets `dfeatures` and adds to the embedding's gradient, if it learns.
    pub(crate) fn backward(&self, pass: &mut Pass<'_>, ids: &[u32], dx: &[f32], dfeatures: &mut [f32]) {
        let (isa, learns) = (pass.isa(), self.weight.learns());
        let mut features = dfeatures.chunks_exact_mut(self.hidden);
        for (id, row) in ids.iter().zip(dx.chunks_exact(self.hidden)) {
            let feature = (*id == self.image_token).then(|| features.next()).flatten();
            match feature {
                Some(feature) => feature.copy_from_slice(row),
                None if !learns => {}
                None => {
                    let dw = &mut pass.gradient(self.weight)[*id as usize * self.hidden..][..self.hidden];
                    rows::add(isa, dw, row);
                }
            }
        }
    }
}
