//! A gated DeltaNet layer.

use aurore_checkpoint::TextConfig;
use aurore_checkpoint::matrices::{delta_input, delta_output};
use aurore_kernels::{Cpu, Delta, DeltaKind, DeltaRun, GatedDelta, Matrix};

use crate::ModelError;
use crate::batch::{Kind, Pass, Span};
use crate::load::Loader;
use crate::scratch::{Scratch, part};
use crate::sequence::{LayerState, delta};

pub(crate) struct DeltaNet {
    sizes: Delta,
    taps: usize,
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
            taps,
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
        let vectors = self.conv_weight.len() + self.decay.len() + self.dt_bias.len() + self.norm.len();
        self.input.bytes() + self.output.bytes() + vectors * size_of::<f32>()
    }

    /// `x += mixer(normed)` for a pass's rows; `layer` is this layer's number.
    pub(crate) fn forward(&self, cpu: &Cpu, scratch: &mut Scratch, pass: &mut Pass<'_, '_>, layer: usize) {
        let stride = self.input.rows();
        let (rows, hidden) = (pass.rows(), self.output.rows());
        let projected = part(&mut scratch.projected, rows * stride);
        let normed = &scratch.normed[..rows * hidden];
        cpu.matmul(&self.input, normed, projected);
        if let Some(addition) = pass.additions(layer).and_then(|own| own.input.as_ref()) {
            addition.add(cpu, normed, &mut scratch.low, projected);
        }
        // What of the states was not asked for by now is read here.
        cpu.read_later(std::iter::empty());
        let out = part(&mut scratch.mixed, rows * self.output.columns());
        // Spans of a kind stand in the order of their segments.
        for kind in [Kind::Prefill, Kind::Step] {
            let mut segments = pass.segments.iter_mut().enumerate();
            let spans = pass.spans.iter().filter(|span| span.kind == kind);
            let runs = spans.filter_map(|span| {
                let (_, segment) = segments.find(|(number, _)| *number == span.segment)?;
                // `Segment::check` gives each sequence the layers of its own configuration.
                let state = segment.sequence.layers.get_mut(layer)?;
                self.run(span, state, projected)
            });
            cpu.gated_delta(&self.rule(), projected, runs, out);
        }
        let x = &mut scratch.x[..rows * hidden];
        cpu.matmul_add(&self.output, out, x);
        if let Some(addition) = pass.additions(layer).and_then(|own| own.output.as_ref()) {
            addition.add(cpu, out, &mut scratch.low, x);
        }
    }

    /// What a step reads of what the layer remembers.
    pub(crate) fn memory<'s>(
        &self,
        state: Option<&'s LayerState>,
        pending: usize,
    ) -> impl Iterator<Item = &'s [f32]> + use<'s> {
        let (history, delta, chunk): (&[f32], &[f32], &[f32]) = match state {
            Some(LayerState::Linear {
                history,
                delta,
                chunk,
                ..
            }) => (history, delta, chunk),
            _ => (&[], &[], &[]),
        };
        [history, delta]
            .into_iter()
            .chain(self.sizes.kept(chunk, pending))
    }

    fn rule(&self) -> GatedDelta<'_> {
        GatedDelta {
            sizes: self.sizes,
            taps: self.taps,
            conv: &self.conv_weight,
            decay: &self.decay,
            dt_bias: &self.dt_bias,
            norm: &self.norm,
            eps: self.eps,
            stride: self.input.rows(),
        }
    }

    fn run<'s>(&self, span: &Span, state: &'s mut LayerState, projected: &[f32]) -> Option<DeltaRun<'s>> {
        let LayerState::Linear {
            history,
            delta,
            chunk,
            undo,
        } = state
        else {
            return None;
        };
        undo.clear();
        if span.revocable() > 0 {
            undo.extend_from_slice(history);
            let channels = self.sizes.channels();
            let rows = projected.chunks_exact(self.input.rows()).skip(span.row);
            rows.take(span.tokens - 1)
                .for_each(|row| undo.extend_from_slice(&row[..channels]));
        }
        let kind = span.delta_kind();
        let left = DeltaRun::pending_after(kind, span.pending, span.tokens);
        match kind {
            // Only an unfinished chunk takes memory; a sequence that goes on in steps has one again and again.
            DeltaKind::Prefill { .. } if span.pending == 0 && left == 0 => chunk.clear(),
            _ => chunk.resize(self.sizes.chunk_len(), 0.0),
        }
        Some(DeltaRun {
            row: span.row,
            tokens: span.tokens,
            kind,
            pending: span.pending,
            history,
            state: delta,
            chunk,
        })
    }

    /// S of all heads, `[value_heads, key_dim, value_dim]`, after all of a sequence's tokens.
    pub(crate) fn recurrent(&self, cpu: &Cpu, state: &LayerState, pending: usize) -> Option<Vec<f32>> {
        let mut state = state.clone();
        let LayerState::Linear {
            history,
            delta,
            chunk,
            ..
        } = &mut state
        else {
            return None;
        };
        let run = DeltaRun {
            row: 0,
            tokens: 0,
            kind: DeltaKind::Settle,
            pending,
            history,
            state: delta,
            chunk,
        };
        cpu.gated_delta(&self.rule(), &[], [run], &mut []);
        match state {
            LayerState::Linear { delta, .. } => Some(self.sizes.recurrent(&delta)),
            LayerState::Full { .. } => None,
        }
    }
}

impl Span {
    fn delta_kind(&self) -> DeltaKind {
        match self.kind {
            Kind::Prefill => DeltaKind::Prefill { start: self.start },
            Kind::Step => DeltaKind::Step { start: self.start },
        }
    }

    /// How many of its last tokens can be taken back: none that has become part of the recurrent states, and not the
    /// first.
    pub(crate) fn revocable(&self) -> usize {
        match self.kind {
            Kind::Prefill => 0,
            Kind::Step => self.pending_after().min(self.tokens.saturating_sub(1)),
        }
    }

    /// The unfinished chunk's tokens after this pass.
    pub(crate) fn pending_after(&self) -> usize {
        DeltaRun::pending_after(self.delta_kind(), self.pending, self.tokens)
    }
}
