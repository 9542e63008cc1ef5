//! How an adapter learns.

use serde::{Deserialize, Serialize};

/// Sizes and places of an adapter.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct LoraSettings {
    /// Rows of each `A`: how much an addition can say.
    pub rank: usize,
    /// Additions are multiplied by `alpha / rank`.
    pub alpha: f32,
    /// Which matrices have additions.
    pub on: Vec<Projections>,
}

/// Matrices that have additions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Projections {
    /// Softmax attention: queries, keys, values, output.
    Attention,
    /// Gated DeltaNet: queries, keys and values together, output gate, output.
    Deltanet,
    /// Feed-forward layers: gate, up and down, of experts too.
    Mlp,
    /// The vision tower and its merger.
    Vision,
}

impl Default for LoraSettings {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            on: vec![Projections::Attention, Projections::Deltanet, Projections::Mlp],
        }
    }
}
