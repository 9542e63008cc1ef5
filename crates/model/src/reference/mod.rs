//! The slow, clear forward pass: f32 throughout, one thread, no blocking, nothing fused.
//!
//! It is the meaning of the network in this repository. Goldens of the official implementation
//! test it, and it tests the fast path. Read it in the order `mod`, `attention`, `deltanet`,
//! `ffn`, `vision`; matrices are row-major, and every buffer's shape stands beside it.
//!
//! T: tokens, H: hidden size, V: vocabulary, other letters where they are used.

mod attention;
mod deltanet;
mod ffn;
mod ops;
mod state;
mod vision;

use aurore_checkpoint::{Config, LayerType, Weights};

use self::{attention::Attention, deltanet::DeltaNet, ffn::FeedForward, ops::Matrix, vision::Vision};
pub use self::{
    deltanet::{DeltaInputs, DeltaRule, delta_rule},
    state::{LayerState, State},
    vision::VisionOutput,
};
use crate::{ImagePatches, Input, ModelError, TokenId, positions::Rope};

/// A network with its weights in f32.
pub struct Model {
    config: Config,
    /// `[V, H]`
    embedding: Matrix,
    layers: Vec<Layer>,
    /// Weight of the final norm. `[H]`
    norm: Vec<f32>,
    /// `[V, H]`; the embedding when there is none of its own.
    head: Option<Matrix>,
    vision: Option<Vision>,
    rope: Rope,
}

/// One decoder layer: `x += mixer(norm(x)); x += ffn(norm(x))`.
struct Layer {
    /// `[H]`
    input_norm: Vec<f32>,
    mixer: Mixer,
    /// `[H]`
    post_attention_norm: Vec<f32>,
    ffn: FeedForward,
}

enum Mixer {
    Attention(Attention),
    DeltaNet(DeltaNet),
}

/// Everything that a forward pass computes on its way.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// `[T, V]`
    pub logits: Vec<f32>,
    /// After the embedding, images in place. `[T, H]`
    pub embed: Vec<f32>,
    /// After each layer. `[T, H]` each
    pub layers: Vec<Vec<f32>>,
    /// After the final norm. `[T, H]`
    pub final_norm: Vec<f32>,
    /// What the vision tower made of all images together.
    pub vision: VisionOutput,
}

