//! The vision tower: patches → features that stand in for image tokens.

use aurore_checkpoint::{VisionConfig, Weights};

use super::ops::{self, Matrix};
use crate::{
    ImagePatches, ModelError,
    positions::{patch_positions, position_taps},
};

const EPS: f32 = 1e-6;
const ROPE_THETA: f32 = 10_000.0;

/// What the tower computes of images, one after the other.
#[derive(Clone, Debug, Default)]
pub struct VisionOutput {
    /// Before the merger. `[patches, tower width]`
    pub last_hidden: Vec<f32>,
    /// One row per image token. `[patches / 4, H]`
    pub merged: Vec<f32>,
}

/// P: patches, W: tower width.
pub(super) struct Vision {
    config: VisionConfig,
    /// `[W, 1536]`
    patch_embed: Linear,
    /// Learned positions of a square grid. `[grid², W]`
    positions: Matrix,
    blocks: Vec<Block>,
    /// `[W]`
    merger_norm: Norm,
    /// `[4W, 4W]`
    merger_fc1: Linear,
    /// `[H, 4W]`
    merger_fc2: Linear,
}

struct Block {
    norm1: Norm,
    /// `[3W, W]`: queries, keys, values.
    qkv: Linear,
    /// `[W, W]`
    proj: Linear,
    norm2: Norm,
    /// `[inner, W]`
    fc1: Linear,
    /// `[W, inner]`
    fc2: Linear,
}

/// A linear layer with bias.
struct Linear {
    weight: Matrix,
    bias: Vec<f32>,
}

