//! The vision tower: patches → rows that stand in for image placeholder tokens.

use aurore_checkpoint::matrices::{vision_block, vision_merger, vision_patch};
use aurore_checkpoint::{MatrixSpec, VisionConfig};
use aurore_kernels::{Attention, Cpu, Gelu, Heads, Matrix, Rotation};

use crate::load::Loader;
use crate::positions::{patch_positions, position_taps};
use crate::scratch::part;
use crate::{ImagePatches, ModelError};

/// Base of the rotary frequencies and epsilon of the layer norms; no configuration has them.
const ROPE_THETA: f32 = 10_000.0;
const NORM_EPS: f32 = 1e-6;

pub(crate) struct Tower {
    config: VisionConfig,
    sizes: Attention,
    /// `[hidden, patch]` and its bias
    patch: Linear,
    /// The learned position table. `[positions, hidden]`
    table: Vec<f32>,
    blocks: Vec<Block>,
    merger_norm: LayerNorm,
    merger: [Linear; 2],
}

struct Block {
    norms: [LayerNorm; 2],
    qkv: Linear,
    output: Linear,
    mlp: [Linear; 2],
}

struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Linear {
    matrix: Matrix,
    bias: Vec<f32>,
}

/// Buffers of attention, used again by each block.
#[derive(Debug, Default)]
struct Buffers {
    queries: Vec<f32>,
    keys: Vec<f32>,
    attended: Vec<f32>,
    pages: Vec<Vec<f32>>,
}

impl Linear {
    fn load(loader: &Loader<'_>, spec: &MatrixSpec) -> Result<Self, ModelError> {
        let matrix = loader.matrix(spec)?;
        let bias = format!("model.{}.bias", spec.key);
        Ok(Self {
            bias: loader.vector(&bias, matrix.rows())?,
            matrix,
        })
    }

    fn forward<'a>(&self, cpu: &Cpu, x: &[f32], gelu: Option<Gelu>, out: &'a mut Vec<f32>) -> &'a mut [f32] {
        let out = part(out, x.len() / self.matrix.columns() * self.matrix.rows());
        cpu.matmul(&self.matrix, x, out);
        cpu.bias_gelu(out, &self.bias, gelu);
        out
    }

    /// `to += W x + bias`
    fn add(&self, cpu: &Cpu, x: &[f32], to: &mut [f32]) {
        cpu.bias_gelu(to, &self.bias, None);
        cpu.matmul_add(&self.matrix, x, to);
    }
}

impl LayerNorm {
    fn load(loader: &Loader<'_>, name: &str, len: usize) -> Result<Self, ModelError> {
        Ok(Self {
            weight: loader.vector(&format!("{name}.weight"), len)?,
            bias: loader.vector(&format!("{name}.bias"), len)?,
        })
    }

    fn forward<'a>(&self, cpu: &Cpu, x: &[f32], out: &'a mut Vec<f32>) -> &'a mut [f32] {
        let out = part(out, x.len());
        cpu.layer_norm(x, &self.weight, &self.bias, NORM_EPS, out);
        out
    }
}

impl Tower {
    pub(crate) fn load(loader: &Loader<'_>, config: &VisionConfig) -> Result<Self, ModelError> {
        let hidden = config.hidden_size;
        let block = |index: usize| {
            let [qkv, output, up, down] = vision_block(config, index);
            let name = |part: &str| format!("model.visual.blocks.{index}.{part}");
            Ok(Block {
                norms: [
                    LayerNorm::load(loader, &name("norm1"), hidden)?,
                    LayerNorm::load(loader, &name("norm2"), hidden)?,
                ],
                qkv: Linear::load(loader, &qkv)?,
                output: Linear::load(loader, &output)?,
                mlp: [Linear::load(loader, &up)?, Linear::load(loader, &down)?],
            })
        };
        let [first, second] = vision_merger(config);
        let table = loader.weights.tensor("model.visual.pos_embed.weight")?;
        Ok(Self {
            sizes: Attention {
                kv_heads: config.num_heads,
                group: 1,
                head_dim: config.head_dim(),
            },
            patch: Linear::load(loader, &vision_patch(config))?,
            table: table
                .expect_shape(&[config.num_position_embeddings, hidden])?
                .to_f32(),
            blocks: (0..config.depth).map(block).collect::<Result<_, ModelError>>()?,
            merger_norm: LayerNorm::load(loader, "model.visual.merger.norm", hidden)?,
            merger: [Linear::load(loader, &first)?, Linear::load(loader, &second)?],
            config: config.clone(),
        })
    }

    /// Bytes of the matrices.
    pub(crate) fn bytes(&self) -> usize {
        let block = |block: &Block| {
            [&block.qkv, &block.output, &block.mlp[0], &block.mlp[1]]
                .map(|linear| linear.matrix.bytes())
                .iter()
                .sum::<usize>()
        };
        let ends = [&self.patch, &self.merger[0], &self.merger[1]].map(|linear| linear.matrix.bytes());
        self.blocks.iter().map(block).sum::<usize>() + ends.iter().sum::<usize>()
    }

