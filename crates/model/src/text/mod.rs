//! The language model: embedding, decoder layers, head.

mod attention;
mod deltanet;
mod ffn;
mod head;

use std::sync::OnceLock;

use aurore_checkpoint::{Config, LayerType, TextConfig, matrices};
use aurore_kernels::{Cpu, KvFormat, Matrix};

use self::attention::FullAttention;
use self::deltanet::DeltaNet;
use self::ffn::FeedForward;
use self::head::Head;
pub(crate) use self::head::shortlist_bytes;
use crate::batch::{Kind, Pass};
use crate::load::Loader;
use crate::positions::Rope;
use crate::scratch::{Scratch, part};
use crate::sequence::LayerState;
use crate::{Logits, ModelError, Segment, TokenId, Tokens};

pub(crate) struct TextModel {
    hidden: usize,
    eps: f32,
    rope: Rope,
    /// `[vocab, hidden]`; `None` when the head is the embedding
    embedding: Option<Matrix>,
    layers: Vec<Layer>,
    /// `[hidden]`
    norm: Vec<f32>,
    head: Head,
}

struct Layer {
    /// `[hidden]`
    input_norm: Vec<f32>,
    mixer: Mixer,
    /// `[hidden]`
    post_norm: Vec<f32>,
    feed_forward: FeedForward,
}

enum Mixer {
    Linear(DeltaNet),
    Full(FullAttention),
}

impl TextModel {
    pub(crate) fn load(loader: &Loader<'_>, config: &Config, kv: KvFormat) -> Result<Self, ModelError> {
        let text = &config.text;
        let hidden = text.hidden_size;
        // The largest first: while a matrix is copied it is in memory twice.
        let head = OnceLock::new();
        let load_head = || loader.matrix(&matrices::head(config));
        let layers = loader.each(1 + text.layer_types.len(), |number| {
            let Some(index) = number.checked_sub(1) else {
                head.get_or_init(load_head);
                return Ok(None);
            };
            Layer::load(loader, text, kv, index, text.layer_types[index]).map(Some)
        })?;
        Ok(Self {
            hidden,
            eps: text.rms_norm_eps,
            rope: Rope::new(text),
            embedding: matrices::embedding(config)
                .map(|spec| loader.matrix(&spec))
                .transpose()?,
            layers: layers.into_iter().flatten().collect(),
            norm: loader.norm("model.language_model.norm.weight", hidden)?,
            head: Head::new(
                loader.cpu,
                head.into_inner().unwrap_or_else(load_head)?,
                loader.shortlist,
            ),
        })
    }

    /// Bytes of the weights, without those of a store of experts.
    pub(crate) fn bytes(&self) -> usize {
        let layers: usize = self.layers.iter().map(Layer::bytes).sum();
        let embedding = self.embedding.as_ref().map_or(0, Matrix::bytes);
        layers + self.head.bytes() + embedding + size_of_val(self.norm.as_slice())
    }

    /// Bytes that are read of the head for the likeliest token.
    pub(crate) fn head_bytes(&self) -> usize {
        self.head.bytes_per_token()
    }

    /// Bytes of the weights that one token meets.
    pub(crate) fn bytes_per_token(&self) -> usize {
        let layers: usize = self
            .layers
            .iter()
            .map(|layer| layer.bytes() - layer.feed_forward.bytes() + layer.feed_forward.bytes_per_token())
            .sum();
        layers + self.head.bytes_per_token() + size_of_val(self.norm.as_slice())
    }

    /// Writes a known token's embedding, `[hidden]`.
    pub(crate) fn embed(&self, id: TokenId, x: &mut [f32]) {
        self.embedding
            .as_ref()
            .unwrap_or(&self.head.matrix)
            .copy_row(id as usize, x);
    }

    /// What a DeltaNet layer's state is after all of a sequence's tokens.
    pub(crate) fn recurrent(
        &self,
        cpu: &Cpu,
        layer: usize,
        state: &LayerState,
        pending: usize,
    ) -> Option<Vec<f32>> {
        match &self.layers.get(layer)?.mixer {
            Mixer::Linear(mixer) => mixer.recurrent(cpu, state, pending),
            Mixer::Full(_) => None,
        }
    }

