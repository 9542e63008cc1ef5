//! A gated softmax attention layer.

use std::sync::Arc;

use aurore_checkpoint::TextConfig;
use aurore_checkpoint::matrices::{attention_input, attention_output};
use aurore_kernels::{Attention, Cpu, HeadNorm, Heads, Matrix, Rotation};

use crate::ModelError;
use crate::batch::{Pass, Span};
use crate::load::Loader;
use crate::scratch::{Scratch, part};
use crate::sequence::{LayerState, attention};

pub(crate) struct FullAttention {
    sizes: Attention,
    eps: f32,
    /// Rows: per query head its query and its gate, then keys, then values.
    input: Matrix,
    /// `[head_dim]`
    query_norm: Vec<f32>,
    /// `[head_dim]`
    key_norm: Vec<f32>,
    /// `[hidden, heads · head_dim]`
    output: Matrix,
}

impl FullAttention {
    pub(crate) fn load(loader: &Loader<'_>, config: &TextConfig, prefix: &str) -> Result<Self, ModelError> {
        let sizes = attention(config);
        let dim = config.head_dim;
        let name = |part: &str| format!("{prefix}.{part}.weight");
        Ok(Self {
            sizes,
            eps: config.rms_norm_eps,
            input: loader.matrix(&attention_input(config, prefix))?,
            query_norm: loader.norm(&name("q_norm"), dim)?,
            key_norm: loader.norm(&name("k_norm"), dim)?,
            output: loader.matrix(&attention_output(config, prefix))?,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.input.bytes() + self.output.bytes()
    }

    /// `x += mixer(normed)` for a pass's rows; `layer` is this layer's number. The scratch holds the
    /// rows' cosines and sines, `pairs` each.
    pub(crate) fn forward(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        pass: &mut Pass<'_, '_>,
        layer: usize,
        pairs: usize,
    ) {
        let (stride, hidden) = (self.input.rows(), self.output.rows());
        let (rows, width) = (pass.rows(), self.output.columns());
        let projected = part(&mut scratch.projected, rows * stride);
        cpu.matmul(&self.input, &scratch.normed[..rows * hidden], projected);
        part(&mut scratch.mixed, rows * width);
        for span in pass.spans {
            let state = &mut pass.segments[span.segment].sequence.layers[layer];
            // `Segment::check` gives each sequence the layers of its own configuration.
            if let LayerState::Full { pages } = state {
                self.attend(cpu, scratch, *span, pages, pairs);
            }
        }
        let mixed = &scratch.mixed[..rows * width];
        cpu.matmul_add(&self.output, mixed, &mut scratch.x[..rows * hidden]);
    }

    /// One span from `scratch.projected` to `scratch.mixed`.
    fn attend(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        span: Span,
        pages: &mut Vec<Arc<Vec<f32>>>,
        pairs: usize,
    ) {
        let Attention {
            kv_heads,
            group,
            head_dim,
        } = self.sizes;
        let Span {
            row, tokens, start, ..
        } = span;
        let (stride, keys_len) = (self.input.rows(), kv_heads * head_dim);
        let queries_len = kv_heads * group * head_dim;
        let projected = &scratch.projected[row * stride..][..tokens * stride];
        let rotation = Some(Rotation {
            pairs,
            cos: &scratch.cos[row * pairs..][..tokens * pairs],
            sin: &scratch.sin[row * pairs..][..tokens * pairs],
        });
        let queries = part(&mut scratch.queries, self.sizes.queries_len(tokens));
        let query_heads = Heads {
            stride,
            start: 0,
            head_stride: 2 * head_dim,
        };
        let norm = |weight| {
            Some(HeadNorm {
                weight,
                eps: self.eps,
            })
        };
        let scale = (head_dim as f32).sqrt().recip();
        let padded = self.sizes.padded();
        let query_norm = norm(&self.query_norm);
        cpu.prepare_heads(
            projected,
            query_heads,
            head_dim,
            group,
            query_norm,
            rotation,
            scale,
            padded,
            tokens,
            queries,
        );

        let keys = part(&mut scratch.keys, tokens * keys_len);
        let key_heads = Heads {
            stride,
            start: 2 * queries_len,
            head_stride: head_dim,
        };
        let key_norm = norm(&self.key_norm);
        cpu.prepare_heads(
            projected, key_heads, head_dim, kv_heads, key_norm, rotation, 1.0, head_dim, tokens, keys,
        );
        pages.resize_with((start + tokens).div_ceil(Attention::PAGE), || {
            Arc::new(vec![0.0; self.sizes.page_len()])
        });
        for token in 0..tokens {
            let place = start + token;
            let page = Arc::make_mut(&mut pages[place / Attention::PAGE]);
            let keys = &keys[token * keys_len..][..keys_len];
            let values = &projected[token * stride + 2 * queries_len + keys_len..][..keys_len];
            self.sizes.write(page, place % Attention::PAGE, keys, values);
        }

        let attended = part(&mut scratch.attended, self.sizes.queries_len(tokens));
        cpu.attention(
            self.sizes,
            queries,
            tokens,
            start,
            true,
            |page| pages[page].as_slice(),
            attended,
        );
        let mixed = &mut scratch.mixed[row * queries_len..][..tokens * queries_len];
        let gates = Heads {
            start: head_dim,
            ..query_heads
        };
        cpu.gather_heads(self.sizes, attended, Some((projected, gates)), mixed);
    }
}
