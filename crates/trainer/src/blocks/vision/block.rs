//! One block of the tower: `x += attention(norm1(x)); x += mlp(norm2(x))`.

use aurore_checkpoint::VisionConfig;

use super::{Biased, Places, norm};
use crate::Buffer;
use crate::blocks::layer_norm::{self, LayerNorm};
use crate::blocks::softmax_attention::{Looks, Operands, Shape, Slopes};
use crate::ops::rows;
use crate::pass::Pass;
use crate::weights::Weights;

/// D: head width; inner: the MLP's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    norm1: LayerNorm,
    /// `[3W, W]`: queries, keys, values.
    qkv: Biased,
    /// `[W, W]`
    proj: Biased,
    norm2: LayerNorm,
    /// `[inner, W]`
    fc1: Biased,
    /// `[W, inner]`
    fc2: Biased,
    shape: Shape,
}

/// What `backward` needs.
pub(super) struct Saved {
    norm1: layer_norm::Saved,
    /// `[P, W]`
    normed1: Buffer,
    /// Queries and keys turned. `[P, 3, heads, D]`
    qkv: Buffer,
    /// `[P, heads, D]`
    heads: Buffer,
    /// `[heads, P]`
    sums: Buffer,
    norm2: layer_norm::Saved,
    /// `[P, W]`
    normed2: Buffer,
    /// Before the GELU. `[P, inner]`
    before: Buffer,
}

impl Block {
    pub(super) fn new(weights: &mut Weights, prefix: &str, config: &VisionConfig) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("{prefix}.{part}");
        Self {
            norm1: norm(weights, &name("norm1")),
            qkv: Biased::new(weights, &name("attn.qkv"), 3 * width, width),
            proj: Biased::new(weights, &name("attn.proj"), width, width),
            norm2: norm(weights, &name("norm2")),
            fc1: Biased::new(weights, &name("mlp.linear_fc1"), inner, width),
            fc2: Biased::new(weights, &name("mlp.linear_fc2"), width, inner),
            shape: Shape {
                heads: config.num_heads,
                kv_heads: config.num_heads,
                dim: config.head_dim(),
                causal: false,
                query_stride: 3 * width,
                kv_stride: 3 * width,
            },
        }
    }

    /// Adds to `x`, `[P, W]`.
    pub(super) fn forward(&self, pass: &mut Pass<'_>, places: &Places, x: &mut [f32]) -> Saved {
        let (isa, width) = (pass.isa(), self.proj.weight.outputs());
        let (normed1, norm1) = self.norm1.forward(pass, x);
        let mut qkv = self.qkv.apply(pass, &normed1);
        let turned = 2 * self.shape.heads;
        places
            .angles
            .turn(isa, &mut qkv, 3 * width, turned, self.shape.dim);
        let operands = Operands {
            queries: &qkv,
            keys: &qkv[width..],
            values: &qkv[2 * width..],
        };
        let (heads, sums) = self.shape.forward(pass, &places.frames, operands);
        self.proj.forward(pass, &heads, x, true);
        let (normed2, norm2) = self.norm2.forward(pass, x);
        let before = self.fc1.apply(pass, &normed2);
        let mut inner = pass.take(before.len());
        rows::gelu(isa, &before, &mut inner);
        self.fc2.forward(pass, &inner, x, true);
        Saved {
            norm1,
            normed1,
            qkv,
            heads,
            sums,
            norm2,
            normed2,
            before,
        }
    }

    /// `dx`: `[P, W]`, of what left the block, becomes that of what entered it.
    pub(super) fn backward(&self, pass: &mut Pass<'_>, places: &Places, saved: Saved, dx: &mut [f32]) {
        let (isa, width) = (pass.isa(), self.proj.weight.outputs());
        let mut before = saved.before;
        let mut inner = pass.take(before.len());
        rows::gelu(isa, &before, &mut inner);
        let mut dinner = pass.take(before.len());
        self.fc2.backward(pass, &inner, dx, &mut dinner);
        drop(inner);
        rows::gelu_back(isa, &mut before, &dinner);
        drop(dinner);
        let mut dnormed = pass.take(dx.len());
        self.fc1.backward(pass, &saved.normed2, &before, &mut dnormed);
        self.norm2.backward(pass, &saved.norm2, &dnormed, dx);

        self.proj.backward(pass, &saved.heads, dx, &mut dnormed);
        let mut dqkv = pass.zeros(saved.qkv.len());
        let operands = Operands {
            queries: &saved.qkv,
            keys: &saved.qkv[width..],
            values: &saved.qkv[2 * width..],
        };
        let mut dqueries = pass.take(saved.qkv.len());
        let mut dvalues = pass.zeros(saved.qkv.len());
        let mut slopes = Slopes {
            queries: &mut dqueries,
            keys: &mut dqkv[width..],
            values: &mut dvalues,
        };
        let kept = (&*saved.heads, &*saved.sums);
        let (frames, looks) = (&places.frames, Looks::default());
        self.shape
            .backward(pass, frames, operands, kept, &dnormed, looks, &mut slopes);
        let from = dqueries
            .chunks_exact(3 * width)
            .zip(dvalues.chunks_exact(3 * width));
        for (row, (queries, values)) in dqkv.chunks_exact_mut(3 * width).zip(from) {
            row[..width].copy_from_slice(&queries[..width]);
            row[2 * width..].copy_from_slice(&values[..width]);
        }
        places
            .angles
            .turn_back(isa, &mut dqkv, 3 * width, 2 * self.shape.heads, self.shape.dim);
        self.qkv.backward(pass, &saved.normed1, &dqkv, &mut dnormed);
        self.norm1.backward(pass, &saved.norm1, &dnormed, dx);
    }
}
