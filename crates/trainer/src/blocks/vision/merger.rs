//! The merger: a norm per patch, then four patches that stand together become one feature.

use aurore_checkpoint::VisionConfig;

use super::{Biased, norm};
use crate::Buffer;
use crate::blocks::layer_norm::{self, LayerNorm};
use crate::ops::rows;
use crate::pass::Pass;
use crate::weights::Weights;

/// Norm and two linear layers with an exact GELU between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merger {
    norm: LayerNorm,
    /// `[4W, 4W]`
    fc1: Biased,
    /// `[H, 4W]`
    fc2: Biased,
}

/// What `backward` needs.
pub(super) struct Saved {
    norm: layer_norm::Saved,
    /// `[P / 4, 4W]`
    normed: Buffer,
    /// Before the GELU. `[P / 4, 4W]`
    before: Buffer,
}

impl Merger {
    pub(super) fn new(weights: &mut Weights, config: &VisionConfig) -> Self {
        let merged = config.hidden_size * config.merge_unit();
        Self {
            norm: norm(weights, "merger.norm"),
            fc1: Biased::new(weights, "merger.linear_fc1", merged, merged),
            fc2: Biased::new(weights, "merger.linear_fc2", config.out_hidden_size, merged),
        }
    }

    /// `x`: `[P, W]` → `[P / 4, H]`
    pub(super) fn forward(&self, pass: &mut Pass<'_>, x: &[f32]) -> (Buffer, Saved) {
        let (normed, norm) = self.norm.forward(pass, x);
        let before = self.fc1.apply(pass, &normed);
        let mut inner = pass.take(before.len());
        rows::gelu_exact(pass.isa(), &before, &mut inner);
        let features = self.fc2.apply(pass, &inner);
        let saved = Saved { norm, normed, before };
        (features, saved)
    }

    /// Gives `dx`.
    pub(super) fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dfeatures: &[f32]) -> Buffer {
        let isa = pass.isa();
        let mut before = saved.before;
        let mut inner = pass.take(before.len());
        rows::gelu_exact(isa, &before, &mut inner);
        let mut dinner = pass.take(before.len());
        self.fc2.backward(pass, &inner, dfeatures, &mut dinner);
        rows::gelu_exact_back(isa, &mut before, &dinner);
        self.fc1.backward(pass, &saved.normed, &before, &mut dinner);
        let mut dx = pass.zeros(dinner.len());
        self.norm.backward(pass, &saved.norm, &dinner, &mut dx);
        dx
    }
}