/// A layer norm.
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Vision {
    pub(super) fn load(weights: &dyn Weights, config: &VisionConfig) -> Result<Self, ModelError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let merged = width * config.merge_unit();
        let linear = |name: &str, rows, columns| {
            let name = format!("model.visual.{name}");
            Ok::<_, ModelError>(Linear {
                weight: Matrix::load(weights, &format!("{name}.weight"), rows, columns)?,
                bias: ops::vector(weights, &format!("{name}.bias"), rows)?,
            })
        };
        let norm = |name: &str| {
            let name = format!("model.visual.{name}");
            Ok::<_, ModelError>(Norm {
                weight: ops::vector(weights, &format!("{name}.weight"), width)?,
                bias: ops::vector(weights, &format!("{name}.bias"), width)?,
            })
        };
        // A convolution whose kernel is its stride is a linear layer on flattened patches.
        let side = config.patch_size;
        let kernel = [width, config.in_channels, config.temporal_patch_size, side, side];
        let patch_weight = weights
            .tensor("model.visual.patch_embed.proj.weight")?
            .expect_shape(&kernel)?;
        let blocks = (0..config.depth)
            .map(|index| {
                let name = |part: &str| format!("blocks.{index}.{part}");
                Ok(Block {
                    norm1: norm(&name("norm1"))?,
                    qkv: linear(&name("attn.qkv"), 3 * width, width)?,
                    proj: linear(&name("attn.proj"), width, width)?,
                    norm2: norm(&name("norm2"))?,
                    fc1: linear(&name("mlp.linear_fc1"), inner, width)?,
                    fc2: linear(&name("mlp.linear_fc2"), width, inner)?,
                })
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            patch_embed: Linear {
                weight: Matrix::new(patch_weight.to_f32(), config.patch_dim()),
                bias: ops::vector(weights, "model.visual.patch_embed.proj.bias", width)?,
            },
            positions: Matrix::load(
                weights,
                "model.visual.pos_embed.weight",
                config.num_position_embeddings,
                width,
            )?,
            blocks,
            merger_norm: norm("merger.norm")?,
            merger_fc1: linear("merger.linear_fc1", merged, merged)?,
            merger_fc2: linear("merger.linear_fc2", config.out_hidden_size, merged)?,
            config: config.clone(),
        })
    }

    pub(super) fn config(&self) -> &VisionConfig {
        &self.config
    }

    /// One checked image, or clip.
    pub(super) fn forward(&self, image: &ImagePatches) -> VisionOutput {
        let width = self.config.hidden_size;
        let places = patch_positions(image.grid, self.config.spatial_merge_size); // of one frame
        let frame = places.len();
        let mut x = self.patch_embed.apply(&image.patches); // [P, W]
        for (patch, row) in x.chunks_exact_mut(width).enumerate() {
            for (tap, weight) in position_taps(&self.config, image.grid, places[patch % frame]) {
                for (x, learned) in row.iter_mut().zip(self.positions.row(tap)) {
                    *x += weight * learned;
                }
            }
        }
        let angles: Vec<(Vec<f32>, Vec<f32>)> = places.iter().map(|place| self.angles(*place)).collect();
        for block in &self.blocks {
            let attended = self.attend(block, &block.norm1.apply(&x), &angles);
            ops::add(&mut x, &attended);
            let inner: Vec<f32> = block
                .fc1
                .apply(&block.norm2.apply(&x))
                .into_iter()
                .map(ops::gelu_tanh)
                .collect();
            ops::add(&mut x, &block.fc2.apply(&inner));
        }
        // Four patches that stand together are one row of 4W.
        let normed = self.merger_norm.apply(&x);
        let inner: Vec<f32> = self
            .merger_fc1
            .apply(&normed)
            .into_iter()
            .map(ops::gelu_erf)
            .collect();
        VisionOutput {
            merged: self.merger_fc2.apply(&inner),
            last_hidden: x,
        }
    }

    /// Cosines and sines of a patch: the row turns the first half of the pairs, the column the rest.
    fn angles(&self, place: [u32; 2]) -> (Vec<f32>, Vec<f32>) {
        let half = self.config.head_dim() / 2;
        let frequencies = (0..half / 2)
            .map(|j| 1.0 / ROPE_THETA.powf((2 * j) as f32 / half as f32))
            .collect::<Vec<f32>>();
        place
            .iter()
            .flat_map(|coordinate| frequencies.iter().map(|frequency| *coordinate as f32 * frequency))
            .map(|angle: f32| (angle.cos(), angle.sin()))
            .unzip()
    }

    /// Attention among the patches of one frame, in both directions. `[P, W]` → `[P, W]`
    fn attend(&self, block: &Block, x: &[f32], angles: &[(Vec<f32>, Vec<f32>)]) -> Vec<f32> {
        let (width, dim) = (self.config.hidden_size, self.config.head_dim());
        let frame = angles.len();
        let scale = 1.0 / (dim as f32).sqrt();
        let mut qkv = block.qkv.apply(x); // [P, 3, heads, D]
        for (patch, row) in qkv.chunks_exact_mut(3 * width).enumerate() {
            let (cos, sin) = &angles[patch % frame];
            for head in row[..2 * width].chunks_exact_mut(dim) {
                ops::rotate(head, cos, sin);
            }
        }
        let part = |patch: usize, part: usize, head: usize| {
            &qkv[patch * 3 * width + part * width + head * dim..][..dim]
        };
        let patches = x.len() / width;
        let mut mixed = vec![0.0; x.len()]; // [P, heads, D]
        for patch in 0..patches {
            let first = patch / frame * frame;
            for head in 0..self.config.num_heads {
                let mut scores: Vec<f32> = (first..first + frame)
                    .map(|other| ops::dot(part(patch, 0, head), part(other, 1, head)) * scale)
                    .collect();
                ops::softmax(&mut scores);
                let out = &mut mixed[patch * width + head * dim..][..dim];
                for (other, score) in scores.iter().enumerate() {
                    for (out, value) in out.iter_mut().zip(part(first + other, 2, head)) {
                        *out += score * value;
                    }
                }
            }
        }
        block.proj.apply(&mixed)
    }
}

impl Linear {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut y = self.weight.apply(x);
        for row in y.chunks_exact_mut(self.bias.len()) {
            ops::add(row, &self.bias);
        }
        y
    }
}

impl Norm {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        ops::layer_norm(x, &self.weight, &self.bias, EPS)
    }
}
