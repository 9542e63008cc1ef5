//! A gated DeltaNet layer.

use aurore_checkpoint::TextConfig;
use aurore_checkpoint::matrices::{delta_input, delta_output};
use aurore_kernels::{Conv, Cpu, Delta, DeltaInput, Matrix, softplus};

use crate::ModelError;
use crate::batch::{Kind, Pass, Span};
use crate::load::Loader;
use crate::scratch::{Scratch, part};
use crate::sequence::{LayerState, delta};

pub(crate) struct DeltaNet {
    sizes: Delta,
    conv: Conv,
    eps: f32,
    /// Rows: convolution inputs (queries, keys, values), z, b, a. `[conv + value + 2 · heads, hidden]`
    input: Matrix,
    /// `[taps, channels]`
    conv_weight: Vec<f32>,
    /// `-exp(A_log)`. `[heads]`
    decay: Vec<f32>,
    /// `[heads]`
    dt_bias: Vec<f32>,
    /// `[value_head_dim]`
    norm: Vec<f32>,
    /// `[hidden, value]`
    output: Matrix,
}

impl DeltaNet {
    pub(crate) fn load(loader: &Loader<'_>, config: &TextConfig, prefix: &str) -> Result<Self, ModelError> {
        let channels = config.linear_conv_dim();
        let (heads, taps) = (config.linear_num_value_heads, config.linear_conv_kernel_dim);
        let widest = config.linear_key_head_dim.max(config.linear_value_head_dim);
        if widest > Delta::MAX_DIM {
            return Err(ModelError::Config(format!(
                "DeltaNet heads of {widest}, more than {}",
                Delta::MAX_DIM
            )));
        }
        let name = |part: &str| format!("{prefix}.{part}");
        let conv = loader
            .weights
            .tensor(&name("conv1d.weight"))?
            .expect_shape(&[channels, 1, taps])?
            .to_f32();
        let mut conv_weight = vec![0.0; conv.len()];
        for (channel, weights) in conv.chunks_exact(taps).enumerate() {
            for (tap, weight) in weights.iter().enumerate() {
                conv_weight[tap * channels + channel] = *weight;
            }
        }
        let decay = loader
            .vector(&name("A_log"), heads)?
            .into_iter()
            .map(|a| -a.exp())
            .collect();
        let input = loader.matrix(&delta_input(config, prefix))?;
        Ok(Self {
            sizes: delta(config),
            conv: Conv {
                channels,
                taps,
                stride: input.rows(),
            },
            eps: config.rms_norm_eps,
            input,
            conv_weight,
            decay,
            dt_bias: loader.vector(&name("dt_bias"), heads)?,
            norm: loader.vector(&name("norm.weight"), config.linear_value_head_dim)?,
            output: loader.matrix(&delta_output(config, prefix))?,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.input.bytes() + self.output.bytes()
    }

    /// `x += mixer(normed)` for a pass's rows; `layer` is this layer's number.
    pub(crate) fn forward(&self, cpu: &Cpu, scratch: &mut Scratch, pass: &mut Pass<'_, '_>, layer: usize) {
        let heads = self.sizes.value_heads;
        let (stride, channels) = (self.conv.stride, self.conv.channels);
        let value = heads * self.sizes.value_dim;
        let (rows, hidden) = (pass.rows(), self.output.rows());
        let projected = part(&mut scratch.projected, rows * stride);
        cpu.matmul(&self.input, &scratch.normed[..rows * hidden], projected);
        let g = part(&mut scratch.keys, rows * heads);
        let beta = part(&mut scratch.attended, rows * heads);
        for row in 0..rows {
            let b = &projected[row * stride + channels + value..][..2 * heads];
            for head in 0..heads {
                beta[row * heads + head] = 1.0 / (1.0 + (-b[head]).exp());
                g[row * heads + head] = self.decay[head] * softplus(b[heads + head] + self.dt_bias[head]);
            }
        }
        let qkv = part(&mut scratch.queries, rows * channels);
        let out = part(&mut scratch.mixed, rows * value);
        for span in pass.spans {
            let state = &mut pass.segments[span.segment].sequence.layers[layer];
            let LayerState::Linear { history, delta } = state else {
                // `Segment::check` gives each sequence the layers of its own configuration.
                continue;
            };
            let qkv = &mut qkv[span.row * channels..][..span.tokens * channels];
            let projected = &projected[span.row * stride..];
            cpu.causal_conv_silu(self.conv, projected, &self.conv_weight, history, qkv);
            let input = |from: usize, to: usize| DeltaInput {
                qkv: &qkv[from * channels..to * channels],
                g: &g[(span.row + from) * heads..(span.row + to) * heads],
                beta: &beta[(span.row + from) * heads..(span.row + to) * heads],
            };
            let out = &mut out[span.row * value..][..span.tokens * value];
            if span.kind == Kind::Step {
                // An unfinished chunk of given tokens becomes part of the state first.
                if span.pending > 0 {
                    cpu.delta_fold(self.sizes, delta, span.pending);
                }
                cpu.delta_step(self.sizes, delta, input(0, 1), out);
                continue;
            }
            for Piece {
                from,
                to,
                pending,
                finished,
            } in span.pieces()
            {
                let out = &mut out[from * value..to * value];
                cpu.delta_prefill(self.sizes, delta, pending, finished, input(from, to), out);
            }
        }
        cpu.gated_rms_norm(out, &self.norm, self.eps, &projected[channels..], heads, stride);
        cpu.matmul_add(&self.output, out, &mut scratch.x[..rows * hidden]);
    }
}

/// Tokens of one chunk.
struct Piece {
    from: usize,
    to: usize,
    pending: usize,
    finished: bool,
}

impl Span {
    /// Cuts given tokens where chunks end: at multiples of 64 of the sequence.
    fn pieces(self) -> impl Iterator<Item = Piece> {
        let mut from = 0;
        let mut pending = self.pending;
        std::iter::from_fn(move || {
            if from == self.tokens {
                return None;
            }
            let room = Delta::CHUNK - (self.start + from) % Delta::CHUNK;
            let to = self.tokens.min(from + room);
            let piece = Piece {
                from,
                to,
                pending,
                finished: to == from + room,
            };
            pending = piece.pending_after();
            from = to;
            Some(piece)
        })
    }

    /// The unfinished chunk's tokens after this pass.
    pub(crate) fn pending_after(self) -> usize {
        match self.kind {
            Kind::Step => 0,
            Kind::Prefill => self
                .pieces()
                .last()
                .map_or(self.pending, |piece| piece.pending_after()),
        }
    }
}

impl Piece {
    fn pending_after(&self) -> usize {
        if self.finished {
            0
        } else {
            self.pending + self.to - self.from
        }
    }
}
