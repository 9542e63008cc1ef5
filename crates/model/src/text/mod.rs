//! The language model: embedding, decoder layers, head.

mod attention;
mod deltanet;
mod ffn;

use aurore_checkpoint::{Config, LayerType, TextConfig};
use aurore_kernels::{Cpu, Matrix};

use self::attention::FullAttention;
use self::deltanet::{DeltaNet, Prefill};
use self::ffn::FeedForward;
use crate::load::Loader;
use crate::positions::Rope;
use crate::scratch::{Scratch, part};
use crate::sequence::LayerState;
use crate::{ModelError, Sequence, TokenId};

pub(crate) struct TextModel {
    hidden: usize,
    eps: f32,
    rope: Rope,
    /// `[vocab, hidden]`; `None` when the head is the embedding
    embedding: Option<Matrix>,
    layers: Vec<Layer>,
    /// `[hidden]`
    norm: Vec<f32>,
    /// `[vocab, hidden]`
    head: Matrix,
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

/// How tokens are fed. Rounding differs between the two, so it depends on what a token is, never on
/// what else runs: given tokens go through chunks, generated ones through the recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Prefill,
    Step,
}

impl TextModel {
    pub(crate) fn load(loader: &Loader<'_>, config: &Config) -> Result<Self, ModelError> {
        let text = &config.text;
        let hidden = text.hidden_size;
        let embedding = "model.language_model.embed_tokens.weight".to_owned();
        let embedding = if config.tie_word_embeddings {
            None
        } else {
            Some(loader.matrix(hidden, &[(embedding, text.vocab_size)])?)
        };
        let layers = text.layer_types.iter().enumerate();
        Ok(Self {
            hidden,
            eps: text.rms_norm_eps,
            rope: Rope::new(text),
            embedding,
            layers: layers
                .map(|(index, kind)| Layer::load(loader, text, index, *kind))
                .collect::<Result<_, _>>()?,
            norm: loader.norm("model.language_model.norm.weight", hidden)?,
            head: loader.matrix(hidden, &[(config.head_name().to_owned(), text.vocab_size)])?,
        })
    }

    /// Bytes of the matrices.
    pub(crate) fn bytes(&self) -> usize {
        let layers: usize = self.layers.iter().map(Layer::bytes).sum();
        layers + self.head.bytes() + self.embedding.as_ref().map_or(0, Matrix::bytes)
    }

    /// Bytes of the head.
    pub(crate) fn head_bytes(&self) -> usize {
        self.head.bytes()
    }

    /// Bytes of the matrices that one token meets.
    pub(crate) fn bytes_per_token(&self) -> usize {
        let layers: usize = self
            .layers
            .iter()
            .map(|layer| layer.bytes() - layer.feed_forward.idle_bytes())
            .sum();
        layers + self.head.bytes()
    }

    /// Writes a known token's embedding, `[hidden]`.
    pub(crate) fn embed(&self, id: TokenId, x: &mut [f32]) {
        self.embedding
            .as_ref()
            .unwrap_or(&self.head)
            .copy_row(id as usize, x);
    }

    /// Runs all layers over the embedded tokens in `scratch.x` (one for a step).
    pub(crate) fn forward(
        &self,
        cpu: &Cpu,
        sequence: &mut Sequence,
        scratch: &mut Scratch,
        positions: &[[u32; 3]],
        kind: Kind,
    ) {
        let (tokens, hidden, pairs) = (positions.len(), self.hidden, self.rope.pairs());
        let (cos, sin) = (
            part(&mut scratch.cos, tokens * pairs),
            part(&mut scratch.sin, tokens * pairs),
        );
        for (token, position) in positions.iter().enumerate() {
            let place = token * pairs..(token + 1) * pairs;
            self.rope
                .write(*position, &mut cos[place.clone()], &mut sin[place]);
        }
        let start = sequence.len;
        let prefill = Prefill {
            start,
            pending: sequence.pending,
        };
        for (layer, state) in self.layers.iter().zip(&mut sequence.layers) {
            let normed = part(&mut scratch.normed, tokens * hidden);
            cpu.rms_norm(&scratch.x[..tokens * hidden], &layer.input_norm, self.eps, normed);
            match (&layer.mixer, state) {
                (Mixer::Linear(mixer), LayerState::Linear { history, delta }) => {
                    if kind == Kind::Step && prefill.pending > 0 {
                        mixer.fold(cpu, delta, prefill.pending);
                    }
                    let prefill = (kind == Kind::Prefill).then_some(prefill);
                    mixer.forward(cpu, scratch, tokens, history, delta, prefill);
                }
                (Mixer::Full(mixer), LayerState::Full { pages }) => {
                    mixer.forward(cpu, scratch, tokens, pages, start, pairs);
                }
                // `Model` gives each sequence the layers of its own configuration and checks it.
                _ => return,
            }
            let normed = part(&mut scratch.normed, tokens * hidden);
            cpu.rms_norm(&scratch.x[..tokens * hidden], &layer.post_norm, self.eps, normed);
            layer.feed_forward.forward(cpu, scratch, tokens);
        }
        sequence.len += tokens;
        sequence.pending = match kind {
            Kind::Prefill => prefill.pending_after(tokens),
            Kind::Step => 0,
        };
        let greatest = positions.iter().flatten().max().copied().unwrap_or(0);
        sequence.next_position = sequence.next_position.max(greatest.saturating_add(1));
    }

    /// Logits of tokens `from..to` of the last forward pass, `[to - from, vocab]`.
    pub(crate) fn logits(&self, cpu: &Cpu, scratch: &mut Scratch, from: usize, to: usize, out: &mut [f32]) {
        let normed = part(&mut scratch.normed, (to - from) * self.hidden);
        cpu.rms_norm(
            &scratch.x[from * self.hidden..to * self.hidden],
            &self.norm,
            self.eps,
            normed,
        );
        cpu.matmul(&self.head, normed, out);
    }
}

impl Layer {
    fn load(
        loader: &Loader<'_>,
        config: &TextConfig,
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
                    &format!("{prefix}.self_attn"),
                )?),
            },
            post_norm: loader.norm(&format!("{prefix}.post_attention_layernorm.weight"), hidden)?,
            feed_forward: FeedForward::load(loader, config, &format!("{prefix}.mlp"))?,
        })
    }

    fn bytes(&self) -> usize {
        let mixer = match &self.mixer {
            Mixer::Linear(mixer) => mixer.bytes(),
            Mixer::Full(mixer) => mixer.bytes(),
        };
        mixer + self.feed_forward.bytes()
    }
}
