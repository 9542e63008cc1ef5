//! The vision tower: patches → rows that stand in for image placeholder tokens.

mod encoding;
mod linear;

use aurore_checkpoint::VisionConfig;
use aurore_checkpoint::matrices::{vision_block, vision_merger, vision_patch};
use aurore_kernels::{Attention, Format, KvFormat};

use self::linear::{LayerNorm, Linear};
use crate::ModelError;
use crate::load::Loader;

pub use encoding::Encoding;

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
        let blocks = loader.each(config.depth, block)?;
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
}
