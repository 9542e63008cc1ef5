//! The vision tower: patches → features that stand in for image tokens.
//!
//! P: patches of all images together, W: the tower's width.

mod block;
mod merger;
mod patches;

use std::ops::Range;

use aurore_checkpoint::VisionConfig;
use aurore_model::ImagePatches;
use aurore_model::positions::{patch_positions, position_taps};

use self::block::Block;
use self::merger::Merger;
use self::patches::PatchEmbedding;
use crate::Buffer;
use crate::blocks::layer_norm::LayerNorm;
use crate::blocks::rotary::Angles;
use crate::ops::rows;
use crate::parameters::ParameterId;
use crate::pass::Pass;
use crate::weights::{Matrix, Weights};

/// What the names of its parameters begin with.
pub(crate) const NAME: &str = "model.visual.";

/// The whole tower.
#[derive(Clone, Debug)]
pub(crate) struct Tower {
    config: VisionConfig,
    embedding: PatchEmbedding,
    blocks: Vec<Block>,
    merger: Merger,
}

/// A linear layer with bias.
#[derive(Clone, Copy, Debug)]
struct Biased {
    weight: Matrix,
    bias: ParameterId,
}

/// Where the patches of some images stand.
pub(crate) struct Places {
    /// The patches of one frame each: nothing is attended to outside.
    frames: Vec<Range<usize>>,
    angles: Angles,
    /// Rows of the position table and their shares, per patch.
    taps: Vec<[(usize, f32); 4]>,
}

/// What `backward` needs beside the patches.
pub(crate) struct Saved {
    blocks: Vec<block::Saved>,
    merger: merger::Saved,
}

impl Tower {
    pub(crate) fn new(weights: &mut Weights, config: &VisionConfig) -> Self {
        let blocks = (0..config.depth)
            .map(|index| Block::new(weights, &format!("blocks.{index}"), config))
            .collect();
        Self {
            embedding: PatchEmbedding::new(weights, config),
            blocks,
            merger: Merger::new(weights, config),
            config: config.clone(),
        }
    }

    /// Where the patches of `images` stand.
    pub(crate) fn places(&self, images: &[ImagePatches]) -> Places {
        let (mut frames, mut positions, mut taps) = (Vec::new(), Vec::new(), Vec::new());
        for image in images {
            let frame = patch_positions(image.grid, self.config.spatial_merge_size);
            for _ in 0..image.grid[0] {
                frames.push(positions.len()..positions.len() + frame.len());
                positions.extend_from_slice(&frame);
                let own = frame
                    .iter()
                    .map(|place| position_taps(&self.config, image.grid, *place));
                taps.extend(own);
            }
        }
        Places {
            frames,
            angles: Angles::vision(self.config.head_dim(), &positions),
            taps,
        }
    }

    /// Gives the features, `[P / 4, H]`; with `keep`, what the way back needs of the blocks.
    pub(crate) fn forward(
        &self,
        pass: &mut Pass<'_>,
        images: &[ImagePatches],
        places: &Places,
        keep: bool,
    ) -> (Buffer, Saved) {
        let mut x = self.embedding.forward(pass, images, &places.taps);
        let blocks = self
            .blocks
            .iter()
            .filter_map(|block| Some(block.forward(pass, places, &mut x)).filter(|_| keep))
            .collect();
        let (features, merger) = self.merger.forward(pass, &x);
        (features, Saved { blocks, merger })
    }

    /// `dfeatures`: `[P / 4, H]`
    pub(crate) fn backward(
        &self,
        pass: &mut Pass<'_>,
        images: &[ImagePatches],
        places: &Places,
        saved: Saved,
        dfeatures: &[f32],
    ) {
        let mut dx = self.merger.backward(pass, saved.merger, dfeatures);
        for (block, saved) in self.blocks.iter().zip(saved.blocks).rev() {
            block.backward(pass, places, saved, &mut dx);
        }
        self.embedding.backward(pass, images, &places.taps, &dx);
    }
}

impl Biased {
    fn new(weights: &mut Weights, name: &str, outputs: usize, inputs: usize) -> Self {
        let name = format!("model.visual.{name}");
        Self {
            weight: weights.matrix(&format!("{name}.weight"), outputs, inputs),
            bias: weights.vector(&format!("{name}.bias")),
        }
    }

    /// `y (+)= x·Wᵀ + b`
    fn forward(&self, pass: &mut Pass<'_>, x: &[f32], y: &mut [f32], add: bool) {
        pass.forward(self.weight, x, y, add);
        rows::add_bias(pass.isa(), y, pass.values(self.bias));
    }

    fn apply(&self, pass: &mut Pass<'_>, x: &[f32]) -> Buffer {
        let mut y = pass.take(x.len() / self.weight.inputs() * self.weight.outputs());
        self.forward(pass, x, &mut y, false);
        y
    }

    fn weight_gradient(&self, pass: &mut Pass<'_>, x: &[f32], dy: &[f32]) {
        let isa = pass.isa();
        pass.weight_gradient(self.weight, x, dy);
        rows::sum_rows(isa, pass.gradient(self.bias), dy);
    }

    /// Sets `dx`.
    fn backward(&self, pass: &mut Pass<'_>, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        self.weight_gradient(pass, x, dy);
        pass.input_gradient(self.weight, dy, dx, false);
    }
}

fn norm(weights: &Weights, name: &str) -> LayerNorm {
    LayerNorm {
        weight: weights.vector(&format!("model.visual.{name}.weight")),
        bias: weights.vector(&format!("model.visual.{name}.bias")),
    }
}