impl Model {
    /// Loads every tensor that `config` calls for.
    pub fn load(weights: &dyn Weights, config: &Config) -> Result<Self, ModelError> {
        let text = &config.text;
        let (hidden, vocab) = (text.hidden_size, text.vocab_size);
        let mut layers = Vec::with_capacity(text.layer_types.len());
        for (index, kind) in text.layer_types.iter().enumerate() {
            let prefix = format!("model.language_model.layers.{index}");
            let norm = |name: &str| ops::vector(weights, &format!("{prefix}.{name}.weight"), hidden);
            layers.push(Layer {
                input_norm: norm("input_layernorm")?,
                mixer: match kind {
                    LayerType::FullAttention => Mixer::Attention(Attention::load(weights, &prefix, text)?),
                    LayerType::LinearAttention => Mixer::DeltaNet(DeltaNet::load(weights, &prefix, text)?),
                },
                post_attention_norm: norm("post_attention_layernorm")?,
                ffn: FeedForward::load(weights, &format!("{prefix}.mlp"), text)?,
            });
        }
        let head = if config.tie_word_embeddings {
            None
        } else {
            Some(Matrix::load(weights, config.head_name(), vocab, hidden)?)
        };
        Ok(Self {
            embedding: Matrix::load(weights, "model.language_model.embed_tokens.weight", vocab, hidden)?,
            layers,
            norm: ops::vector(weights, "model.language_model.norm.weight", hidden)?,
            head,
            vision: config
                .vision
                .as_ref()
                .map(|vision| Vision::load(weights, vision))
                .transpose()?,
            rope: Rope::new(text),
            config: config.clone(),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The state before the first token.
    pub fn new_state(&self) -> State {
        State::new(&self.config.text)
    }

    /// Processes a whole prompt from an empty state.
    pub fn forward(&self, input: &Input<'_>) -> Result<(Output, State), ModelError> {
        let mut state = self.new_state();
        let output = self.prefill(&mut state, input)?;
        Ok((output, state))
    }

    /// Processes given tokens after those in `state`, with the chunked delta rule.
    pub fn prefill(&self, state: &mut State, input: &Input<'_>) -> Result<Output, ModelError> {
        self.run(state, input, DeltaRule::Chunked)
    }

    /// Processes one generated token with the recurrent delta rule, at the position after the
    /// furthest so far. Returns its logits, `[V]`.
    pub fn step(&self, state: &mut State, id: TokenId) -> Result<Vec<f32>, ModelError> {
        let positions = [[state.next_position; 3]];
        let input = Input {
            ids: &[id],
            positions: &positions,
            images: &[],
        };
        // A generated placeholder token has no image behind it: it keeps its own embedding.
        Ok(self.run(state, &input, DeltaRule::Recurrent)?.logits)
    }

    /// The vision tower alone: all images, one after the other.
    pub fn encode_images(&self, images: &[ImagePatches]) -> Result<VisionOutput, ModelError> {
        let mut output = VisionOutput::default();
        if images.is_empty() {
            return Ok(output);
        }
        let vision = self.vision.as_ref().ok_or(ModelError::NoVision)?;
        for (index, image) in images.iter().enumerate() {
            image.check(index, vision.config())?;
            let one = vision.forward(image);
            output.last_hidden.extend(one.last_hidden);
            output.merged.extend(one.merged);
        }
        Ok(output)
    }

    fn run(&self, state: &mut State, input: &Input<'_>, rule: DeltaRule) -> Result<Output, ModelError> {
        let stepping = rule == DeltaRule::Recurrent;
        if !stepping || !input.images.is_empty() {
            input.check(&self.config)?;
        } else if let Some(id) = input
            .ids
            .iter()
            .find(|id| **id as usize >= self.config.text.vocab_size)
        {
            let vocab_size = self.config.text.vocab_size;
            return Err(ModelError::UnknownToken {
                index: 0,
                id: *id,
                vocab_size,
            });
        }
        let hidden = self.config.text.hidden_size;
        let eps = self.config.text.rms_norm_eps;
        let vision = self.encode_images(input.images)?;

        // x: [T, H], the residual stream.
        let mut x = Vec::with_capacity(input.ids.len() * hidden);
        let mut features = vision.merged.chunks_exact(hidden);
        for id in input.ids {
            let feature = (*id == self.config.image_token_id)
                .then(|| features.next())
                .flatten();
            x.extend_from_slice(feature.unwrap_or_else(|| self.embedding.row(*id as usize)));
        }
        let embed = x.clone();
        let mut after_layers = Vec::with_capacity(self.layers.len());
        for (layer, layer_state) in self.layers.iter().zip(&mut state.layers) {
            let normed = ops::rms_norm(&x, &layer.input_norm, eps);
            let mixed = match (&layer.mixer, layer_state) {
                (Mixer::Attention(attention), LayerState::Attention { keys, values }) => {
                    attention.forward(&normed, input.positions, &self.rope, keys, values)
                }
                (Mixer::DeltaNet(deltanet), LayerState::DeltaNet { conv, recurrent }) => {
                    deltanet.forward(&normed, state.length, rule, conv, recurrent)
                }
                _ => {
                    return Err(ModelError::Config(
                        "the state belongs to another model".to_owned(),
                    ));
                }
            };
            ops::add(&mut x, &mixed);
            let normed = ops::rms_norm(&x, &layer.post_attention_norm, eps);
            ops::add(&mut x, &layer.ffn.forward(&normed));
            after_layers.push(x.clone());
        }
        state.length += input.ids.len();
        let furthest = input.positions.iter().flatten().max();
        state.next_position = state
            .next_position
            .max(furthest.map_or(0, |position| position.saturating_add(1)));

        let final_norm = ops::rms_norm(&x, &self.norm, eps);
        let logits = self.head.as_ref().unwrap_or(&self.embedding).apply(&final_norm);
        Ok(Output {
            logits,
            embed,
            layers: after_layers,
            final_norm,
            vision,
        })
    }
}
