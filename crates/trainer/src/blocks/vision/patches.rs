//! Patches to rows: a linear layer (a convolution whose kernel is its stride), and a learnt table of positions that is
//! stretched over the frame.

use aurore_checkpoint::VisionConfig;
use aurore_model::ImagePatches;

use super::Biased;
use crate::Buffer;
use crate::ops::vectorised;
use crate::parameters::ParameterId;
use crate::pass::Pass;
use crate::weights::Weights;

/// `[W, patch]` and `[positions, W]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PatchEmbedding {
    linear: Biased,
    positions: ParameterId,
}

impl PatchEmbedding {
    pub(super) fn new(weights: &mut Weights, config: &VisionConfig) -> Self {
        Self {
            linear: Biased::new(
                weights,
                "patch_embed.proj",
                config.hidden_size,
                config.patch_dim(),
            ),
            positions: weights.vector("model.visual.pos_embed.weight"),
        }
    }

    /// Gives `[P, W]`.
    pub(super) fn forward(
        &self,
        pass: &mut Pass<'_>,
        images: &[ImagePatches],
        taps: &[[(usize, f32); 4]],
    ) -> Buffer {
        let (inputs, width) = (self.linear.weight.inputs(), self.linear.weight.outputs());
        let mut x = pass.take(taps.len() * width);
        let mut start = 0;
        for image in images {
            let rows = image.patches.len() / inputs;
            let own = &mut x[start * width..(start + rows) * width];
            self.linear.forward(pass, &image.patches, own, false);
            start += rows;
        }
        add_positions(pass.isa(), taps, pass.values(self.positions), width, &mut x);
        x
    }

    pub(super) fn backward(
        &self,
        pass: &mut Pass<'_>,
        images: &[ImagePatches],
        taps: &[[(usize, f32); 4]],
        dx: &[f32],
    ) {
        let (isa, inputs, width) = (
            pass.isa(),
            self.linear.weight.inputs(),
            self.linear.weight.outputs(),
        );
        positions_back(isa, taps, dx, width, pass.gradient(self.positions));
        let mut start = 0;
        for image in images {
            let rows = image.patches.len() / inputs;
            let own = &dx[start * width..(start + rows) * width];
            self.linear.weight_gradient(pass, &image.patches, own);
            start += rows;
        }
    }
}

vectorised! {
    fn add_positions(
        taps: &'a [[(usize, f32); 4]],
        table: &'a [f32],
        width: usize,
        x: &'a mut [f32],
    ) {
        for (taps, row) in taps.iter().zip(x.chunks_exact_mut(width)) {
            for (tap, share) in taps {
                for (x, learnt) in row.iter_mut().zip(&table[tap * width..]) {
                    *x += share * learnt;
                }
            }
        }
    }

    fn positions_back(
        taps: &'a [[(usize, f32); 4]],
        dx: &'a [f32],
        width: usize,
        dtable: &'a mut [f32],
    ) {
        for (taps, row) in taps.iter().zip(dx.chunks_exact(width)) {
            for (tap, share) in taps {
                for (learnt, dx) in dtable[tap * width..].iter_mut().zip(row) {
                    *learnt += share * dx;
                }
            }
        }
    }
}