    /// Runs all layers over the embedded tokens in `scratch.x`.
    ///
    /// # Errors
    /// When experts cannot be read from their file; the sequences then end half way.
    pub(crate) fn forward(
        &self,
        cpu: &Cpu,
        pass: &mut Pass<'_, '_>,
        scratch: &mut Scratch,
    ) -> Result<(), ModelError> {
        let (rows, hidden) = (pass.rows(), self.hidden);
        self.rotations(pass, scratch);
        states_later(cpu, pass, self.layers.first(), 0);
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = part(&mut scratch.normed, rows * hidden);
            cpu.rms_norm(&scratch.x[..rows * hidden], &layer.input_norm, self.eps, normed);
            match &layer.mixer {
                Mixer::Linear(mixer) => mixer.forward(cpu, scratch, pass, index),
                Mixer::Full(mixer) => mixer.forward(cpu, scratch, pass, index, self.rope.pairs()),
            }
            let normed = part(&mut scratch.normed, rows * hidden);
            cpu.rms_norm(&scratch.x[..rows * hidden], &layer.post_norm, self.eps, normed);
            states_later(cpu, pass, self.layers.get(index + 1), index + 1);
            layer
                .feed_forward
                .forward(cpu, scratch, rows, pass.additions(index))?;
        }
        for span in pass.spans {
            let segment = &mut pass.segments[span.segment];
            let sequence = &mut *segment.sequence;
            let greatest = match segment.tokens {
                Tokens::Given { positions, .. } => positions[span.from..][..span.tokens]
                    .iter()
                    .flatten()
                    .max()
                    .copied()
                    .unwrap_or(0),
                Tokens::Generated(_) => sequence
                    .next_position
                    .saturating_add((span.tokens as u32).saturating_sub(1)),
            };
            sequence.next_position = sequence.next_position.max(greatest.saturating_add(1));
            sequence.len += span.tokens;
            sequence.pending = span.pending_after();
            (sequence.stepped, sequence.revocable) = (span.tokens, span.revocable());
        }
        Ok(())
    }

    /// Cosines and sines of a pass's positions.
    fn rotations(&self, pass: &Pass<'_, '_>, scratch: &mut Scratch) {
        let (rows, pairs) = (pass.rows(), self.rope.pairs());
        let (cos, sin) = (
            part(&mut scratch.cos, rows * pairs),
            part(&mut scratch.sin, rows * pairs),
        );
        for span in pass.spans {
            let segment = &pass.segments[span.segment];
            for token in 0..span.tokens {
                let position = match segment.tokens {
                    Tokens::Given { positions, .. } => positions[span.from + token],
                    Tokens::Generated(_) => [segment.sequence.next_position.saturating_add(token as u32); 3],
                };
                let place = (span.row + token) * pairs..(span.row + token + 1) * pairs;
                self.rope
                    .write(position, &mut cos[place.clone()], &mut sin[place]);
            }
        }
    }

    /// Of the `rows` that were put aside, in the order of segments: logits, `[wanted, vocab]`, which `out` has the room
    /// for, and rows after the last norm, `[hidden rows, hidden]`.
    pub(crate) fn logits(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        segments: &[Segment<'_>],
        rows: usize,
        out: &mut Logits,
    ) {
        let hidden = self.hidden;
        let normed = part(&mut scratch.normed, rows * hidden);
        let wanted = part(&mut scratch.wanted, rows * hidden);
        cpu.rms_norm(wanted, &self.norm, self.eps, normed);
        self.head.logits(cpu, scratch, segments, rows, out);
    }
}

/// Says that steps read what a DeltaNet layer remembers soon.
fn states_later(cpu: &Cpu, pass: &Pass<'_, '_>, layer: Option<&Layer>, index: usize) {
    let Some(Mixer::Linear(mixer)) = layer.map(|layer| &layer.mixer) else {
        return cpu.read_later(std::iter::empty());
    };
    let steps = pass.spans.iter().filter(|span| span.kind == Kind::Step);
    cpu.read_later(steps.flat_map(|span| {
        let state = pass.segments[span.segment].sequence.layers.get(index);
        mixer.memory(state, span.pending)
    }));
}

impl Layer {
    fn load(
        loader: &Loader<'_>,
        config: &TextConfig,
        kv: KvFormat,
        index: usize,
        kind: LayerType,
    ) -> Result<Self, ModelError> {
        let prefix = format!("model.language_model.layers.{index}");
        let hidden = config.hidden_size;
        Ok(Self {
            input_norm: loader.norm(&format!("{prefix}.input_layernorm.weight"), hidden)?,
            mixer: match kind {
                LayerType::LinearAttention => {
                    Mixer::Linear(DeltaNet::load(loader, config, &format!("{prefix}.linear_attn"))?)
                }
                LayerType::FullAttention => Mixer::Full(FullAttention::load(
                    loader,
                    config,
                    kv,
                    &format!("{prefix}.self_attn"),
                )?),
            },
            post_norm: loader.norm(&format!("{prefix}.post_attention_layernorm.weight"), hidden)?,
            feed_forward: FeedForward::load(loader, config, index)?,
        })
    }

    fn bytes(&self) -> usize {
        let norms = self.input_norm.len() + self.post_norm.len();
        self.mixer.bytes() + self.feed_forward.bytes() + norms * size_of::<f32>()
    }
}

impl Mixer {
    fn bytes(&self) -> usize {
        match self {
            Self::Linear(mixer) => mixer.bytes(),
            Self::Full(mixer) => mixer.bytes(),
        }
    }
}