    /// The features of one checked image, `[tokens, out_hidden_size]`.
    pub(crate) fn encode(&self, cpu: &Cpu, image: &ImagePatches) -> Vec<f32> {
        let (hidden, dim) = (self.config.hidden_size, self.sizes.head_dim);
        let mut buffers = Buffers::default();
        let (mut x, mut normed, mut wide) = (Vec::new(), Vec::new(), Vec::new());
        let positions = patch_positions(image.grid, self.config.spatial_merge_size);
        let frame = positions.len();
        self.patch.forward(cpu, &image.patches, None, &mut x);
        let patches = x.len() / hidden;
        for (index, x) in x.chunks_exact_mut(hidden).enumerate() {
            for (row, weight) in position_taps(&self.config, image.grid, positions[index % frame]) {
                for (x, learned) in x.iter_mut().zip(&self.table[row * hidden..]) {
                    *x += weight * learned;
                }
            }
        }
        let (cos, sin) = rotations(&positions, dim);
        let rotation = Rotation {
            pairs: dim / 2,
            cos: &cos,
            sin: &sin,
        };
        for block in &self.blocks {
            let input = block.norms[0].forward(cpu, &x, &mut normed);
            let qkv = block.qkv.forward(cpu, input, None, &mut wide);
            let mixed = part(&mut normed, patches * hidden);
            // Frames do not see one another.
            let frames = qkv.chunks_exact(frame * 3 * hidden);
            for (qkv, mixed) in frames.zip(mixed.chunks_exact_mut(frame * hidden)) {
                attend(cpu, self.sizes, qkv, rotation, &mut buffers, mixed);
            }
            block.output.add(cpu, mixed, &mut x);
            let input = block.norms[1].forward(cpu, &x, &mut normed);
            let inner = block.mlp[0].forward(cpu, input, Some(Gelu::Tanh), &mut wide);
            block.mlp[1].add(cpu, inner, &mut x);
        }
        // Patches that merge stand together, so their rows are one.
        let input = self.merger_norm.forward(cpu, &x, &mut normed);
        let inner = self.merger[0].forward(cpu, input, Some(Gelu::Erf), &mut wide);
        let mut features = Vec::new();
        self.merger[1].forward(cpu, inner, None, &mut features);
        features
    }
}

/// Cosines and sines of a frame's patches, `[patches, dim / 2]` each: the first half of the pairs
/// turns with the row, the second with the column.
fn rotations(positions: &[[u32; 2]], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let quarter = dim / 4;
    let angles = positions.iter().flat_map(|position| {
        position.iter().flat_map(move |&place| {
            (0..quarter)
                .map(move |j| place as f32 * (1.0 / ROPE_THETA.powf((2 * j) as f32 / (dim / 2) as f32)))
        })
    });
    angles.map(|angle| (angle.cos(), angle.sin())).unzip()
}

/// Attention within a frame: `[patches, 3 · hidden]` (queries, keys, values) to `[patches, hidden]`.
fn attend(
    cpu: &Cpu,
    sizes: Attention,
    qkv: &[f32],
    rotation: Rotation<'_>,
    buffers: &mut Buffers,
    mixed: &mut [f32],
) {
    let Attention {
        kv_heads: heads,
        head_dim,
        ..
    } = sizes;
    let hidden = heads * head_dim;
    let patches = qkv.len() / (3 * hidden);
    let scale = (head_dim as f32).sqrt().recip();
    let place = Heads {
        stride: 3 * hidden,
        start: 0,
        head_stride: head_dim,
    };
    let queries = part(&mut buffers.queries, sizes.queries_len(patches));
    cpu.prepare_heads(
        qkv,
        place,
        head_dim,
        1,
        None,
        Some(rotation),
        scale,
        sizes.padded(),
        patches,
        queries,
    );
    let keys = part(&mut buffers.keys, patches * hidden);
    let place = Heads {
        start: hidden,
        ..place
    };
    cpu.prepare_heads(
        qkv,
        place,
        head_dim,
        heads,
        None,
        Some(rotation),
        1.0,
        head_dim,
        patches,
        keys,
    );
    buffers
        .pages
        .resize_with(patches.div_ceil(Attention::PAGE), || vec![0.0; sizes.page_len()]);
    for patch in 0..patches {
        let page = &mut buffers.pages[patch / Attention::PAGE];
        let values = &qkv[patch * 3 * hidden + 2 * hidden..][..hidden];
        sizes.write(
            page,
            patch % Attention::PAGE,
            &keys[patch * hidden..][..hidden],
            values,
        );
    }
    let attended = part(&mut buffers.attended, sizes.queries_len(patches));
    let pages = &buffers.pages;
    cpu.attention(
        sizes,
        queries,
        patches,
        0,
        false,
        |page| pages[page].as_slice(),
        attended,
    );
    cpu.gather_heads(sizes, attended, None, mixed);
}
