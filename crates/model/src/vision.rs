//! The vision tower: patches → rows that stand in for image placeholder tokens.

use aurore_checkpoint::matrices::{vision_block, vision_merger, vision_patch};
use aurore_checkpoint::{MatrixSpec, VisionConfig};
use aurore_kernels::{Attention, Cpu, Format, Gelu, Heads, KvFormat, Matrix, Rotation};

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

/// Rows that go through a block's wide layer together: more would leave the caches.
const ROWS: usize = 512;

/// Buffers of a pass, used again by each block and each image.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    x: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    attention: AttentionBuffers,
}

#[derive(Debug, Default)]
struct AttentionBuffers {
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

    fn bytes(&self) -> usize {
        self.matrix.bytes() + size_of_val(self.bias.as_slice())
    }

    fn forward<'a>(&self, cpu: &Cpu, x: &[f32], gelu: Option<Gelu>, out: &'a mut Vec<f32>) -> &'a mut [f32] {
        let out = part(out, x.len() / self.matrix.columns() * self.matrix.rows());
        self.write(cpu, x, gelu, out);
        out
    }

    fn write(&self, cpu: &Cpu, x: &[f32], gelu: Option<Gelu>, out: &mut [f32]) {
        cpu.matmul(&self.matrix, x, out);
        cpu.bias_gelu(out, &self.bias, gelu);
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

    fn bytes(&self) -> usize {
        size_of_val(self.weight.as_slice()) + size_of_val(self.bias.as_slice())
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
        let blocks: Vec<Block> = (0..config.depth).map(block).collect::<Result<_, ModelError>>()?;
        // Keys and values are rounded where that is how products are fastest, and weights are not exact either.
        let rounded = loader.cpu.in_pairs()
            && blocks
                .first()
                .is_some_and(|block| block.qkv.matrix.format() != Format::F32);
        let table = loader.weights.tensor("model.visual.pos_embed.weight")?;
        Ok(Self {
            sizes: Attention {
                kv_heads: config.num_heads,
                group: 1,
                head_dim: config.head_dim(),
                format: if rounded { KvFormat::Bf16 } else { KvFormat::F32 },
            },
            patch: Linear::load(loader, &vision_patch(config))?,
            table: table
                .expect_shape(&[config.num_position_embeddings, hidden])?
                .to_f32(),
            blocks,
            merger_norm: LayerNorm::load(loader, "model.visual.merger.norm", hidden)?,
            merger: [Linear::load(loader, &first)?, Linear::load(loader, &second)?],
            config: config.clone(),
        })
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> usize {
        let block = |block: &Block| {
            let linears = [&block.qkv, &block.output, &block.mlp[0], &block.mlp[1]].map(Linear::bytes);
            linears.iter().sum::<usize>() + block.norms.iter().map(LayerNorm::bytes).sum::<usize>()
        };
        let ends = [&self.patch, &self.merger[0], &self.merger[1]].map(Linear::bytes);
        let others = size_of_val(self.table.as_slice()) + self.merger_norm.bytes();
        self.blocks.iter().map(block).sum::<usize>() + ends.iter().sum::<usize>() + others
    }

    /// Adds the features of one checked image, `[tokens, out_hidden_size]`, to `features`.
    pub(crate) fn encode(
        &self,
        cpu: &Cpu,
        image: &ImagePatches,
        buffers: &mut Buffers,
        features: &mut Vec<f32>,
    ) {
        let (hidden, dim) = (self.config.hidden_size, self.sizes.head_dim);
        let Buffers {
            x,
            normed,
            wide,
            attention,
        } = buffers;
        let positions = patch_positions(image.grid, self.config.spatial_merge_size);
        let frame = positions.len();
        let x = self.patch.forward(cpu, &image.patches, None, x);
        let patches = x.len() / hidden;
        cpu.pool.pieces(x, hidden, |index, x| {
            for (row, weight) in position_taps(&self.config, image.grid, positions[index % frame]) {
                for (x, learned) in x.iter_mut().zip(&self.table[row * hidden..]) {
                    *x += weight * learned;
                }
            }
        });
        let (cos, sin) = rotations(&positions, dim);
        let rotation = Rotation {
            pairs: dim / 2,
            cos: &cos,
            sin: &sin,
        };
        for block in &self.blocks {
            let input = block.norms[0].forward(cpu, x, normed);
            let qkv = block.qkv.forward(cpu, input, None, wide);
            let mixed = part(normed, patches * hidden);
            // Frames do not see one another.
            let frames = qkv.chunks_exact(frame * 3 * hidden);
            for (qkv, mixed) in frames.zip(mixed.chunks_exact_mut(frame * hidden)) {
                attend(cpu, self.sizes, qkv, rotation, attention, mixed);
            }
            block.output.add(cpu, mixed, x);
            for x in x.chunks_mut(ROWS * hidden) {
                let input = block.norms[1].forward(cpu, x, normed);
                let inner = block.mlp[0].forward(cpu, input, Some(Gelu::Tanh), wide);
                block.mlp[1].add(cpu, inner, x);
            }
        }
        // Patches that merge stand together, so their rows are one.
        let input = self.merger_norm.forward(cpu, x, normed);
        let inner = self.merger[0].forward(cpu, input, Some(Gelu::Erf), wide);
        let last = &self.merger[1];
        let start = features.len();
        features.resize(
            start + inner.len() / last.matrix.columns() * last.matrix.rows(),
            0.0,
        );
        last.write(cpu, inner, None, &mut features[start..]);
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
    buffers: &mut AttentionBuffers,
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
    let pages = patches.div_ceil(Attention::PAGE).max(buffers.pages.len());
    buffers.pages.resize_with(pages, || vec![0.0; sizes.page_len()]);
    let pages = &mut buffers.pages[..patches.div_ceil(Attention::PAGE)];
    cpu.pool.pieces(pages, 1, |number, page| {
        let first = number * Attention::PAGE;
        for page in page {
            if first + Attention::PAGE > patches {
                // Nothing of another image stays behind the last patch.
                page.fill(0.0);
            }
            for patch in first..patches.min(first + Attention::PAGE) {
                let values = &qkv[patch * 3 * hidden + 2 * hidden..][..hidden];
                let keys = &keys[patch * hidden..][..hidden];
                sizes.write(page, patch - first, keys, values);
            }
        }
    });
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
