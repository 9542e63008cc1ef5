//! The two paths behind one face.

use aurore_checkpoint::{Config, Weights};

use super::Path;
use crate::{ImagePatches, Input, Model, ModelError, Sequence, TokenId, Want, reference};

/// A loaded network and the sequence that it is at.
pub(super) enum Network {
    Reference(Box<reference::Model>, reference::State),
    Fast(Box<Model>, Sequence),
}

const MERGED: &str = "vision.image.merged";

/// What a path shows besides logits, by the names of the case format.
type Shown = Vec<(String, Vec<f32>)>;

impl Network {
    pub(super) fn load(path: &Path, weights: &dyn Weights, config: &Config) -> Result<Self, ModelError> {
        Ok(match path {
            Path::Reference => {
                let model = reference::Model::load(weights, config)?;
                let state = model.new_state();
                Self::Reference(Box::new(model), state)
            }
            Path::Fast(options) => {
                let model = Model::load(weights, config, options)?;
                let sequence = model.new_sequence();
                Self::Fast(Box::new(model), sequence)
            }
        })
    }

    /// Starts a new sequence with a prompt; logits `[T, V]`.
    pub(super) fn prefill(&mut self, input: &Input<'_>) -> Result<(Vec<f32>, Shown), ModelError> {
        match self {
            Self::Reference(model, state) => {
                let (output, after) = model.forward(input)?;
                *state = after;
                let shown = show(&output, state);
                Ok((output.logits, shown))
            }
            Self::Fast(model, sequence) => {
                *sequence = model.new_sequence();
                let logits = model.prefill(sequence, input, Want::All)?;
                Ok((logits.values, show_features(model, input.images)?))
            }
        }
    }

    /// Goes on with one token; its logits, `[V]`.
    pub(super) fn step(&mut self, id: TokenId) -> Result<Vec<f32>, ModelError> {
        match self {
            Self::Reference(model, state) => model.step(state, id),
            Self::Fast(model, sequence) => {
                let mut logits = Vec::new();
                model.step(sequence, id, &mut logits)?;
                Ok(logits)
            }
        }
    }

    /// The vision tower alone.
    pub(super) fn encode_images(&self, images: &[ImagePatches]) -> Result<Shown, ModelError> {
        match self {
            Self::Reference(model, _) => Ok(show_vision(&model.encode_images(images)?)),
            Self::Fast(model, _) => show_features(model, images),
        }
    }
}

fn show_features(model: &Model, images: &[ImagePatches]) -> Result<Shown, ModelError> {
    if images.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![(MERGED.to_owned(), model.encode_images(images)?.rows)])
}

fn show(output: &reference::Output, state: &reference::State) -> Shown {
    let mut shown = show_vision(&output.vision);
    shown.push(("hidden.embed".to_owned(), output.embed.clone()));
    for (index, hidden) in output.layers.iter().enumerate() {
        shown.push((format!("hidden.layer.{index:02}"), hidden.clone()));
    }
    shown.push(("hidden.final_norm".to_owned(), output.final_norm.clone()));
    for (index, layer) in state.layers.iter().enumerate() {
        if let reference::LayerState::DeltaNet { conv, recurrent } = layer {
            shown.push((format!("state.{index:02}.conv"), conv.clone()));
            shown.push((format!("state.{index:02}.recurrent"), recurrent.clone()));
        }
    }
    shown
}

fn show_vision(output: &reference::VisionOutput) -> Shown {
    if output.merged.is_empty() {
        return Vec::new();
    }
    vec![
        ("vision.image.last_hidden".to_owned(), output.last_hidden.clone()),
        (MERGED.to_owned(), output.merged.clone()),
    ]
}
